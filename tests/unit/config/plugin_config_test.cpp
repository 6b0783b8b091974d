// RapidJSON ignores many a keyword without a word: each one that schemas may use is shown to be
// enforced.
#include "host/config/plugin_config.hpp"

#include "fixture.hpp"

#include <gmock/gmock.h>

namespace viaduct::config {
namespace {

using testing::HasSubstr;

struct Keyword {
  const char* name;
  const char* schema;  // of the key "x"
  const char* good;    // YAML
  const char* bad;
  const char* error;
};
void PrintTo(const Keyword& c, std::ostream* out) {
  *out << c.name;
}

class KeywordTest : public ConfigFixture, public testing::WithParamInterface<Keyword> {
 protected:
  std::string check(const char* value) {
    plugins_["odd"] = {
        std::string(R"({"type": "object", "properties": {"x": )") + GetParam().schema + "}}",
        false};
    std::string text = errors(
        std::string("backends:\n  a:\n    plugin: odd\n    config:\n      x: ") + value + "\n");
    // What they all have in common; see NamesTheInstanceInEveryMessage.
    constexpr std::string_view kPath = "backends.a.config.";
    for (std::size_t at; (at = text.find(kPath)) != std::string::npos;)
      text.erase(at, kPath.size());
    return text;
  }
};

TEST_P(KeywordTest, IsEnforced) {
  EXPECT_EQ(check(GetParam().good), "");
  EXPECT_EQ(check(GetParam().bad), std::string(GetParam().error) + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    PluginConfig, KeywordTest,
    testing::Values(
        Keyword{"TypeString", R"({"type": "string"})", "a", "[]",
                "5:10: x must be a string, not a list"},
        Keyword{"TypeStringUnquotedNumber", R"({"type": "string"})", "\"5\"", "5",
                "5:10: x must be a string, not \"5\""},
        Keyword{"TypeInteger", R"({"type": "integer"})", "-3", "3.5",
                "5:10: x must be a whole number, not \"3.5\""},
        Keyword{"TypeIntegerQuoted", R"({"type": "integer"})", "0x10", "'3'",
                "5:10: x must be a whole number, not the string \"3\""},
        Keyword{"TypeNumber", R"({"type": "number"})", "3", "a",
                "5:10: x must be a number, not the string \"a\""},
        Keyword{"TypeBoolean", R"({"type": "boolean"})", "true", "yes",
                "5:10: x must be true or false, not the string \"yes\""},
        Keyword{"TypeNull", R"({"type": ["null", "string"]})", "~", "1",
                "5:10: x must be nothing or a string, not \"1\""},
        Keyword{"TypeNotNull", R"({"type": "string"})", "a", "~",
                "5:7: x must be a string, not nothing"},
        Keyword{"TypeArray", R"({"type": "array"})", "[1, a]", "{}",
                "5:10: x must be a list, not a map"},
        Keyword{"TypeObject", R"({"type": "object"})", "{ a: 1 }", "a",
                "5:10: x must be a map, not the string \"a\""},
        Keyword{"Properties", R"({"properties": {"y": {"type": "string"}}})", "{ y: a, z: 1 }",
                "{ y: 1 }", "5:15: x.y must be a string, not \"1\""},
        Keyword{"Required", R"({"required": ["y"]})", "{ y: 1 }", "{ z: 1 }",
                "5:10: \"y\" is missing in x"},
        Keyword{"AdditionalPropertiesFalse",
                R"({"properties": {"colour": {}}, "additionalProperties": false})", "{ colour: 1 }",
                "{ color: 1 }", "5:12: unknown key \"color\" in x; did you mean \"colour\"?"},
        Keyword{"AdditionalPropertiesSchema", R"({"additionalProperties": {"type": "string"}})",
                "{ a: b }", "{ a: 1 }", "5:15: x.a must be a string, not \"1\""},
        Keyword{"Enum", R"({"enum": ["always", "never"]})", "never", "nevr",
                "5:10: x cannot be \"nevr\"; did you mean \"never\"?"},
        Keyword{"EnumOfNumbers", R"({"enum": [1, 2]})", "2", "3",
                "5:10: x cannot be \"3\"; expected one of \"1\", \"2\""},
        Keyword{"Items", R"({"items": {"type": "string"}})", "[a, b]", "[a, 1]",
                "5:14: x[1] must be a string, not \"1\""},
        Keyword{"MinItems", R"({"minItems": 1})", "[1]", "[]", "5:10: x must not be empty"},
        Keyword{"MaxItems", R"({"maxItems": 1})", "[1]", "[1, 2]",
                "5:10: x must have at most 1 entries"},
        Keyword{"UniqueItems", R"({"uniqueItems": true})", "[1, 2]", "[1, 1]",
                "5:10: x has the same entry twice"},
        Keyword{"Minimum", R"({"type": "integer", "minimum": 1})", "1", "0",
                "5:10: x must be at least 1, not \"0\""},
        Keyword{"MinimumOfNumber", R"({"type": "number", "minimum": 0.5})", "0.5", "0.4",
                "5:10: x must be at least 0.5, not \"0.4\""},
        Keyword{"ExclusiveMinimum", R"({"minimum": 1, "exclusiveMinimum": true})", "2", "1",
                "5:10: x must be more than 1, not \"1\""},
        Keyword{"Maximum", R"({"maximum": 10})", "10", "11",
                "5:10: x must be at most 10, not \"11\""},
        Keyword{"ExclusiveMaximum", R"({"maximum": 10, "exclusiveMaximum": true})", "9", "10",
                "5:10: x must be less than 10, not \"10\""},
        Keyword{"MultipleOf", R"({"multipleOf": 5})", "10", "11",
                "5:10: x must be a multiple of 5, not \"11\""},
        Keyword{"MinLength", R"({"minLength": 1})", "a", "\"\"", "5:10: x must not be empty"},
        Keyword{"MinLengthCountsCharacters", R"({"minLength": 3})", "üüü", "üü",
                "5:10: x must have at least 3 characters"},
        Keyword{"MaxLength", R"({"maxLength": 3})", "üüü", "aaaa",
                "5:10: x must have at most 3 characters"},
        Keyword{
            "Pattern", R"({"pattern": "^[a-z]+(-[0-9]{1,3})?$"})", "abc-12", "abc-1234",
            "5:10: x cannot be \"abc-1234\"; expected a text that matches ^[a-z]+(-[0-9]{1,3})?$"},
        Keyword{"PatternWithoutAnchors", R"({"pattern": "b+"})", "abbc", "ac",
                "5:10: x cannot be \"ac\"; expected a text that matches b+"},
        Keyword{"MinProperties", R"({"minProperties": 1})", "{ a: 1 }", "{}",
                "5:10: x must not be empty"},
        Keyword{"MaxProperties", R"({"maxProperties": 1})", "{ a: 1 }", "{ a: 1, b: 2 }",
                "5:10: x must have at most 1 entries"},
        Keyword{"AnyOf", R"({"anyOf": [{"type": "string"}, {"type": "integer"}]})", "5", "true",
                "5:10: x cannot be \"true\"; expected a whole number or a string"},
        Keyword{"AnyOfMeantOne",
                R"({"anyOf": [{"type": "string"}, {"type": "object", "required": ["y"]}]})",
                "{ y: 1 }", "{ z: 1 }", "5:10: \"y\" is missing in x"},
        Keyword{"OneOfTheNamedOne",
                R"({"oneOf": [
                  {"type": "object", "required": ["y"], "properties": {"k": {"enum": ["a"]}}},
                  {"type": "object", "required": ["z"], "properties": {"k": {"enum": ["b"]}}}]})",
                "{ k: b, z: 1 }", "{ k: b, y: 1 }", "5:10: \"z\" is missing in x"},
        Keyword{"RequiredOnceOnly",
                R"({"required": ["k"], "oneOf": [
                  {"type": "object", "required": ["k"], "properties": {"k": {"enum": ["a"]}}},
                  {"type": "object", "required": ["k"], "properties": {"k": {"enum": ["b"]}}}]})",
                "{ k: b }", "{ y: 1 }", "5:10: \"k\" is missing in x"},
        Keyword{"AnyOfKeys", R"({"anyOf": [{"required": ["y"]}, {"required": ["z", "u"]}]})",
                "{ y: 1 }", "{}", "5:10: x needs \"y\" or \"z\" and \"u\""},
        Keyword{"OneOfTheNearest",
                R"({"oneOf": [
                  {"type": "object", "additionalProperties": false,
                   "properties": {"k": {"enum": ["a"]}, "y": {"enum": ["p", "q"]}}},
                  {"type": "object", "additionalProperties": false,
                   "properties": {"k": {"enum": ["b"]}}}]})",
                "{ k: a, y: p }", "{ k: a, y: r }",
                "5:21: x.y cannot be \"r\"; expected one of \"p\", \"q\""},
        Keyword{"OneOf", R"({"oneOf": [{"minimum": 1}, {"maximum": 5}]})", "0", "3",
                "5:10: x cannot be \"3\"; expected something else"},
        Keyword{"AllOf", R"({"allOf": [{"minimum": 1}, {"maximum": 5}]})", "3", "6",
                "5:10: x cannot be \"6\"; expected something else"},
        Keyword{"Not", R"({"not": {"enum": ["a"]}})", "b", "a",
                "5:10: x cannot be \"a\"; expected something else"},
        Keyword{"Description", R"({"type": "integer", "description": "how many words"})", "1", "a",
                "5:10: x must be a whole number, not the string \"a\" (how many words)"},
        Keyword{"ExpectsInsteadOfThePattern",
                R"({"type": "string", "pattern": "^U[A-Z]+$", "x-expects": "an id such as UA"})",
                "UB", "bob", "5:10: x cannot be \"bob\"; expected an id such as UA"},
        Keyword{"ExpectsInsteadOfTheType",
                R"({"type": "string", "x-expects": "an id such as UA", "description": "who"})",
                "UB", "5", "5:10: x cannot be \"5\"; expected an id such as UA"},
        Keyword{
            "ExpectsInsteadOfTheForms",
            R"({"oneOf": [{"enum": ["all"]}, {"type": "object"}], "x-expects": "all, or a map"})",
            "all", "[1]", "5:10: x cannot be a list; expected all, or a map"},
        Keyword{
            "ExpectsInsteadOfTheWord",
            R"({"oneOf": [{"enum": ["all"]}, {"type": "object"}], "x-expects": "all, or a map"})",
            "{}", "any", "5:10: x cannot be \"any\"; expected all, or a map"},
        Keyword{
            "AWordOfAnotherCase",
            R"({"oneOf": [{"enum": ["everyone"]}, {"type": "object"}], "x-expects": "everyone, or a map"})",
            "everyone", "Everyone", "5:10: x cannot be \"Everyone\"; did you mean \"everyone\"?"},
        Keyword{"AnEnumOfAnotherCase", R"({"enum": ["http", "socket"]})", "http", "HTTP",
                "5:10: x cannot be \"HTTP\"; did you mean \"http\"?"},
        Keyword{"TheWordsOfItsForms", R"({"oneOf": [{"enum": ["all"]}, {"type": "object"}]})", "{}",
                "nobody", "5:10: x cannot be \"nobody\"; expected \"all\" or a map"},
        Keyword{"NumberThatJsonLacks", R"({"type": "number"})", "1e3", ".nan",
                "5:10: x: \".nan\" is not a number that JSON has"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(PrepareSchema, FindsNothingWrongWithGoodSchemas) {
  for (const char* schema :
       {"{}", kMockSchema, kTitleSchema, kNothingSchema,
        R"({"title": "t", "description": "d", "default": 1, "examples": [1], "$schema": "s"})",
        R"({"type": ["string", "null"], "pattern": "^a\\.b\\\\$"})",
        R"({"properties": {"const": {}, "$ref": {"type": "string"}}})"})
    EXPECT_TRUE(prepare_schema(schema)) << schema;
}

struct BadSchema {
  const char* name;
  const char* schema;
  const char* fault;
};
void PrintTo(const BadSchema& c, std::ostream* out) {
  *out << c.name;
}
class BadSchemaTest : public testing::TestWithParam<BadSchema> {};

TEST_P(BadSchemaTest, IsNamed) {
  const auto prepared = prepare_schema(GetParam().schema);
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message, HasSubstr(GetParam().fault));
}

