#include "host/config/values.hpp"

#include <gtest/gtest.h>

namespace viaduct::config {
namespace {

using std::chrono::milliseconds;

TEST(ParseDuration, TakesAWholeNumberWithAUnit) {
  EXPECT_EQ(parse_duration("20ms"), milliseconds(20));
  EXPECT_EQ(parse_duration("3s"), milliseconds(3000));
  EXPECT_EQ(parse_duration("30m"), milliseconds(1'800'000));
  EXPECT_EQ(parse_duration("24h"), milliseconds(86'400'000));
  EXPECT_EQ(parse_duration("7d"), milliseconds(7LL * 86'400'000));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "3", "s", "3 s", " 3s", "3s ", "-3s", "+3s", "1.5s", "3S", "3sec",
                           "99999999999999999999s", "9999999999d"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(DurationText, UsesTheLargestUnitThatFits) {
  EXPECT_EQ(duration_text(milliseconds(500)), "500ms");
  EXPECT_EQ(duration_text(milliseconds(75'000)), "75s");
  EXPECT_EQ(duration_text(milliseconds(600'000)), "10m");
  EXPECT_EQ(duration_text(milliseconds(0)), "0ms");
}

TEST(ParseSize, TakesAWholeNumberWithAUnit) {
  EXPECT_EQ(parse_size("512B"), 512u);
  EXPECT_EQ(parse_size("1MB"), 1'000'000u);
  EXPECT_EQ(parse_size("64KiB"), 65'536u);
  EXPECT_EQ(parse_size("2GiB"), std::size_t{2} << 30);
}

TEST(ParseSize, RefusesEverythingElse) {
  for (const char* text : {"", "1", "1M", "1 MB", "-1MB", "1mb", "18446744073709551615GiB"})
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

TEST(SizeText, UsesAUnitThatFits) {
  EXPECT_EQ(size_text(1 << 20), "1MiB");
  EXPECT_EQ(size_text(16 << 10), "16KiB");
  EXPECT_EQ(size_text(1'000'000), "1MB");
  EXPECT_EQ(size_text(7), "7B");
}

TEST(ParseAddress, TakesAnIpAddressAndAPort) {
  EXPECT_EQ(parse_address("127.0.0.1:8410")->text, "127.0.0.1:8410");
  EXPECT_TRUE(parse_address("127.0.0.1:8410")->loopback);
  EXPECT_TRUE(parse_address("127.1.2.3:0")->loopback);
  EXPECT_TRUE(parse_address("[::1]:80")->loopback);
  EXPECT_EQ(parse_address("localhost:80")->text, "127.0.0.1:80");
  EXPECT_EQ(parse_address("0.0.0.0:80")->port, 80);
  EXPECT_FALSE(parse_address("0.0.0.0:80")->loopback);
  EXPECT_FALSE(parse_address("[::]:80")->loopback);
  EXPECT_FALSE(parse_address("[::ffff:127.0.0.1]:80")->loopback);
  EXPECT_FALSE(parse_address("192.168.1.1:80")->loopback);
}

TEST(ParseAddress, RefusesEverythingElse) {
  for (const char* text :
       {"", "8410", ":8410", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1",
        "127.0.0.1:8a", "::1:80", "[::1]", "[::1:80", "example.com:80", "127.1:80",
        "127.0.0.1.nip.io:80", "http://127.0.0.1:80"})
    EXPECT_FALSE(parse_address(text)) << text;
}

TEST(ScalarType, FollowsTheCoreSchema) {
  for (const char* text : {"", "~", "null", "Null", "NULL"})
    EXPECT_EQ(scalar_type(text), ScalarType::null) << text;
  for (const char* text : {"true", "True", "FALSE"})
    EXPECT_EQ(scalar_type(text), ScalarType::boolean) << text;
  for (const char* text : {"0", "-1", "+12", "0x1F", "0o17", "007"})
    EXPECT_EQ(scalar_type(text), ScalarType::integer) << text;
  for (const char* text : {"1.5", ".5", "1.", "-1e3", "1.5E-3", ".inf", "-.Inf", ".nan"})
    EXPECT_EQ(scalar_type(text), ScalarType::number) << text;
  for (const char* text : {"yes", "no", "on", "x", "1.2.3", "1e", "0x", "0o8", ".", "-", "+",
                           "tRUE", "1_000", "-0x1", "e3", "12:30"})
    EXPECT_EQ(scalar_type(text), ScalarType::string) << text;
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string> keys{"server", "plugins", "store", "log", "backends", "surfaces"};
  EXPECT_EQ(nearest("serfaces", keys), "surfaces");
  EXPECT_EQ(nearest("backend", keys), "backends");
  EXPECT_EQ(nearest("Server", keys), "server");
  EXPECT_EQ(nearest("sotre", keys), "store");
  EXPECT_EQ(nearest("lgo", keys), "log");
  EXPECT_EQ(nearest("web_chat", {"web-chat", "slack"}), "web-chat");
}

TEST(Nearest, FindsNothingWhereNothingComesNear) {
  EXPECT_EQ(nearest("zebra", {"server", "log"}), "");
  EXPECT_EQ(nearest("x", {"a", "b"}), "");
  EXPECT_EQ(nearest("", {"a"}), "");
  EXPECT_EQ(nearest(std::string(5000, 'a'), {"a"}), "");
}

TEST(IsSecretKey, LooksAtTheLastWord) {
  for (const char* key : {"bot_token", "signing_secret", "api_key", "apiKey", "APIKey", "password",
                          "key", "Authorization", "credentials", "client-secret", "apikey"})
    EXPECT_TRUE(is_secret_key(key)) << key;
  for (const char* key :
       {"title", "monkey", "keyboard", "token_limit", "secretary", "key_file_name", ""})
    EXPECT_FALSE(is_secret_key(key)) << key;
}

TEST(IsSecretVariable, LooksAtEveryWord) {
  for (const char* name : {"SLACK_BOT_TOKEN", "OPENAI_API_KEY", "TOKEN_FOR_X", "PASSWORD"})
    EXPECT_TRUE(is_secret_variable(name)) << name;
  for (const char* name : {"VIADUCT_HOME", "HOME", "MONKEY"})
    EXPECT_FALSE(is_secret_variable(name)) << name;
}

TEST(IsInstanceName, AllowsLowerCaseLettersDigitsAndDashes) {
  for (const char* name : {"a", "web-chat", "x1"}) EXPECT_TRUE(is_instance_name(name)) << name;
  EXPECT_TRUE(is_instance_name(std::string(63, 'a')));
  for (const char* name : {"", "1a", "-a", "Web", "a_b", "a.b", "a/b", "ä"})
    EXPECT_FALSE(is_instance_name(name)) << name;
  EXPECT_FALSE(is_instance_name(std::string(64, 'a')));
}

TEST(InvalidUtf8, FindsTheFirstBadByte) {
  EXPECT_EQ(invalid_utf8("aü€😀"), std::nullopt);
  EXPECT_EQ(invalid_utf8("a\xff"), 1u);
  EXPECT_EQ(invalid_utf8("ab\xc3"), 2u);
  EXPECT_EQ(invalid_utf8("\xed\xa0\x80"), 0u);
  EXPECT_EQ(invalid_utf8("\xc0\xaf"), 0u);
}

}  // namespace
}  // namespace viaduct::config
