#include "host/http/uri.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace viaduct::http {
namespace {

struct TargetCase {
  const char* name;
  std::string raw;
  const char* path;  // null: refused
};
void PrintTo(const TargetCase& c, std::ostream* os) {
  *os << c.name;
}

class ParseTarget : public testing::TestWithParam<TargetCase> {};

TEST_P(ParseTarget, YieldsASafePathOrRefuses) {
  const auto target = parse_target(GetParam().raw);
  if (!GetParam().path) {
    EXPECT_FALSE(target) << target->path;
    return;
  }
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->path, GetParam().path);
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseTarget,
    testing::Values(TargetCase{"root", "/", "/"}, TargetCase{"plain", "/a/b", "/a/b"},
                    TargetCase{"trailing_slash", "/a/", "/a/"},
                    TargetCase{"query_is_cut_off", "/a?x=%zz", "/a"},
                    TargetCase{"decoded", "/a%20b%C3%A9", "/a b\xc3\xa9"},
                    TargetCase{"dot", "/a/./b", "/a/b"}, TargetCase{"dot_dot", "/a/../b", "/b"},
                    TargetCase{"last_dot_dot", "/a/b/..", "/a/"},
                    TargetCase{"last_dot", "/a/.", "/a/"}, TargetCase{"only_dot_dot", "/a/..", "/"},
                    TargetCase{"encoded_dot_dot", "/a/%2e%2E/b", "/b"},
                    TargetCase{"dots_of_a_name", "/.well-known/..x/a.b", "/.well-known/..x/a.b"},
                    TargetCase{"climbs_above_the_root", "/../etc/passwd", nullptr},
                    TargetCase{"climbs_later", "/a/../../etc", nullptr},
                    TargetCase{"climbs_encoded", "/%2e%2e/etc", nullptr},
                    TargetCase{"encoded_slash", "/a/..%2f..%2fetc", nullptr},
                    TargetCase{"encoded_backslash", "/a/..%5c..%5cetc", nullptr},
                    TargetCase{"backslash", "/a\\..\\b", nullptr},
                    TargetCase{"nul", "/a%00b", nullptr}, TargetCase{"newline", "/a%0ab", nullptr},
                    TargetCase{"cut_percent", "/a%", nullptr},
                    TargetCase{"cut_percent_digit", "/a%2", nullptr},
                    TargetCase{"bad_percent_digit", "/a%2g", nullptr},
                    TargetCase{"invalid_utf8", "/a%ff", nullptr},
                    TargetCase{"overlong_utf8", "/a%c0%af", nullptr},
                    TargetCase{"invalid_utf8_in_query", "/a?\xff", nullptr},
                    TargetCase{"fragment", "/a#b", nullptr}, TargetCase{"relative", "a/b", nullptr},
                    TargetCase{"empty", "", nullptr}, TargetCase{"asterisk", "*", nullptr},
                    TargetCase{"absolute", "http://x:1/a/b?c", "/a/b"},
                    TargetCase{"absolute_without_path", "http://x", "/"},
                    TargetCase{"absolute_of_nobody", "http:///a", nullptr},
                    TargetCase{"other_scheme", "https://x/a", nullptr}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ParseTargetOfAbsoluteForm, NamesItsAuthority) {
  const auto target = parse_target("http://LocalHost:81/a?b=c");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->authority, (Authority{"localhost", 81}));
  EXPECT_EQ(target->query, "b=c");
}

struct AuthorityCase {
  const char* name;
  const char* text;
  std::optional<Authority> expected;
};
void PrintTo(const AuthorityCase& c, std::ostream* os) {
  *os << c.name;
}
class ParseAuthority : public testing::TestWithParam<AuthorityCase> {};

TEST_P(ParseAuthority, IsExact) {
  EXPECT_EQ(parse_authority(GetParam().text), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseAuthority,
    testing::Values(
        AuthorityCase{"with_port", "127.0.0.1:8410", Authority{"127.0.0.1", 8410}},
        AuthorityCase{"default_port", "example.org", Authority{"example.org", 80}},
        AuthorityCase{"capitals", "LOCALHOST:1", Authority{"localhost", 1}},
        AuthorityCase{"ipv6", "[::1]:2", Authority{"[::1]", 2}},
        AuthorityCase{"ipv6_long", "[0:0::0:1]:2", Authority{"[::1]", 2}},
        AuthorityCase{"trailing_dot_is_another", "localhost.:1", Authority{"localhost.", 1}},
        AuthorityCase{"empty", "", {}}, AuthorityCase{"only_port", ":80", {}},
        AuthorityCase{"empty_port", "x:", {}}, AuthorityCase{"large_port", "x:65536", {}},
        AuthorityCase{"port_with_rest", "x:80a", {}},
        AuthorityCase{"user", "localhost:80@evil", {}},
        AuthorityCase{"user_before", "evil@localhost", {}},
        AuthorityCase{"path", "localhost/x", {}}, AuthorityCase{"space", "local host", {}},
        AuthorityCase{"list", "localhost,evil", {}}, AuthorityCase{"open_bracket", "[::1", {}},
        AuthorityCase{"no_address", "[evil]:1", {}},
        AuthorityCase{"rest_after_bracket", "[::1]evil", {}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ParseOrigin, TakesHttpWithHostAndPortOnly) {
  EXPECT_EQ(parse_origin("http://127.0.0.1:8410"), (Authority{"127.0.0.1", 8410}));
  for (const char* bad : {"null", "", "http://", "https://127.0.0.1:8410", "http://127.0.0.1:8410/",
                          "http://127.0.0.1:8410.evil.org", "http://127.0.0.1:8410@evil.org",
                          "127.0.0.1:8410", "file://"})
    EXPECT_EQ(parse_origin(bad), std::nullopt) << bad;
}

TEST(ValidUtf8, TakesWhatTheStandardTakes) {
  for (const char* good : {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                           "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xef\xbf\xbf"})
    EXPECT_TRUE(valid_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe2\x82", "\xe0\x80\x80",
                          "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "\xff", "a\xc3(", "\xf0\x9f\x98"})
    EXPECT_FALSE(valid_utf8(bad)) << bad;
}

TEST(HasToken, FindsWholeTokensInAnyCase) {
  EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_TRUE(has_token(" upgrade ", "upgrade"));
  EXPECT_FALSE(has_token("upgraded", "upgrade"));
  EXPECT_FALSE(has_token("", "upgrade"));
}

}  // namespace
}  // namespace viaduct::http