INSTANTIATE_TEST_SUITE_P(
    PrepareSchema, BadSchemaTest,
    testing::Values(
        BadSchema{"NotJson", "{", "not JSON"}, BadSchema{"Empty", "", "not JSON"},
        BadSchema{"NotAnObject", "true", "must be a schema"},
        BadSchema{"Const", R"({"const": 1})", "\"const\" is not a keyword"},
        BadSchema{"Format", R"({"properties": {"a": {"format": "uri"}}})",
                  "/properties/a/\"format\" is not a keyword"},
        BadSchema{"Ref", R"({"items": {"$ref": "#"}})", "\"$ref\" cannot be"},
        BadSchema{"Typo", R"({"anyOf": [{"typo": "string"}]})", "/anyOf/0/\"typo\""},
        BadSchema{"Tuple", R"({"items": [{}]})", "/items must be a schema"},
        BadSchema{"NumericExclusiveMinimum", R"({"exclusiveMinimum": 1})",
                  "/exclusiveMinimum must be true or false"},
        BadSchema{"UnknownType", R"({"type": "int"})", "/type must be"},
        BadSchema{"EmptyEnum", R"({"enum": []})", "/enum must be"},
        BadSchema{"RequiredIsTrue", R"({"required": true})", "/required must be"},
        BadSchema{"NegativeCount", R"({"minLength": -1})", "/minLength must be a count"},
        BadSchema{"DigitClass", R"({"pattern": "^\\d+$"})", "escape that is not supported"},
        BadSchema{"LookAhead", R"s({"pattern": "(?=a)"})s", "not supported"},
        BadSchema{"NonGreedy", R"({"pattern": "a+?"})", "not supported"},
        BadSchema{"UnbalancedPattern", R"({"pattern": "(a"})", "cannot be read"},
        BadSchema{"ExpectsNoText", R"({"x-expects": 1})", "/x-expects must be a string"},
        BadSchema{"FolderIsText", R"({"x-folder": "yes"})", "/x-folder must be true"},
        BadSchema{"CredentialIsText", R"({"x-credential": "yes"})", "/x-credential must be true"},
        BadSchema{"SecretIsText", R"({"x-secret": "no"})", "/x-secret must be true"},
        BadSchema{"RouteWithoutPath", R"({"x-route": {}})", "/x-route must be an object"},
        BadSchema{"MultipleOfZero", R"({"multipleOf": 0})", "/multipleOf must be"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(PrepareSchema, PutsDefinitionsInTheirPlace) {
  EXPECT_EQ(
      prepare_schema(
          R"({"definitions": {"a": {"type": "string"}, "b": {"items": {"$ref": "#/definitions/a"}}},
              "properties": {"default": {"$ref": "#/definitions/b", "description": "d"}}})")
          .value_or(""),
      R"({"properties":{"default":{"description":"d","items":{"type":"string"}}}})");
}

TEST(PrepareSchema, RefusesDefinitionsThatReferToThemselves) {
  const auto prepared = prepare_schema(
      R"({"definitions": {"a": {"items": {"$ref": "#/definitions/a"}}}, "items": {"$ref": "#/definitions/a"}})");
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message, HasSubstr("refer to themselves"));
}

using PluginConfig = ConfigFixture;

constexpr const char* kFiles = R"({"type": "object", "properties": {
  "certificate": {"type": "object", "properties": {
    "key": {"type": "string", "pattern": "^~?/", "x-secret": false, "x-expects": "a file"}}},
  "token": {"type": "string"}}})";

TEST_F(PluginConfig, APathThatSoundsLikeASecretIsShownAndWarnedOfNowhere) {
  plugins_["odd"] = {kFiles, false};
  environment_["A_KEY"] = "/from/the.key";
  for (const char* value : {"~/a.key", "${env:A_KEY}"}) {
    const Loaded loaded = load(std::string("backends:\n  a:\n    plugin: odd\n    config:\n") +
                               "      certificate: { key: \"" + value + "\" }\n");
    EXPECT_TRUE(loaded.diagnostics.empty());
    EXPECT_TRUE(loaded.warnings.empty());
    EXPECT_TRUE(loaded.config.secrets.empty());
    const Origin* shown = origin(loaded.config, "backends.a.config.certificate.key");
    ASSERT_NE(shown, nullptr);
    EXPECT_FALSE(shown->secret);
    EXPECT_NE(shown->value, "");
  }
}

TEST_F(PluginConfig, WhereAPathShouldBeASecretStaysOne) {
  plugins_["odd"] = {kFiles, false};
  write("a.key", "-----BEGIN PRIVATE KEY-----");
  for (const char* value : {"-----BEGIN PRIVATE KEY-----", "${file:a.key}"}) {
    const Loaded loaded = load(std::string("backends:\n  a:\n    plugin: odd\n    config:\n") +
                               "      certificate: { key: \"" + value + "\" }\n");
    ASSERT_EQ(loaded.diagnostics.size(), 1U);
    EXPECT_EQ(loaded.diagnostics[0].message,
              "backends.a.config.certificate.key cannot be the secret value; expected a file");
    EXPECT_EQ(loaded.config.secrets, std::vector<std::string>{"-----BEGIN PRIVATE KEY-----"});
  }
}

TEST_F(PluginConfig, SaysWhatShouldBeGiven) {
  plugins_["shy"] = {R"({"type": "object", "properties": {
      "allow": {"type": "string", "x-wanted": "nobody may talk to it"}, "other": {"type": "string"}}})",
                     true};
  const Loaded without = load("surfaces:\n  a: { plugin: shy, config: { other: x } }\n");
  EXPECT_TRUE(without.diagnostics.empty());
  ASSERT_EQ(without.warnings.size(), 1U);
  EXPECT_EQ(without.warnings[0].message,
            "warning: surfaces.a.config.allow is not given: nobody may talk to it");
  EXPECT_TRUE(load("surfaces:\n  a: { plugin: shy, config: { allow: x } }\n").warnings.empty());
}

