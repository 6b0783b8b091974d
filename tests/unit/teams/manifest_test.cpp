#include "plugins/teams/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include <zip.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <viaduct/chat/command.hpp>
#include <viaduct/chat/text.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;

Config config(const std::string& rest = "") {
  const auto parsed = parse_config(R"({"app_id":"00000000-0000-0000-0000-00000000000a")" +
                                       (rest.empty() ? "" : "," + rest) + "}",
                                   Needs::kManifest);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error());
  return parsed ? *parsed : Config{};
}
json manifest(const std::string& rest = "") {
  return json::parse(manifest_json(config(rest)));
}

TEST(TeamsManifest, HasWhatTeamsWants) {
  const json all = manifest(R"("public_url":"https://v.example.test:8443/")");
  EXPECT_EQ(all["manifestVersion"], "1.23");
  EXPECT_EQ(all["version"], "1.0.0");
  EXPECT_EQ(all["developer"]["websiteUrl"], "https://v.example.test:8443");
  EXPECT_EQ(all["name"]["short"], "Viaduct");
  EXPECT_EQ(all["icons"]["color"], "color.png");
  EXPECT_EQ(all["validDomains"], json::array({"v.example.test"}));
  const json bot = all["bots"][0];
  EXPECT_EQ(bot["botId"], "00000000-0000-0000-0000-00000000000a");
  EXPECT_EQ(bot["scopes"], json::array({"personal", "team", "groupChat"}));
  EXPECT_EQ(bot["supportsFiles"], true);
  EXPECT_FALSE(all.contains("authorization"));
  EXPECT_FALSE(all.contains("webApplicationInfo"));
}

TEST(TeamsManifest, AsksForAllMessagesOnlyWhereTheyAreWanted) {
  const json all = manifest(R"("channel_messages":"all")");
  EXPECT_EQ(all["webApplicationInfo"]["id"], "00000000-0000-0000-0000-00000000000a");
  const json asked = all["authorization"]["permissions"]["resourceSpecific"];
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0]["name"], "ChannelMessage.Read.Group");
  EXPECT_EQ(asked[1]["name"], "ChatMessage.Read.Chat");
}

TEST(TeamsManifest, NamesNoDomainThatIsNone) {
  for (const char* url : {"http://127.0.0.1:8410", "https://192.0.2.1", "https://[2001:db8::1]/",
                          "https://localhost", ""})
    EXPECT_TRUE(manifest(std::string(R"("public_url":")") + url + "\"")["validDomains"].empty())
        << url;
}

TEST(TeamsManifest, SaysItsOwnNames) {
  const json all = manifest(
      R"("app":{"name":"Helper","full_name":"The helper","description":"d","full_description":"f","developer":"Us","website":"https://us.example.test","privacy":"https://us.example.test/p","version":"2.3.4","accent_color":"#001122"})");
  EXPECT_EQ(all["name"]["short"], "Helper");
  EXPECT_EQ(all["name"]["full"], "The helper");
  EXPECT_EQ(all["description"]["full"], "f");
  EXPECT_EQ(all["developer"]["privacyUrl"], "https://us.example.test/p");
  EXPECT_EQ(all["developer"]["termsOfUseUrl"], "https://us.example.test");
  EXPECT_EQ(all["version"], "2.3.4");
  EXPECT_EQ(all["accentColor"], "#001122");
}

TEST(TeamsManifest, HasCommandsThatAreSome) {
  std::set<std::string> titles;
  for (const char* scope : {"personal", "team", "groupChat"}) {
    const auto commands = bot_commands(scope);
    EXPECT_LE(commands.size(), 10U);
    for (const BotCommand& one : commands) {
      EXPECT_LE(one.title.size(), 32U);
      EXPECT_LE(one.description.size(), 128U);
      const auto known = chat::parse_slash(one.title);
      EXPECT_FALSE(std::holds_alternative<chat::UnknownCommand>(known)) << one.title;
      titles.insert(one.title);
    }
  }
  EXPECT_THAT(titles, testing::IsSupersetOf({"help", "new", "list", "connect", "status", "sessions",
                                             "end", "projects", "config", "remember", "recall",
                                             "resume", "cancel"}));
}

TEST(TeamsManifest, TellsTeamsOfMessagesToOnePersonOnlyWhereTheyAreWanted) {
  EXPECT_FALSE(manifest()["bots"][0].contains("supportsTargetedMessages"));
  const json all = manifest(R"("targeted_messages":true)");
  EXPECT_EQ(all["bots"][0]["supportsTargetedMessages"], true);
  EXPECT_EQ(all["manifestVersion"], "1.29");
}

TEST(TeamsManifest, KeepsItsIdWithTheApps) {
  const std::string id = package_id("00000000-0000-0000-0000-00000000000a");
  EXPECT_EQ(id, package_id("00000000-0000-0000-0000-00000000000a"));
  EXPECT_NE(id, package_id("00000000-0000-0000-0000-00000000000b"));
  ASSERT_EQ(id.size(), 36U);
  EXPECT_EQ(id[14], '5');
  EXPECT_EQ(manifest()["id"], id);
}

TEST(TeamsManifest, AdvisesOnWhatIsMissing) {
  EXPECT_EQ(manifest_advice(config()).size(), 2U);
  EXPECT_EQ(manifest_advice(config(R"("transport":"socket")")).size(), 1U);
  EXPECT_TRUE(manifest_advice(config(R"("public_url":"https://v.example.test")")).empty());
}

unsigned number_at(std::string_view png, std::size_t at) {
  unsigned number = 0;
  for (std::size_t i = 0; i < 4; ++i)
    number = number * 256 + static_cast<unsigned char>(png[at + i]);
  return number;
}

TEST(TeamsIcons, AreOfTheSizesThatTeamsWants) {
  for (const auto& [icon, size] : {std::pair(color_icon(), 192U), std::pair(outline_icon(), 32U)}) {
    ASSERT_TRUE(icon.starts_with("\x89PNG\r\n\x1a\n"));
    EXPECT_EQ(number_at(icon, 16), size);
    EXPECT_EQ(number_at(icon, 20), size);
  }
}

TEST(TeamsPackage, HasThreeFilesAtItsRoot) {
  const auto package = app_package(config());
  ASSERT_TRUE(package.has_value()) << package.error();
  EXPECT_EQ(*package, *app_package(config()));
  zip_error_t error;
  zip_source_t* const source =
      zip_source_buffer_create(package->data(), package->size(), 0, &error);
  ASSERT_NE(source, nullptr);
  zip_t* const archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  ASSERT_NE(archive, nullptr);
  EXPECT_EQ(zip_get_num_entries(archive, 0), 3);
  const auto file = [archive](const char* name) {
    std::string bytes;
    zip_file_t* const opened = zip_fopen(archive, name, 0);
    if (opened == nullptr) return bytes;
    char piece[4096];
    for (zip_int64_t size = 0; (size = zip_fread(opened, piece, sizeof piece)) > 0;)
      bytes.append(piece, static_cast<std::size_t>(size));
    zip_fclose(opened);
    return bytes;
  };
  EXPECT_EQ(file("manifest.json"), manifest_json(config()));
  EXPECT_EQ(file("color.png"), color_icon());
  EXPECT_EQ(file("outline.png"), outline_icon());
  zip_discard(archive);
}

}  // namespace
}  // namespace viaduct::teams
