#include "fixture.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

namespace viaduct::config {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

using Load = ConfigFixture;

constexpr const char* kEverything = R"(server:
  listen: localhost:9000
  webhooks: { listen: "0.0.0.0:9001" }
  allowed_hosts: [Viaduct.Example, "viaduct.example:8443", "[::1]:80"]
  limits:
    header: 32KiB
    body: 2MB
    message: 4MiB
    connections: 100
    header_timeout: 1s
    body_timeout: 2s
    idle_timeout: 3s
    answer_timeout: 4m
    send_queue: 64KiB
    send_timeout: 5s
    ping: 500ms
plugins:
  path: [./plugins, /opt/plugins, ~/more]
store:
  driver: sqlite
  path: ${env:VIADUCT_HOME:-~/.viaduct}/viaduct.db
log: { level: debug, format: json }
backends:
  echo: { plugin: mock }
  slow:
    plugin: mock
    config: { chunk_delay: 20ms, words: 3, loud: true }
surfaces:
  web-chat: { plugin: web_chat, backend: echo, backends: [slow], config: { title: "Hello" } }
  settings: { plugin: settings }
)";

TEST_F(Load, ReadsEveryKey) {
  const Config config = good(kEverything);
  EXPECT_EQ(config.server.listen, "127.0.0.1:9000");
  EXPECT_EQ(config.server.webhooks_listen, "0.0.0.0:9001");
  EXPECT_THAT(config.server.allowed_hosts,
              ElementsAre("viaduct.example", "viaduct.example:8443", "[::1]:80"));
  const http::Limits& limits = config.server.limits;
  EXPECT_EQ(limits.header_bytes, 32u << 10);
  EXPECT_EQ(limits.body_bytes, 2'000'000u);
  EXPECT_EQ(limits.message_bytes, 4u << 20);
  EXPECT_EQ(limits.connections, 100u);
  EXPECT_EQ(limits.header, milliseconds(1000));
  EXPECT_EQ(limits.body, milliseconds(2000));
  EXPECT_EQ(limits.idle, milliseconds(3000));
  EXPECT_EQ(limits.answer, milliseconds(240'000));
  EXPECT_EQ(limits.send_queue_bytes, 64u << 10);
  EXPECT_EQ(limits.send, milliseconds(5000));
  EXPECT_EQ(limits.ping, milliseconds(500));
  EXPECT_THAT(config.plugin_path, ElementsAre((folder_ / "plugins").string(), "/opt/plugins",
                                              "/home/alice/more", "/installed"));
  EXPECT_EQ(config.store_path, "/home/alice/.viaduct/viaduct.db");
  EXPECT_EQ(config.home, "/home/alice/.viaduct");
  EXPECT_EQ(config.log.level, Level::debug);
  EXPECT_EQ(config.log.format, LogFormat::json);
  ASSERT_EQ(config.backends.size(), 2u);
  EXPECT_EQ(config.backends[0].name, "echo");
  EXPECT_EQ(config.backends[0].config, "{}");
  EXPECT_EQ(config.backends[1].config, R"({"chunk_delay":"20ms","loud":true,"words":3})");
  ASSERT_EQ(config.surfaces.size(), 2u);
  EXPECT_EQ(config.surfaces[0].plugin, "web_chat");
  EXPECT_EQ(config.surfaces[0].backend, "echo");
  EXPECT_THAT(config.surfaces[0].backends, ElementsAre("echo", "slow"));
  EXPECT_EQ(config.surfaces[0].config, R"({"title":"Hello"})");
  EXPECT_EQ(config.surfaces[0].line, 29);
  EXPECT_EQ(config.surfaces[1].backend, "");
}

TEST_F(Load, FillsInDefaults) {
  const Config config = good("log: {}\n");
  EXPECT_EQ(config.server.listen, "127.0.0.1:8410");
  EXPECT_EQ(config.server.webhooks_listen, "");
  EXPECT_EQ(config.store_driver, "sqlite");
  EXPECT_EQ(config.store_path, "/home/alice/.viaduct/viaduct.db");
  EXPECT_EQ(config.log.level, Level::info);
  EXPECT_THAT(config.plugin_path, ElementsAre("/installed"));
}

TEST_F(Load, TakesTheHomeFolderFromTheEnvironment) {
  environment_["VIADUCT_HOME"] = "/var/lib/viaduct";
  EXPECT_EQ(good("log: {}\n").store_path, "/var/lib/viaduct/viaduct.db");
  EXPECT_EQ(good(kEverything).home, "/var/lib/viaduct");
}

TEST_F(Load, TakesRelativePathsFromTheFolderOfTheFile) {
  EXPECT_EQ(good("store: { path: ../data/v.db }\n").store_path,
            (folder_.parent_path() / "data/v.db").string());
}

TEST_F(Load, TakesAnEmptySectionForOneThatIsNotThere) {
  EXPECT_EQ(
      errors(
          "server:\nlog:\nbackends:\n  echo:\n    plugin: mock\n    config:\n      # words: 3\n"),
      "");
}

TEST_F(Load, ChoosesTheFirstBackendWhereNoneIsTheDefault) {
  const Config config = good(
      "backends: { a: { plugin: mock }, b: { plugin: mock } }\n"
      "surfaces: { w: { plugin: web_chat, backends: [b, a] } }\n");
  EXPECT_EQ(config.surfaces[0].backend, "b");
  EXPECT_THAT(config.surfaces[0].backends, ElementsAre("b", "a"));
}

TEST_F(Load, AnInstanceIsTheSameOnAnotherLine) {
  const Config one = good("backends: { a: { plugin: mock, config: { words: 1, loud: true } } }\n");
  const Config two =
      good("\nbackends: { a: { plugin: mock, config: { loud: true, words: 1 } } }\n");
  const Config three =
      good("backends: { a: { plugin: mock, config: { words: 2, loud: true } } }\n");
  EXPECT_EQ(one.backends, two.backends);
  EXPECT_NE(one.backends, three.backends);
}

TEST_F(Load, ReportsEveryErrorOfAFileInItsOrder) {
  EXPECT_EQ(errors(R"(serfer:
  listen: 127.0.0.1:8410
log: { level: loud, format: jsn }
backends:
  echo: { plugin: mock, config: { wordz: 3, chunk_delay: 20, rules: [ { fail: dead } ] } }
surfaces:
  web-chat: { plugin: web_chat, backend: ecco }
)"),
            "1:1: unknown key \"serfer\"; did you mean \"server\"?\n"
            "3:15: log.level cannot be \"loud\"; expected one of \"debug\", \"info\", \"warn\", "
            "\"error\"\n"
            "3:29: log.format cannot be \"jsn\"; did you mean \"json\"?\n"
            "5:35: unknown key \"wordz\" in backends.echo.config; did you mean \"words\"?\n"
            "5:58: backends.echo.config.chunk_delay must be a string, not \"20\"\n"
            "5:71: \"match\" is missing in backends.echo.config.rules[0]\n"
            "5:79: backends.echo.config.rules[0].fail cannot be \"dead\"; expected one of "
            "\"session_dead\", \"unavailable\", "
            "\"internal\"\n"
            "7:42: there is no backend \"ecco\"; did you mean \"echo\"?\n");
}

TEST_F(Load, NamesTheFileInADiagnostic) {
  const Loaded loaded = load("lok: {}\n");
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(loaded.diagnostics[0].text(), (folder_ / "viaduct.yaml").string() +
                                              ":1:1: unknown key \"lok\"; did you mean \"log\"?");
}

TEST_F(Load, RefusesAFileThatCannotBeRead) {
  LoadOptions options;
  options.file = (folder_ / "missing.yaml").string();
  ASSERT_EQ(config::load(options).diagnostics.size(), 1u);
  EXPECT_EQ(config::load(options).diagnostics[0].text(), options.file + ": there is no such file");
  options.file = folder_.string();
  EXPECT_THAT(config::load(options).diagnostics[0].message, HasSubstr("this is a folder"));
}

struct BadValue {
  const char* name;
  const char* yaml;
  const char* error;
};
void PrintTo(const BadValue& c, std::ostream* out) {
  *out << c.name;
}
class BadValueTest : public ConfigFixture, public testing::WithParamInterface<BadValue> {};

TEST_P(BadValueTest, IsRefusedInWords) {
  EXPECT_EQ(errors(GetParam().yaml), std::string(GetParam().error) + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Load, BadValueTest,
    testing::Values(
        BadValue{"SectionIsText", "server: yes\n", "1:9: server must be a map, not \"yes\""},
        BadValue{
            "ListenIsAPort", "server: { listen: 8410 }\n",
            "1:19: server.listen cannot be \"8410\"; expected an IP address and a port, such as "
            "127.0.0.1:8410 or [::1]:8410"},
        BadValue{"ListenIsEmpty", "server: { listen: }\n",
                 "1:11: server.listen must be an address such as 127.0.0.1:8410, not nothing"},
        BadValue{"ListenIsAList", "server: { listen: [a] }\n",
                 "1:19: server.listen must be an address such as 127.0.0.1:8410, not a list"},
        BadValue{"ListenIsOpenToAll", "server: { listen: \"0.0.0.0:8410\" }\n",
                 "1:19: server.listen must be a loopback address such as 127.0.0.1:8410, not "
                 "\"0.0.0.0:8410\": there is no authentication yet, so everybody who reaches this "
                 "address could use the agents. Requests of Slack and Teams go to "
                 "server.webhooks.listen, which may be any address"},
        BadValue{"WebhooksOnTheSameAddress",
                 "server: { listen: \"127.0.0.1:1\", webhooks: { listen: \"localhost:1\" } }\n",
                 "1:54: server.webhooks.listen must differ from server.listen"},
        BadValue{
            "HostWithAScheme", "server: { allowed_hosts: [\"http://x\"] }\n",
            "1:27: server.allowed_hosts cannot have \"http://x\"; expected a host as the browser "
            "sends it, such as viaduct.example or viaduct.example:8443"},
        BadValue{"DurationWithoutUnit", "server: { limits: { ping: 30 } }\n",
                 "1:27: server.limits.ping must be a duration such as 500ms, 30s, 5m or 24h, not "
                 "\"30\""},
        BadValue{"DurationOfNothing", "server: { limits: { ping: 0s } }\n",
                 "1:27: server.limits.ping must be from 1ms to 7d, not \"0s\""},
        BadValue{"SizeWithoutUnit", "server: { limits: { body: big } }\n",
                 "1:27: server.limits.body must be a size such as 512B, 64KiB or 1MB, not \"big\""},
        BadValue{"SizeTooSmall", "server: { limits: { body: 1B } }\n",
                 "1:27: server.limits.body must be from 1KiB to 1GiB, not \"1B\""},
        BadValue{"ConnectionsNotANumber", "server: { limits: { connections: many } }\n",
                 "1:34: server.limits.connections must be a whole number, not \"many\""},
        BadValue{"UnknownLimit", "server: { limits: { head: 1KiB } }\n",
                 "1:21: unknown key \"head\" in server.limits; did you mean \"header\"?"},
        BadValue{"PluginPathIsText", "plugins: { path: ./plugins }\n",
                 "1:18: plugins.path must be a list of folders, not \"./plugins\""},
        BadValue{"OtherDriver", "store: { driver: postgres }\n",
                 "1:18: there is no store driver \"postgres\"; expected \"sqlite\""},
        BadValue{"StoreIsAFolder", "store: { path: /tmp/ }\n",
                 "1:16: store.path must be the path of a file, such as ~/.viaduct/viaduct.db, not "
                 "\"/tmp/\""},
        BadValue{"NoPlugin", "backends:\n  echo: {}\n",
                 "2:3: \"plugin\" is missing in backends.echo"},
        BadValue{"InstanceIsText", "backends:\n  echo: mock\n",
                 "2:9: backends.echo must be a map such as { plugin: mock }, not \"mock\""},
        BadValue{"InstanceIsEmpty", "backends:\n  echo:\n",
                 "2:3: backends.echo must be a map such as { plugin: mock }, not nothing"},
        BadValue{
            "BadName", "backends: { My_Echo: { plugin: mock } }\n",
            "1:13: \"My_Echo\" cannot be a name; expected a letter, then letters, digits and \"-\" "
            "(lower case, at most 63)"},
        BadValue{"UnknownPlugin", "backends: { echo: { plugin: mok } }\n",
                 "1:29: cannot use the plugin \"mok\": there is no mok.so"},
        BadValue{
            "PluginIsAPath", "backends: { echo: { plugin: ../mock } }\n",
            "1:29: \"../mock\" cannot be a plugin; expected the name of a file in a plugin folder, "
            "without .so"},
        BadValue{"SurfaceAsBackend", "backends: { echo: { plugin: web_chat } }\n",
                 "1:29: \"web_chat\" is a surface; expected a backend here"},
        BadValue{"BackendAsSurface", "surfaces: { echo: { plugin: mock } }\n",
                 "1:29: \"mock\" is a backend; expected a surface here"},
        BadValue{"BackendOfABackend", "backends: { echo: { plugin: mock, backend: x } }\n",
                 "1:35: unknown key \"backend\" in backends.echo; expected \"config\""},
        BadValue{"NoBackendAtAll", "surfaces: { w: { plugin: web_chat, backend: echo } }\n",
                 "1:45: there is no backend \"echo\"; name it under \"backends:\""},
        BadValue{"BackendListedTwice",
                 "backends: { a: { plugin: mock } }\nsurfaces: { w: { plugin: web_chat, backends: "
                 "[a, a] } }\n",
                 "2:50: the backend \"a\" is listed twice"},
        BadValue{"NameUsedTwice",
                 "backends: { a: { plugin: mock } }\nsurfaces: { a: { plugin: web_chat } }\n",
                 "2:13: the name \"a\" belongs to a backend already; each instance needs a name of "
                 "its own"},
        BadValue{"ConfigIsText", "backends: { a: { plugin: mock, config: x } }\n",
                 "1:40: backends.a.config must be a map, not \"x\""},
        BadValue{"ConfigIsAList", "backends: { a: { plugin: mock, config: [x] } }\n",
                 "1:40: backends.a.config must be a map, not a list"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Load, SuggestsAPluginFileThatIsThere) {
  std::filesystem::create_directory(folder_ / "plugins");
  write("plugins/mock.so", "");
  EXPECT_THAT(errors("plugins: { path: [plugins] }\nbackends: { a: { plugin: mokc } }\n"),
              HasSubstr("there is no mokc.so; did you mean \"mock\"?"));
}

TEST_F(Load, RefusesAPluginWhoseSchemaCannotBeChecked) {
  plugins_["odd"] = {R"({"type": "object", "$defs": {}})", false};
  EXPECT_THAT(errors("backends: { a: { plugin: odd } }\n"),
              AllOf(StartsWith("1:26: cannot use the plugin \"odd\""), HasSubstr("$defs")));
}

// ---------------------------------------------------------------- references

TEST_F(Load, FillsInReferences) {
  environment_["NAME"] = "World";
  write("greeting", "Hello\n");
  EXPECT_EQ(echo(R"({ record: "<${file:greeting} ${env:NAME} ${env:NONE:-!}>" })"),
            R"({"record":"<Hello World !>"})");
}

TEST_F(Load, FillsInReferencesInListsAndMapsWithinMaps) {
  environment_["NAME"] = "World";
  EXPECT_EQ(echo(R"({ env: { A: "${env:NAME}" }, rules: [ { match: "${env:NAME}" } ] })"),
            R"({"env":{"A":"World"},"rules":[{"match":"World"}]})");
}

TEST_F(Load, LeavesDollarsAloneThatAreNoReference) {
  EXPECT_EQ(echo(R"({ record: "took $1 $ $$ {x} $${env:X}" })"),
            R"({"record":"took $1 $ $$ {x} ${env:X}"})");
}

TEST_F(Load, TakesTheDefaultForAVariableThatIsEmpty) {
  environment_["EMPTY"] = "";
  EXPECT_EQ(echo(R"({ record: "${env:EMPTY:-x}" })"), R"({"record":"x"})");
}

TEST_F(Load, KeepsAReferenceTextUnlessTheSchemaWantsSomethingElse) {
  environment_["N"] = "7";
  environment_["B"] = "true";
  EXPECT_EQ(echo(R"({ record: "${env:N}", words: "${env:N}", loud: "${env:B}" })"),
            R"({"loud":true,"record":"7","words":7})");
  EXPECT_THAT(errors("backends: { e: { plugin: mock, config: { words: \"${env:B}\" } } }\n"),
              HasSubstr("words must be a whole number, not the string \"true\""));
}

TEST_F(Load, DoesNotReadReferencesOutOfWhatAReferenceGave) {
  environment_["A"] = "${env:HOME}";
  EXPECT_EQ(echo(R"({ record: "${env:A}" })"), R"({"record":"${env:HOME}"})");
}

TEST_F(Load, FillsInReferencesInTheHostsPart) {
  environment_["PORT"] = "9000";
  environment_["MOST"] = "12";
  const Config config =
      good("server:\n  listen: 127.0.0.1:${env:PORT}\n  limits:\n    connections: ${env:MOST}\n");
  EXPECT_EQ(config.server.listen, "127.0.0.1:9000");
  EXPECT_EQ(config.server.limits.connections, 12u);
}

TEST_F(Load, ReportsEveryReferenceThatCannotBeHad) {
  write("empty", "\n");
  write("binary", std::string("a\0b", 3));
  std::filesystem::create_directory(folder_ / "folder");
  const std::string text = errors(R"(backends:
  echo:
    plugin: mock
    config:
      record: ${env:MISSING}
      api_key: ${file:missing}
      env:
        A: ${file:empty}
        B: ${file:folder}
        C: ${file:binary}
        D: ${HOME}
        E: ${ENV:HOME}
        F: ${env:HOME
        G: ${env:}
        H: ${file:}
        I: ${env:HO-ME}
)");
  EXPECT_THAT(text, HasSubstr("5:15: the environment variable MISSING is not set; set it, or write "
                              "${env:MISSING:-default}\n"));
  environment_["MISSING"] = "";
  EXPECT_THAT(errors("log: { level: \"${env:MISSING}\" }\n"),
              HasSubstr("the environment variable MISSING is empty; set it, or write "));
  EXPECT_THAT(text, HasSubstr("6:16: ${file:missing}: there is no file \"" +
                              (folder_ / "missing").string() + "\"\n"));
  EXPECT_THAT(text, HasSubstr("8:12: ${file:empty}: "));
  EXPECT_THAT(text, HasSubstr("9:12: ${file:folder}: "));
  EXPECT_THAT(text, HasSubstr("10:12: ${file:binary}: "));
  EXPECT_THAT(text, HasSubstr("11:12: unknown reference ${HOME}; did you mean ${env:HOME}?"));
  EXPECT_THAT(text, HasSubstr("12:12: unknown reference"));
  EXPECT_THAT(text, HasSubstr("13:12: a reference without its closing \"}\""));
  EXPECT_THAT(text, HasSubstr("14:12: ${env:"));
  EXPECT_THAT(text, HasSubstr("15:12: ${file:} names no file"));
  EXPECT_THAT(text, HasSubstr("16:12: ${env:"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11) << text;
}

TEST_F(Load, RefusesReferencesInKeys) {
  EXPECT_THAT(
      errors("backends: { e: { plugin: mock, config: { env: { \"${env:HOME}\": x } } } }\n"),
      HasSubstr("1:49: references are filled in values only"));
}

TEST_F(Load, RefusesSecretsInCommands) {
  environment_["API_KEY"] = "hunter22";
  write("secret", "hunter22");
  const std::string text = errors(R"(backends:
  a: { plugin: mock, config: { command: [run, "${env:API_KEY}"] } }
  b: { plugin: mock, config: { command: [run, "--key=${file:secret}"] } }
  c: { plugin: mock, config: { command: [run, "${env:HOME}"] } }
)");
  EXPECT_THAT(text, HasSubstr("2:47: a secret in a command"));
  EXPECT_THAT(text, HasSubstr("3:47: a secret in a command"));
  EXPECT_THAT(text, Not(HasSubstr("4:")));
  EXPECT_THAT(text, Not(HasSubstr("hunter22")));
}

TEST_F(Load, RefusesSecretsInWhatStartsAProgram) {
  environment_["API_KEY"] = "hunter22";
  write("secret", "hunter22");
  const std::string text = errors(R"(backends:
  a: { plugin: mock, config: { program: "${file:secret}" } }
  b: { plugin: mock, config: { arguments: [--key, "${env:API_KEY}"] } }
  c: { plugin: mock, config: { template: { new: [-p, "${env:API_KEY}"] } } }
  d: { plugin: mock, config: { program: "${env:HOME}/p", env: { API_KEY: "${env:API_KEY}" } } }
)");
  EXPECT_THAT(text, HasSubstr("2:41: a secret in a command"));
  EXPECT_THAT(text, HasSubstr("3:51: a secret in a command"));
  EXPECT_THAT(text, HasSubstr("4:54: a secret in a command"));
  EXPECT_THAT(text, Not(::testing::ContainsRegex("\n5:[0-9]+: a secret")));
  EXPECT_THAT(text, Not(HasSubstr("hunter22")));
}

TEST_F(Load, KeepsReferencesOfAnInstanceAsWritten) {
  environment_["NAME"] = "World";
  write("secret", "hunter22\n");
  const Config config = good(R"(backends:
  echo: { plugin: mock, config: { api_key: "${file:secret}", env: { A: "x${env:NAME}" } } }
  other: { plugin: mock }
)");
  EXPECT_EQ(config.backends[0].references,
            (std::map<std::string, std::string>{{"${file:secret}", "hunter22"},
                                                {"${env:NAME}", "World"}}));
  EXPECT_THAT(config.backends[1].references, IsEmpty());
}

TEST_F(Load, ReadsAReferenceAgain) {
  write("secret", "one\n");
  const std::string file = (folder_ / "viaduct.yaml").string();
  EXPECT_EQ(resolve("${file:secret}", file).value_or(""), "one");
  write("secret", "two\n");
  EXPECT_EQ(resolve("${file:secret}", file).value_or(""), "two");
  EXPECT_EQ(resolve("${file:none}", file).error().code, Errc::not_found);
  EXPECT_EQ(resolve("secret", file).error().code, Errc::invalid_argument);
}

// ---------------------------------------------------------------- secrets and origins

TEST_F(Load, NeverShowsASecret) {
  environment_["SLACK_BOT_TOKEN"] = "hunter22-env";
  environment_["PLAIN"] = "hunter22-by-key";
  write("secret", "hunter22-file\n");
  const Loaded loaded = load(R"(log: { level: "${file:secret}" }
backends:
  a:
    plugin: mock
    config:
      record: "x ${env:SLACK_BOT_TOKEN} y"
      api_key: ${env:PLAIN}
      words: ${file:secret}
      env: { PASSWORD: hunter22-literal, A: "${file:secret}" }
      rules: [ { match: "a", fail: "${file:secret}" } ]
surfaces:
  w: { plugin: web_chat, backend: "${file:secret}" }
  x: { plugin: "${file:secret}" }
)");
  EXPECT_EQ(loaded.diagnostics.size(), 5u);
  for (const Diagnostic& d : loaded.diagnostics) EXPECT_THAT(d.text(), Not(HasSubstr("hunter22")));
  for (const Origin& o : loaded.config.origins) {
    EXPECT_THAT(o.value, Not(HasSubstr("hunter22"))) << o.path;
    EXPECT_THAT(o.origin, Not(HasSubstr("hunter22"))) << o.path;
  }
  for (const char* secret :
       {"hunter22-env", "hunter22-by-key", "hunter22-file", "hunter22-literal"})
    EXPECT_THAT(loaded.config.secrets, Contains(secret));
}

TEST_F(Load, SaysWhereEachValueCameFrom) {
  environment_["VIADUCT_HOME"] = "/srv";
  environment_["TOKEN"] = "hunter22";
  const Config config = good(R"(server:
  listen: 127.0.0.1:9000
store: { path: "${env:VIADUCT_HOME}/v.db" }
backends:
  echo:
    plugin: mock
    config:
      words: 3
      record: ${env:FILE:-calls.jsonl}
      api_key: ${env:TOKEN}
)");
  const auto expect = [&](const char* path, const char* value, const char* where,
                          bool secret = false) {
    const Origin* found = origin(config, path);
    ASSERT_NE(found, nullptr) << path;
    EXPECT_EQ(found->value, value) << path;
    EXPECT_EQ(found->origin, where) << path;
    EXPECT_EQ(found->secret, secret) << path;
  };
  expect("server.listen", "\"127.0.0.1:9000\"", "viaduct.yaml:2:11");
  expect("server.limits.body", "\"1MiB\"", "default");
  expect("server.limits.connections", "20000", "default");
  expect("store.path", "\"/srv/v.db\"", "viaduct.yaml:3:16 ${env:VIADUCT_HOME}");
  expect("log.level", "\"info\"", "default");
  expect("plugins.path[0]", "\"/installed\"", "default");
  expect("backends.echo.plugin", "\"mock\"", "viaduct.yaml:6:13");
  expect("backends.echo.config.words", "3", "viaduct.yaml:8:14");
  expect("backends.echo.config.record", "\"calls.jsonl\"",
         "viaduct.yaml:9:15 ${env:FILE} is not set: default");
  expect("backends.echo.config.api_key", "", "viaduct.yaml:10:16 ${env:TOKEN}", true);
  expect("backends.echo.config.chunk_delay", "\"0ms\"", "default");
}

TEST_F(Load, HidesNoCounts) {
  plugins_["open"] = {"{}", false};
  const Config config = good("backends: { a: { plugin: open, config: { max_tokens: 1000 } } }\n");
  EXPECT_EQ(origin(config, "backends.a.config.max_tokens")->value, "1000");
  EXPECT_THAT(config.secrets, IsEmpty());
}

TEST_F(Load, NeedsAHomeFolderOnlyForATilde) {
  environment_.erase("HOME");
  EXPECT_THAT(errors("log: {}\n"), HasSubstr("HOME is not set"));
  EXPECT_THAT(errors("store: { path: ~/x.db }\n"),
              HasSubstr("1:16: \"~\" stands for the home folder"));
  EXPECT_EQ(errors("store: { path: /x.db }\n"), "");
}

TEST_F(Load, AVariableAsAShellWritesItHasItsHint) {
  const Loaded loaded = load("backends: { a: { plugin: mock, config: { api_key: $MY_KEY } } }\n");
  ASSERT_EQ(loaded.warnings.size(), 1U);
  EXPECT_EQ(loaded.warnings[0].message,
            "warning: backends.a.config.api_key is these characters themselves; did you mean "
            "${env:MY_KEY}?");
}

TEST_F(Load, SaysWhichVariableThisProcessLacks) {
  const Loaded loaded = load(
      "backends: { a: { plugin: mock, config: { api_key: \"${env:A_KEY}\" } } }\n"
      "surfaces: { b: { plugin: web_chat, config: { title: \"${file:none}\" } } }\n");
  ASSERT_EQ(loaded.diagnostics.size(), 2U);
  EXPECT_EQ(loaded.diagnostics[0].variable, "A_KEY");
  EXPECT_EQ(loaded.diagnostics[1].variable, "") << loaded.diagnostics[1].text();
}

TEST_F(Load, ABackendThatIsNotThereIsNotAlsoMissing) {
  plugins_["talk"] = {R"({"type": "object", "x-needs-backend": true})", true};
  EXPECT_EQ(errors("backends: { echo: { plugin: mock } }\n"
                   "surfaces: { b: { plugin: talk, backend: NAME } }\n"),
            "2:41: there is no backend \"NAME\"; expected \"echo\"\n");
}

TEST_F(Load, WarnsOfSecretsThatStandInTheFile) {
  environment_["TOKEN"] = "t0ken";
  const Loaded loaded = load(R"(backends:
  a:
    plugin: mock
    config:
      api_key: sk-1234
      env: { MY_TOKEN: "${env:TOKEN}", OTHER_KEY: k3y, MODE: dark }
)");
  EXPECT_TRUE(loaded.diagnostics.empty());
  std::string all;
  for (const Diagnostic& warning : loaded.warnings) all += warning.text() + "\n";
  EXPECT_THAT(all, HasSubstr("viaduct.yaml:5:16: warning: backends.a.config.api_key stands here as "
                             "plain text"));
  EXPECT_THAT(all, HasSubstr("viaduct.yaml:6:51: warning: backends.a.config.env.OTHER_KEY"));
  EXPECT_EQ(loaded.warnings.size(), 2U);
  EXPECT_THAT(all, testing::Not(testing::AnyOf(HasSubstr("sk-1234"), HasSubstr("k3y"))));
}

TEST_F(Load, KnowsWhichInstancesHaveNothingWrongWithThem) {
  const Config config = load(R"(backends:
  good: { plugin: mock, config: { words: 3 } }
  bad: { plugin: mock, config: { words: many } }
  lost: { plugin: mock, config: { record: "${env:NOWHERE}" } }
  none: { plugin: nothing }
surfaces:
  page: { plugin: web_chat, backend: good }
)")
                            .config;
  std::vector<bool> sound;
  for (const Backend& backend : config.backends) sound.push_back(backend.sound);
  EXPECT_EQ(sound, (std::vector<bool>{true, false, false, false}));
  EXPECT_TRUE(config.surfaces[0].sound);
}

TEST_F(Load, PutsWhatAPluginSaysAtTheFieldThatItNames) {
  const Config config = good(R"(backends:
  echo:
    plugin: mock
    config:
      rules:
        - { match: x }
  plain: { plugin: mock }
)");
  const auto said = [&](std::size_t backend, const std::string& message) {
    const Diagnostic d = refusal(config, config.backends[backend], "backends", message);
    return std::to_string(d.line) + ":" + std::to_string(d.column) + ": " + d.message;
  };
  EXPECT_EQ(said(0, "rules[0].match: is wrong"),
            "6:20: backends.echo.config.rules[0].match: is wrong");
  EXPECT_EQ(said(0, "rules: two are the same").substr(0, 4), "6:20");
  EXPECT_EQ(said(0, "record: must be given"), "4:5: backends.echo: record: must be given");
  EXPECT_EQ(said(0, "it has: no licence"), "4:5: backends.echo: it has: no licence");
  EXPECT_EQ(said(1, "no licence"), "7:3: backends.plain: no licence");
}

// ---------------------------------------------------------------- finding the file

TEST_F(Load, FindsTheFileThatWasGiven) {
  write("x.yaml", "");
  EXPECT_EQ(find_file((folder_ / "x.yaml").string()).value_or(""), (folder_ / "x.yaml").string());
  const auto missing = find_file((folder_ / "y.yaml").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr("y.yaml"));
}

}  // namespace
}  // namespace viaduct::config