TEST_F(PluginConfig, SaysWhatIsMissingTogetherWithWhatIsWrong) {
  plugins_["odd"] = {R"({"type": "object",
      "anyOf": [{"required": ["password"]}, {"required": ["certificate"]}],
      "properties": {"mode": {"enum": ["http", "socket"]}, "password": {"type": "string"}}})",
                     false};
  const std::string found =
      errors("backends:\n  a:\n    plugin: odd\n    config:\n      mode: https\n");
  EXPECT_THAT(found, HasSubstr("mode cannot be \"https\"; did you mean \"http\"?"));
  EXPECT_THAT(found, HasSubstr("backends.a.config needs \"password\" or \"certificate\""));
  plugins_["odd"].schema = R"({"type": "object", "x-expects": "password, the bot's own",
      "anyOf": [{"required": ["password"]}, {"required": ["certificate"]}]})";
  EXPECT_EQ(errors("backends:\n  a:\n    plugin: odd\n"),
            "2:3: backends.a.config needs password, the bot's own\n");
}

TEST_F(PluginConfig, WarnsOfTwoInstancesThatTakeOneAddressOfTheHost) {
  plugins_["taker"] = {R"({"type": "object", "properties": {
      "short": {"type": "boolean", "x-route": {"path": "/api/messages", "unless": {"by": "socket"}}},
      "by": {"enum": ["http", "socket"]}}})",
                       true};
  const auto warned = [&](const std::string& config) {
    const Loaded loaded =
        load("surfaces:\n  a: { plugin: taker }\n  b: { plugin: taker" + config + " }\n");
    EXPECT_TRUE(loaded.diagnostics.empty());
    return loaded.warnings.empty() ? std::string() : loaded.warnings.front().text();
  };
  EXPECT_THAT(warned(""), HasSubstr("viaduct.yaml:3:3: warning: surfaces.b.config: the address "
                                    "/api/messages of this host is that of surfaces.a already; set "
                                    "short: false in one of them"));
  EXPECT_THAT(warned(", config: { short: true }"), HasSubstr("viaduct.yaml:3:40: warning: "));
  EXPECT_EQ(warned(", config: { short: false }"), "");
  EXPECT_EQ(warned(", config: { by: socket }"), "");
}

