#include "fixture.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::config {
namespace {

using nlohmann::json;

TEST(Schema, KnowsEveryKeyOfTheHost) {
  const json schema = json::parse(config::schema({}));
  for (const char* key : {"server", "plugins", "store", "log", "backends", "surfaces"})
    EXPECT_TRUE(schema["properties"].contains(key)) << key;
  EXPECT_EQ(schema["additionalProperties"], false);
  for (const char* key :
       {"header", "body", "message", "connections", "header_timeout", "body_timeout",
        "idle_timeout", "answer_timeout", "send_queue", "send_timeout", "ping"})
    EXPECT_TRUE(schema["properties"]["server"]["properties"]["limits"]["properties"].contains(key))
        << key;
}

TEST(Schema, PutsEachPluginsSchemaUnderItsConfig) {
  const json schema = json::parse(
      config::schema({{"mock", {kMockSchema, false}}, {"web_chat", {kTitleSchema, true}}}));
  const json& backend =
      schema["properties"]["backends"]["patternProperties"]["^[a-z][a-z0-9-]{0,62}$"];
  EXPECT_EQ(backend["properties"]["plugin"]["enum"], json::array({"mock"}));
  ASSERT_EQ(backend["allOf"].size(), 1u);
  EXPECT_EQ(backend["allOf"][0]["if"]["properties"]["plugin"]["const"], "mock");
  EXPECT_EQ(backend["allOf"][0]["then"]["properties"]["config"], json::parse(kMockSchema));
  EXPECT_FALSE(backend["properties"].contains("backend"));
  const json& surface =
      schema["properties"]["surfaces"]["patternProperties"]["^[a-z][a-z0-9-]{0,62}$"];
  EXPECT_EQ(surface["properties"]["plugin"]["enum"], json::array({"web_chat"}));
  EXPECT_TRUE(surface["properties"].contains("backends"));
}

TEST(Schema, SurvivesAPluginWhoseSchemaIsNoJson) {
  EXPECT_TRUE(json::accept(config::schema({{"odd", {"{", false}}})));
}

}  // namespace
}  // namespace viaduct::config