TEST_F(PluginConfig, TypesPlainScalarsByTheCoreSchemaAndKeepsQuotedOnesText) {
  plugins_["open"] = {"{}", false};
  const Config config = good(
      "backends: { a: { plugin: open, config: { i: 12, h: 0x1F, o: 0o17, p: +5, f: 1.5, t: true, "
      "n: ~, "
      "s: yes, q: \"12\", r: 'true', big: 18446744073709551615, v: 1.2.3 } } }\n");
  EXPECT_EQ(config.backends[0].config,
            R"({"big":18446744073709551615,"f":1.5,"h":31,"i":12,"n":null,"o":15,"p":5,"q":"12",)"
            R"("r":"true","s":"yes","t":true,"v":"1.2.3"})");
}

TEST_F(PluginConfig, ReportsWhatIsMissingWhereThereIsNoConfig) {
  plugins_["needy"] = {R"({"type": "object", "required": ["url"]})", false};
  EXPECT_EQ(errors("backends:\n  a: { plugin: needy }\n"),
            "2:3: \"url\" is missing in backends.a.config\n");
}

TEST_F(PluginConfig, NamesTheInstanceInEveryMessage) {
  EXPECT_EQ(
      errors("backends:\n  a: { plugin: mock, config: { wordz: 1 } }\n"
             "  b: { plugin: mock, config: { words: x } }\n"
             "  c: { plugin: mock, config: { rules: [{ matsch: x }] } }\n"),
      "2:32: unknown key \"wordz\" in backends.a.config; did you mean \"words\"?\n"
      "3:39: backends.b.config.words must be a whole number, not the string \"x\"\n"
      "4:40: \"match\" is missing in backends.c.config.rules[0]\n"
      "4:42: unknown key \"matsch\" in backends.c.config.rules[0]; did you mean \"match\"?\n");
}

TEST_F(PluginConfig, NoTwoInstancesOfAPluginMayHaveOneCredential) {
  plugins_["chat"] = {
      R"({"type": "object", "properties": {"token": {"type": "string", "x-credential": true}}})",
      true};
  plugins_["talk"] = plugins_["chat"];
  environment_["ONE"] = environment_["SAME"] = "xoxb-hush";
  environment_["OTHER"] = "xoxb-other";
  const auto two = [&](const char* first, const char* second, const char* plugin = "chat") {
    return errors(std::string("surfaces:\n  a: { plugin: chat, config: { token: \"") + first +
                  "\" } }\n  b: { plugin: " + plugin + ", config: { token: \"" + second +
                  "\" } }\n");
  };
  EXPECT_EQ(two("${env:ONE}", "${env:SAME}"),
            "3:39: surfaces.b.config.token is the same as surfaces.a.config.token: two would take "
            "each other's events; give each its own, or remove one\n");
  EXPECT_EQ(two("${env:ONE}", "${env:OTHER}"), "");
  EXPECT_EQ(two("${env:ONE}", "${env:SAME}", "talk"), "") << "another network";
  EXPECT_EQ(two("", ""), "");
}

TEST_F(PluginConfig, AFolderThatIsNotThereIsSaidAndRefusesNothing) {
  plugins_["chat"] = {
      R"({"type": "object", "properties": {"dir": {"type": "string", "x-folder": true},
          "dirs": {"type": "array", "items": {"type": "string", "x-folder": true}}}})",
      true};
  environment_["HOME"] = folder_.string();
  const Loaded loaded =
      load("surfaces:\n  a: { plugin: chat, config: { dir: ~/nope, dirs: [\"~\", /no/such] } }\n");
  EXPECT_TRUE(loaded.diagnostics.empty());
  ASSERT_EQ(loaded.absent.size(), 2u);
  EXPECT_THAT(loaded.absent[0].text(),
              testing::EndsWith(":2:37: surfaces.a.config.dir: there is no folder \"~/nope\""));
  EXPECT_THAT(loaded.absent[1].message,
              testing::StrEq("surfaces.a.config.dirs: there is no folder \"/no/such\""));
}

TEST_F(PluginConfig, APlaceholderOfAGuideIsNoSecret) {
  environment_["TOKEN"] = "xoxb-…";
  EXPECT_EQ(errors("backends:\n  a: { plugin: mock, config: { api_key: sk-… } }\n"
                   "  b: { plugin: mock, config: { api_key: \"${env:TOKEN}\" } }\n"
                   "  c: { plugin: mock, config: { api_key: sk-1..2...x } }\n"
                   "  d: { plugin: mock, config: { record: a… } }\n"),
            "2:41: backends.a.config.api_key is still the placeholder of a guide; put the real one "
            "there\n"
            "3:41: backends.b.config.api_key is still the placeholder of a guide; put the real one "
            "there\n");
}

TEST_F(PluginConfig, SaysWhereAKeyBelongsThatIsOneLevelTooHighOrTooLow) {
  EXPECT_EQ(errors("backends:\n  a:\n    plugin: mock\n    words: 3\n"),
            "4:5: \"words\" is for the plugin: it belongs below \"config:\" in backends.a\n");
  EXPECT_EQ(errors("surfaces:\n  a:\n    plugin: web_chat\n    config:\n      backend: b\n"),
            "5:7: unknown key \"backend\" in surfaces.a.config; it belongs beside \"plugin\", one "
            "level up\n");
  EXPECT_EQ(errors("backends:\n  a:\n    plugin: mock\n  config:\n    words: 3\n"),
            "4:3: \"config\" is a key of a backend, not the name of one; indent it further, below "
            "that name\n");
  EXPECT_EQ(errors("backends:\n  a:\n  plugin: mock\n"),
            "2:3: backends.a must be a map such as { plugin: mock }, not nothing\n"
            "3:3: \"plugin\" is a key of a backend, not the name of one; indent it further, below "
            "that name\n");
  EXPECT_EQ(
      errors("backends: {}\nplugin: mock\n"),
      "2:1: unknown key \"plugin\"; it belongs to an instance: indent it, below the name of a "
      "backend or a surface\n");
  EXPECT_EQ(errors("backends: { config: { plugin: mock } }\n"), "") << "it may be a name";
}

TEST_F(PluginConfig, ASurfaceThatIsOfNoUseWithoutABackendNeedsOne) {
  plugins_["chat"] = {R"({"type": "object", "x-needs-backend": true})", true};
  EXPECT_EQ(errors("backends: { echo: { plugin: mock } }\nsurfaces:\n  a: { plugin: chat }\n"),
            "3:3: surfaces.a has no backend, so nobody would answer; add the line "
            "\"backend: echo\"\n");
  EXPECT_EQ(errors("surfaces:\n  a: { plugin: chat }\n"),
            "2:3: surfaces.a has no backend, so nobody would answer; name one under \"backends:\", "
            "and add \"backend: NAME\" here\n");
  EXPECT_EQ(errors("backends: { echo: { plugin: mock } }\nsurfaces:\n  a: { plugin: chat, "
                   "backends: [echo] }\n"),
            "");
  EXPECT_EQ(errors("surfaces:\n  a: { plugin: settings }\n"), "");
}

TEST_F(PluginConfig, KeepsTextOfSeveralLines) {
  EXPECT_EQ(good("backends:\n  a:\n    plugin: mock\n    config:\n      record: |\n        a "
                 "\"b\"\n        c\n")
                .backends[0]
                .config,
            R"({"record":"a \"b\"\nc\n"})");
}

}  // namespace
}  // namespace viaduct::config
