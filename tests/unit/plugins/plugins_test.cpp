#include "host/plugins/plugins.hpp"
#include "host/plugins/sessions_service.hpp"
#include "tests/unit/plugins/test_host.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace viaduct::plugins {
namespace {

using std::chrono::milliseconds;
using test::TestHost;
using testing::HasSubstr;
using testing::Not;

// Lets a plugin that waits for this FIFO go on, once it waits.
class Fifo {
 public:
  explicit Fifo(std::filesystem::path path) : path_(std::move(path)) {
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  }
  ~Fifo() { release(); }
  bool somebody_waits() {
    if (writer_ < 0) writer_ = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return writer_ >= 0;
  }
  void release() {
    somebody_waits();
    if (writer_ >= 0) ::close(writer_);
    writer_ = -1;
  }
  std::string config(const std::string& words) const {
    return fmt::format(R"({{"words":"{}","fifo":"{}"}})", words, path_.string());
  }

 private:
  std::filesystem::path path_;
  int writer_ = -1;
};

Principal person(std::string id) {
  Principal who;
  who.surface = "chat";
  who.user_id = std::move(id);
  return who;
}
sessions::Message message(std::string key, std::string text) {
  sessions::Message message;
  message.key = std::move(key);
  message.text = std::move(text);
  return message;
}

std::string words(const std::string& text) {
  return R"({"words":")" + text + R"("})";
}

// ---------------------------------------------------------------- life

TEST(Instances, StartBackendsBeforeSurfacesAndStopThemAfter) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend")},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  EXPECT_EQ(host.status("echo")->state, InstanceState::running);
  EXPECT_EQ(host.status("chat")->state, InstanceState::running);
  EXPECT_EQ(host.status("chat")->mount, "/apps/chat/");
  EXPECT_EQ(host.status("echo")->mount, "");
  ASSERT_TRUE(host.stop());
  EXPECT_LT(host.log.place("plugin.echo: event start"), host.log.place("plugin.chat: event start"));
  EXPECT_LT(host.log.place("plugin.chat: event stop"), host.log.place("plugin.echo: event stop"));
  EXPECT_EQ(host.plugins->status().size(), 0u);
  EXPECT_FALSE(host.http.mounted("chat"));
  EXPECT_EQ(host.plugins->abandoned(), 0u);
}

struct Refusal {
  const char* name;
  const char* plugin;
  const char* words;
  const char* says;
};
void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}

class InstanceThatCannotBe : public testing::TestWithParam<Refusal> {};

TEST_P(InstanceThatCannotBe, IsNamedAndNothingIsLeftOfTheRest) {
  TestHost host({.start = milliseconds(2000), .stop = milliseconds(2000)});
  const auto result =
      host.apply({TestHost::backend("good", "backend"),
                  TestHost::backend("bad", GetParam().plugin, words(GetParam().words))},
                 {TestHost::surface("chat", "surface", {"good"})});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("backend \"bad\" (plugin "));
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().says));
  EXPECT_EQ(host.plugins->status().size(), 0u);
  EXPECT_FALSE(host.http.mounted("chat"));
  EXPECT_EQ(host.log.place("plugin.chat: event start"), -1);
}

INSTANTIATE_TEST_SUITE_P(
    All, InstanceThatCannotBe,
    testing::Values(
        Refusal{"create_refuses", "backend", "fail create",
                "backend.so) cannot be created: rule 3 is no regular expression"},
        Refusal{"create_is_silent", "backend", "silent create", "did not say why"},
        Refusal{"start_fails", "backend", "break start", "cannot be started: out of order"},
        Refusal{"start_hangs", "backend", "hang start", "start was not answered within 2000 ms"},
        Refusal{"no_backend_table", "backend_none", "", "does not offer viaduct.backend/1"},
        Refusal{"can_but_has_not", "backend_lies", "",
                "says that it can, but has no function fork"},
        Refusal{"no_such_plugin", "backen", "", "did you mean \"backend\"?"},
        Refusal{"surface_as_backend", "surface", "", "is a surface, not a backend"}),
    [](const auto& info) { return std::string(info.param.name); });

Result<std::string> answer_of(TestHost& host, const std::string& text) {
  const auto session = host.wait<sessions::SessionView>(
      [&](auto done) { host.sessions->create(person("u"), {}, std::move(done)); });
  if (!session) return std::unexpected(session.error());
  const auto answer = host.wait<sessions::AskAnswer>([&](auto done) {
    host.sessions->ask(person("u"), session->record.id, message(text, text), std::move(done));
  });
  if (!answer) return std::unexpected(answer.error());
  return answer->text;
}

class GoodInstance : public testing::TestWithParam<const char*> {};

// Built with each released header, and with a loop of its own.
TEST_P(GoodInstance, AnswersAndStopsWithoutAFault) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", GetParam())},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  for (const char* text : {"one", "two", "three"}) EXPECT_EQ(answer_of(host, text), text);
  ASSERT_TRUE(host.stop());
  EXPECT_FALSE(host.log.has("misbehaving")) << host.log.all();
  EXPECT_EQ(host.plugins->abandoned(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Probes, GoodInstance, testing::Values("frozen_1_0", "loop"),
                         [](const auto& at) { return std::string(at.param); });

// A backend that keeps nothing, restarted between two messages.
class Restored : public testing::TestWithParam<const char*> {
 protected:
  std::string second_answer() {
    const std::vector surfaces{TestHost::surface("chat", "surface", {"echo"})};
    const std::vector backends{TestHost::backend("echo", GetParam())};
    EXPECT_TRUE(host.apply(backends, surfaces));
    const auto session = host.wait<sessions::SessionView>(
        [&](auto done) { host.sessions->create(person("u"), {}, std::move(done)); });
    if (!session) return session.error().message;
    const auto ask = [&](const char* text) {
      const auto answer = host.wait<sessions::AskAnswer>([&](auto done) {
        host.sessions->ask(person("u"), session->record.id, message(text, text), std::move(done));
      });
      return answer ? answer->text : answer.error().message;
    };
    EXPECT_EQ(ask("remember 42"), "remember 42");
    EXPECT_TRUE(host.apply({}));
    EXPECT_TRUE(host.apply(backends, surfaces));
    return ask("which number?");
  }
  TestHost host;
};

TEST_P(Restored, HasAPlaceOfItsOwnAndTheTextIsTheSenders) {
  EXPECT_EQ(second_answer(), "which number?");
}
INSTANTIATE_TEST_SUITE_P(Probes, Restored, testing::Values("keeps_nothing", "keeps_nothing_1_0"),
                         [](const auto& at) { return std::string(at.param); });

TEST(OwnLoop, ThatReturnsTooEarlyIsAFaultAndTheInstanceGoesOn) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "loop_returns")},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  EXPECT_EQ(answer_of(host, "hello"), "hello");
  EXPECT_TRUE(host.log.has("its loop returned before quit"));
  ASSERT_TRUE(host.stop());
  EXPECT_EQ(host.plugins->abandoned(), 0u);
}

TEST(OwnLoop, ThatDoesNotHeedWakeFailsToStartAndIsReported) {
  TestHost host({.start = milliseconds(2500), .stop = milliseconds(500)});
  const auto applied = host.apply({TestHost::backend("echo", "loop_ignores_wake")});
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Errc::timeout);
  EXPECT_TRUE(host.log.has("plugin does not return from a call instance=echo function=run"));
}

TEST(OwnLoop, ThatDoesNotHeedQuitIsAbandoned) {
  TestHost host;
  ASSERT_TRUE(host.apply(
      {TestHost::backend("echo", "loop_never_quits"), TestHost::backend("good", "loop")}));
  ASSERT_TRUE(host.stop(milliseconds(500)));
  EXPECT_TRUE(host.log.has("plugin instance abandoned instance=echo"));
  EXPECT_EQ(host.plugins->abandoned(), 1u);
}

TEST(Instances, ThatDoNotStopAreNamedAbandonedAndTheHostGoesOn) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("stuck", "backend", words("hang stop")),
                          TestHost::backend("stuck-loop", "backend_on_loop", words("hang stop")),
                          TestHost::backend("good", "backend")}));
  ASSERT_TRUE(host.stop(milliseconds(500)));
  EXPECT_TRUE(host.log.has("plugin instance abandoned instance=stuck plugin=backend"));
  EXPECT_TRUE(host.log.has("plugin instance abandoned instance=stuck-loop"));
  EXPECT_FALSE(host.log.has("abandoned instance=good"));
  EXPECT_EQ(host.plugins->abandoned(), 2u);
}

TEST(Instances, ThatBlockTheirThreadAreReportedAbandonedAndHarmlessWhenTheyComeBack) {
  TestHost host;
  Fifo fifo(host.folder.path() / "fifo");
  ASSERT_TRUE(host.apply({TestHost::backend("stuck", "backend", fifo.config("block stop"))}));
  std::optional<Result<>> stopped;
  host.plugins->stop(milliseconds(3000), [&](Result<> result) { stopped = result; });
  ASSERT_TRUE(host.until([&] { return host.log.has("plugin does not return from a call"); }));
  EXPECT_TRUE(host.log.has("instance=stuck function=stop"));
  ASSERT_TRUE(host.until([&] { return stopped.has_value(); }));
  EXPECT_TRUE(host.log.has("function=stop\n") || host.log.has("abandoned instance=stuck"));
  EXPECT_EQ(host.plugins->abandoned(), 1u);
  fifo.release();  // its late answers meet a host table that ignores them
}

TEST(Instances, KeepTheirOrderOfTheConfiguration) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("a", "backend")}));
  ASSERT_TRUE(host.apply({TestHost::backend("b", "backend"), TestHost::backend("a", "backend")},
                         {TestHost::surface("s", "surface", {"a"})}));
  std::string names;
  for (const auto& status : host.plugins->status()) names += status.name;
  EXPECT_EQ(names, "bas");
}

// ---------------------------------------------------------------- reload

// A token that was taken back must not take everything else down.
TEST(Instances, ThatCannotStartForSomethingOutsideAreShownAsFailedAndTheOthersRun) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend"),
                          TestHost::backend("other", "backend", words("fail start"))},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  EXPECT_EQ(host.status("echo")->state, InstanceState::running);
  EXPECT_EQ(host.status("other")->state, InstanceState::failed);
  EXPECT_EQ(host.status("other")->error->message, "log in first");
  EXPECT_TRUE(host.log.has("instance does not run instance=other"));
  EXPECT_TRUE(host.log.has("plugin.other: event stop"));
  EXPECT_EQ(host.ask("chat", {"create", "{}"}).first, 200u);
  const auto run = host.wait<std::string>(
      [&](auto done) { host.plugins->tool_run("other", {}, std::move(done)); });
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().message, "other does not run: log in first");
  ASSERT_TRUE(host.stop());
  EXPECT_EQ(host.plugins->abandoned(), 0u);
}

TEST(Reload, TriesAgainWhatHadFailedAndRefusesNothingBecauseOfIt) {
  TestHost host;
  const auto failing = TestHost::backend("other", "backend", words("fail start"));
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend"), failing}));
  ASSERT_TRUE(host.apply(
      {TestHost::backend("echo", "backend"), failing, TestHost::backend("new", "backend")}));
  EXPECT_EQ(host.log.count("plugin.other: event start"), 2u);
  EXPECT_EQ(host.status("other")->state, InstanceState::failed);
  EXPECT_EQ(host.status("new")->state, InstanceState::running);
  EXPECT_EQ(host.log.count("plugin.echo: event start"), 1u);
  // What is new now is refused as ever, and the failed one stays in sight.
  ASSERT_FALSE(host.apply({TestHost::backend("echo", "backend"), failing,
                           TestHost::backend("newest", "backend", words("fail start"))}));
  EXPECT_EQ(host.status("other")->state, InstanceState::failed);
  EXPECT_FALSE(host.status("newest"));
  ASSERT_TRUE(
      host.apply({TestHost::backend("echo", "backend"), TestHost::backend("other", "backend")}));
  EXPECT_EQ(host.status("other")->state, InstanceState::running);
  EXPECT_EQ(host.plugins->status().size(), 2u);
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend")}));
  EXPECT_EQ(host.plugins->status().size(), 1u);
}

TEST(Reload, LeavesAloneWhatDidNotChange) {
  TestHost host;
  auto echo = TestHost::backend("echo", "backend");
  ASSERT_TRUE(host.apply({echo}, {TestHost::surface("chat", "surface", {"echo"})}));
  echo.line = 77;  // it moved in the file
  ASSERT_TRUE(host.apply({TestHost::backend("new", "backend"), echo},
                         {TestHost::surface("chat", "surface", {"echo", "new"})}));
  EXPECT_EQ(host.log.count("plugin.echo: event start"), 1u);
  EXPECT_EQ(host.log.count("plugin.chat: event start"), 1u);
  EXPECT_EQ(host.log.count("plugin.new: event start"), 1u);
  // The surface may use the new one at once.
  EXPECT_EQ(host.ask("chat", {"create", R"({"backend":"new"})"}).first, 200u);
}

TEST(Reload, GivesANewConfigurationToARunningInstance) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend")}));
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend", words("other"))}));
  EXPECT_EQ(host.log.count("event reload"), 1u);
  EXPECT_EQ(host.log.count("event start"), 1u);
  EXPECT_EQ(host.log.count("event stop"), 0u);
}

TEST(Reload, MakesAnewWhatCannotReload) {
  for (const auto& [plugin, config] : {std::pair{"backend", "anew"}, {"backend_no_reload", "x"}}) {
    TestHost host;
    ASSERT_TRUE(host.apply({TestHost::backend("echo", plugin)}));
    ASSERT_TRUE(host.apply({TestHost::backend("echo", plugin, words(config))}));
    EXPECT_EQ(host.log.count("event start"), 2u);
    EXPECT_EQ(host.log.count("event stop"), 1u);
    EXPECT_EQ(host.plugins->status().size(), 1u);
    EXPECT_EQ(host.status("echo")->state, InstanceState::running);
  }
}

TEST(Reload, StopsWhatIsNotWantedAnyMore) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("a", "backend"), TestHost::backend("b", "backend")},
                         {TestHost::surface("s", "surface", {"a"})}));
  ASSERT_TRUE(host.apply({TestHost::backend("b", "backend")}));
  EXPECT_EQ(host.plugins->status().size(), 1u);
  EXPECT_LT(host.log.place("plugin.s: event stop"), host.log.place("plugin.a: event stop"));
  EXPECT_FALSE(host.log.has("plugin.b: event stop"));
}

TEST(Reload, ThatCannotBeCreatedTouchesNothing) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend_no_reload")},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  const auto result =
      host.apply({TestHost::backend("echo", "backend_no_reload", words("fail create"))},
                 {TestHost::surface("chat", "surface", {"echo"})});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("backend \"echo\""));
  EXPECT_FALSE(host.log.has("event stop"));
  EXPECT_EQ(host.ask("chat", {"create", "{}"}).first, 200u);
}

TEST(Reload, ThatIsRefusedTakesBackWhatIsNew) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend")}));
  const auto result = host.apply(
      {TestHost::backend("new", "backend"), TestHost::backend("echo", "backend", words("refuse"))});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("not with me"));
  EXPECT_EQ(host.plugins->status().size(), 1u);
  EXPECT_EQ(host.status("echo")->state, InstanceState::running);
  EXPECT_FALSE(host.log.has("plugin.new: event start"));
  EXPECT_FALSE(host.log.has("plugin.echo: event stop"));
}

TEST(Reload, WhoseReplacementDoesNotStartBringsTheOldOneBack) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend_no_reload")},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  const auto result = host.apply(
      {TestHost::backend("echo", "backend_no_reload", words("fail start")),
       TestHost::backend("other", "backend")},
      {TestHost::surface("chat", "surface", {"echo"}), TestHost::surface("late", "surface")});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("log in first"));
  EXPECT_EQ(host.plugins->status().size(), 2u);
  EXPECT_EQ(host.status("echo")->state, InstanceState::running);
  EXPECT_FALSE(host.log.has("plugin.chat: event stop"));
  EXPECT_EQ(host.ask("chat", {"create", "{}"}).first, 200u);
}

TEST(Reload, IsRefusedWhileAnotherOneRunsAndAfterStop) {
  TestHost host;
  config::Config config;
  config.plugin_path = {VIADUCT_PROBES};
  config.backends = {TestHost::backend("echo", "backend")};
  std::optional<Result<>> first;
  host.plugins->apply(config, [&](Result<> result) { first = result; });
  const auto second =
      host.wait<>([&](Done<> done) { host.plugins->apply(config, std::move(done)); });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::busy);
  ASSERT_TRUE(host.until([&] { return first.has_value(); }));
  EXPECT_TRUE(*first);
  host.stop();
  const auto third =
      host.wait<>([&](Done<> done) { host.plugins->apply(config, std::move(done)); });
  EXPECT_EQ(third.error().code, Errc::unavailable);
}

TEST(Stop, EndsAStartThatIsUnderWay) {
  TestHost host;
  config::Config config;
  config.plugin_path = {VIADUCT_PROBES};
  config.backends = {TestHost::backend("slow", "backend", words("hang start")),
                     TestHost::backend("good", "backend")};
  std::optional<Result<>> applied;
  host.plugins->apply(config, [&](Result<> result) { applied = result; });
  ASSERT_TRUE(host.until([&] { return host.log.has("plugin.slow: event start"); }));
  ASSERT_TRUE(host.stop());
  ASSERT_TRUE(applied.has_value());
  EXPECT_FALSE(*applied);
  EXPECT_TRUE(host.log.has("plugin.slow: event stop"));
  EXPECT_EQ(host.plugins->status().size(), 0u);
  EXPECT_EQ(host.plugins->abandoned(), 0u);
}

// ---------------------------------------------------------------- misbehaviour

TEST(MisbehavingBackend, IsCountedAndSurvived) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend", words("start twice"))},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  ASSERT_TRUE(host.until([&] { return host.log.has("misbehaving plugin instance=echo"); }));
  const auto session = host.wait<sessions::SessionView>(
      [&](auto done) { host.sessions->create(person("u"), {}, std::move(done)); });
  ASSERT_TRUE(session) << session.error().message;
  const auto say = [&](const std::string& text) {
    return host.wait<sessions::AskAnswer>([&](auto done) {
      host.sessions->ask(person("u"), session->record.id, message(text, text), std::move(done));
    });
  };
  EXPECT_EQ(say("hello")->text, "hello");
  EXPECT_EQ(say("hello 2")->stop_reason, "max_tokens");
  EXPECT_EQ(say("broken text")->text,
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_TRUE(say("twice"));
  ASSERT_TRUE(host.until([&] { return host.log.has("twice, or too late"); }));
  EXPECT_TRUE(say("unknown"));
  ASSERT_TRUE(host.until([&] { return host.log.has("call 123456, which was never made"); }));
  const auto wrong = say("wrong answer");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Errc::internal);
  EXPECT_TRUE(say("still there"));
  EXPECT_THAT(host.metrics.text(), HasSubstr("viaduct_plugin_faults_total{instance=\"echo\"}"));
}

TEST(MisbehavingBackend, ThatStopsWithAPromptOpenHasItAnswered) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend", words("forget calls"))},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  const auto [code, session] = host.ask("chat", {"create", "{}"});
  ASSERT_EQ(code, 200u) << session;
  const auto id = session.substr(session.find("\"session_id\":\"") + 14, 30);
  const auto session_id = id.substr(0, id.find('"'));
  const auto asked = host.begin("chat", {"ask", session_id, "k", "hold"});
  ASSERT_TRUE(host.until([&] {
    const auto [status, list] = host.ask("chat", {"list", "{}"});
    return list.find("\"state\":\"running\"") != list.npos;
  }));
  ASSERT_TRUE(host.apply({}, {TestHost::surface("chat", "surface")}));
  ASSERT_TRUE(host.until([&] { return host.http.response(asked).has_value(); }));
  EXPECT_EQ(host.http.response(asked)->status, 200u + VIADUCT_E_UNAVAILABLE);
}

TEST(MisbehavingBackend, ThatCallsTheHostAfterStopIsIgnored) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend", words("talk after stop"))}));
  ASSERT_TRUE(host.stop());
  // The line may still be before the host took the answer to stop; it is never an error.
  EXPECT_EQ(host.plugins->abandoned(), 0u);
}

TEST(SlowBackend, IsReportedWhileItsCallDoesNotReturnAndOthersGoOn) {
  TestHost host;
  Fifo fifo(host.folder.path() / "fifo");
  ASSERT_TRUE(host.apply(
      {TestHost::backend("slow", "backend", fifo.config("")), TestHost::backend("fast", "backend")},
      {TestHost::surface("chat", "surface", {"slow", "fast"})}));
  const Principal who = person("u");
  const auto create = [&](const char* backend) {
    return host.wait<sessions::SessionView>([&](auto done) {
      sessions::CreateOptions options;
      options.backend = backend;
      host.sessions->create(who, options, std::move(done));
    });
  };
  const auto slow = create("slow");
  const auto fast = create("fast");
  ASSERT_TRUE(slow && fast);
  std::optional<Result<sessions::AskAnswer>> blocked;
  host.sessions->ask(who, slow->record.id, message("1", "block"),
                     [&](auto result) { blocked = std::move(result); });
  ASSERT_TRUE(host.until([&] { return fifo.somebody_waits(); }));
  const auto answer = host.wait<sessions::AskAnswer>([&](auto done) {
    host.sessions->ask(who, fast->record.id, message("1", "hi"), std::move(done));
  });
  EXPECT_EQ(answer->text, "hi");
  EXPECT_FALSE(blocked);
  ASSERT_TRUE(host.until([&] {
    return host.log.has("plugin does not return from a call instance=slow function=prompt");
  }));
  fifo.release();
  ASSERT_TRUE(host.until([&] { return blocked.has_value(); }));
  EXPECT_TRUE(*blocked);
}

TEST(BackendTable, GivesItsPolicy) {
  TestHost host;
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend")}));
  const auto tool = host.wait<std::string>(
      [&](auto done) { host.plugins->tool_run("echo", {"a", "b\""}, std::move(done)); });
  ASSERT_TRUE(tool) << tool.error().message;
  EXPECT_THAT(*tool, HasSubstr(R"("arguments":["a","b\""])"));
  const auto doctor = host.wait<std::string>(
      [&](auto done) { host.plugins->tool_doctor("echo", std::move(done)); });
  EXPECT_EQ(doctor.error().code, Errc::unsupported);
  const auto nobody = host.wait<std::string>(
      [&](auto done) { host.plugins->tool_run("nobody", {}, std::move(done)); });
  EXPECT_EQ(nobody.error().code, Errc::not_found);
}

// ---------------------------------------------------------------- services

// Both ways of being called.
class Services : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto chat = TestHost::surface("chat", GetParam(), {"echo"});
    secret_ = (host_.folder.path() / "secret").string();
    std::ofstream(secret_) << "first-secret\n";
    chat.references["${file:" + secret_ + "}"] = "first-secret";
    const auto applied = host_.apply({TestHost::backend("echo", "backend", words("ill"))}, {chat});
    ASSERT_TRUE(applied) << applied.error().message;
  }
  auto ask(std::vector<std::string> lines) { return host_.ask("chat", std::move(lines)); }
  std::string new_session() {
    const auto [code, session] = ask({"create", "{}"});
    EXPECT_EQ(code, 200u) << session;
    const auto at = session.find("\"session_id\":\"") + 14;
    return session.substr(at, session.find('"', at) - at);
  }

  TestHost host_;
  std::string secret_;
};
INSTANTIATE_TEST_SUITE_P(All, Services, testing::Values("surface", "surface_on_loop"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Services, KeepDocuments) {
  EXPECT_EQ(ask({"get", "a"}).first, 200u + VIADUCT_E_NOT_FOUND);
  EXPECT_EQ(ask({"put new", "a", R"({"x":[1, 2]})"}),
            std::pair(200u, std::string(R"({"version":1})")));
  EXPECT_EQ(ask({"put new", "a", "{}"}).first, 200u + VIADUCT_E_CONFLICT);
  EXPECT_EQ(ask({"get", "a"}).second, R"({"version":1,"value":{"x":[1, 2]}})");
  EXPECT_EQ(ask({"put", "b\"", "true"}).first, 200u);
  EXPECT_EQ(
      ask({"scan", "", ""}).second,
      R"({"documents":[{"key":"a","version":1,"value":{"x":[1, 2]}},{"key":"b\"","version":1,)"
      R"("value":true}],"more":false})");
  EXPECT_EQ(ask({"remove", "a"}).first, 200u);
  EXPECT_EQ(ask({"get", "a"}).first, 200u + VIADUCT_E_NOT_FOUND);
}

TEST_P(Services, RefuseWhatIsNoJsonOrNoUtf8) {
  EXPECT_EQ(ask({"put", "a", "{"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"put", "a", "\"\xFF\""}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"put", "", "1"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"put", std::string(513, 'k'), "1"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"put", "big", '"' + std::string(1 << 20, 'k') + '"'}).first,
            200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"nobody"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"create", R"({"working_dir":7})"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"ask", "s_none", "k", "bad \xC3"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"ask", "s_none", "k", ""}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"ask", "s_none", "k", "t", "{}"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"ask", "s_none", "k", "t"}).first, 200u + VIADUCT_E_NOT_FOUND);
}

TEST_P(Services, ShowAnOperatorAloneWhatOtherProgramsLeft) {
  EXPECT_EQ(ask({"discover", ""}).first, 200u + VIADUCT_E_PERMISSION_DENIED);
  EXPECT_EQ(ask({"adopt", "left-1"}).first, 200u + VIADUCT_E_PERMISSION_DENIED);
  const auto [code, found] = ask({"discover", R"({"limit":1,"backend":"echo"})", "operator"});
  EXPECT_EQ(code, 200u) << found;
  EXPECT_THAT(found, HasSubstr(R"("native_id":"left-1")"));
  EXPECT_THAT(found, HasSubstr(R"("left_out":1,"failures":[])"));
  for (const char* bad : {"[]", R"({"limit":0})", R"({"limit":501})", R"({"all":true})"})
    EXPECT_EQ(ask({"discover", bad, "operator"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT) << bad;
  EXPECT_EQ(ask({"adopt", "", "operator"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"adopt", "nothing", "operator"}).first, 200u + VIADUCT_E_NOT_FOUND);
  const auto [adopted, answer] = ask({"adopt", "left-1", "operator"});
  EXPECT_EQ(adopted, 200u) << answer;
  EXPECT_THAT(answer, HasSubstr(R"({"session":{"session_id":"s_)"));
  EXPECT_THAT(answer, HasSubstr(R"("from":{"backend":"echo","native_id":"left-1")"));
  EXPECT_THAT(ask({"list", ""}).second, HasSubstr(R"("title":"Left")"));
}

TEST_P(Services, CallBackForTimersAndPosts) {
  EXPECT_EQ(ask({"timer", "1"}).second, "timer");
  EXPECT_EQ(ask({"post"}).second, "posted");
}

TEST_P(Services, CountUnderTheNameOfTheInstance) {
  ask({"count", "things_total", R"({"kind":"a"})"});
  EXPECT_THAT(host_.metrics.text(),
              HasSubstr(R"(viaduct_plugin_things_total{instance="chat",kind="a"} 2)"));
  ask({"count", "things_total", "[]"});
  ask({"count", "things_total", R"({"instance":"forged"})"});
  EXPECT_EQ(host_.log.count("misbehaving plugin instance=chat"), 2u);
  EXPECT_THAT(host_.metrics.text(), Not(HasSubstr("forged")));
}

TEST_P(Services, ReadASecretAgainThatIsInTheConfiguration) {
  const std::string reference = "${file:" + secret_ + "}";
  EXPECT_EQ(ask({"resolve", reference}).second, R"({"value":"first-secret"})");
  std::ofstream(secret_) << "second-secret\n";
  EXPECT_EQ(ask({"resolve", reference}).second, R"({"value":"second-secret"})");
  EXPECT_EQ(host_.redactor.apply("it is second-secret"), "it is ***");
  EXPECT_EQ(ask({"resolve", "${file:/etc/passwd}"}).first, 200u + VIADUCT_E_NOT_FOUND);
  ask({"redact", "fetched-token"});
  EXPECT_EQ(host_.redactor.apply("fetched-token"), "***");
}

TEST_P(Services, RememberForAPrincipal) {
  const auto [code, memory] = ask({"remember", "the deploy key is in the safe"});
  EXPECT_EQ(code, 200u);
  EXPECT_THAT(memory, HasSubstr("mem-001"));
}

TEST_P(Services, ShowTheStateOfEveryInstanceWithItsHealth) {
  const auto [code, status] = ask({"status"});
  ASSERT_EQ(code, 200u) << status;
  EXPECT_THAT(status, HasSubstr(R"("sessions":3)"));
  EXPECT_THAT(status, HasSubstr(R"("error":{"code":"failed_precondition","message":"it is ill"})"));
  EXPECT_THAT(status, HasSubstr(R"("mount":"/apps/chat/")"));
  EXPECT_THAT(status, HasSubstr(R"("state":"running")"));
}

TEST_P(Services, TellWhatTheChecksOfAnInstanceSayWithoutSecrets) {
  EXPECT_EQ(ask({"check", "nobody"}).first, 200u + VIADUCT_E_NOT_FOUND);
  EXPECT_EQ(ask({"check", "echo"}), std::pair(200u, std::string(R"({"checks":[]})")));  // none
  EXPECT_EQ(ask({"redact", "first-secret"}).first, 200u);
  auto chat = TestHost::surface("chat", GetParam(), {"echo"});
  ASSERT_TRUE(host_.apply({TestHost::backend("echo", "backend", words("ill")),
                           TestHost::backend("looks", "backend", words("checks"))},
                          {chat}));
  const auto [code, checks] = ask({"check", "looks"});
  EXPECT_EQ(code, 200u);
  EXPECT_THAT(checks, HasSubstr(R"("name":"asked","ok":false,"skipped":false)"));
  EXPECT_THAT(checks, HasSubstr(R"("message":"1 )"));
  EXPECT_THAT(checks, Not(HasSubstr("first-secret")));
  EXPECT_THAT(checks, Not(HasSubstr("more")));
}

TEST_P(Services, AskAnInstanceOnceForAllWhoWaitForItsChecks) {
  auto chat = TestHost::surface("chat", GetParam(), {"echo"});
  ASSERT_TRUE(host_.apply({TestHost::backend("echo", "backend", words("ill")),
                           TestHost::backend("looks", "backend", words("checks"))},
                          {chat}));
  const auto first = host_.begin("chat", {"check", "looks"});
  const auto second = host_.begin("chat", {"check", "looks"});
  ASSERT_TRUE(
      host_.until([&] { return host_.http.response(first) && host_.http.response(second); }));
  EXPECT_EQ(host_.http.response(first)->body, host_.http.response(second)->body);
  EXPECT_THAT(ask({"check", "looks"}).second, HasSubstr(R"("message":"2 )"));
}

TEST(Checks, OfAnInstanceThatDoesNotAnswerComeToAnEnd) {
  TestHost host({.check = milliseconds(50)});
  ASSERT_TRUE(host.apply({TestHost::backend("echo", "backend", words("checks never"))},
                         {TestHost::surface("chat", "surface", {"echo"})}));
  EXPECT_EQ(host.ask("chat", {"check", "echo"}).first, 200u + VIADUCT_E_TIMEOUT);
  EXPECT_EQ(host.ask("chat", {"check", "echo"}).first, 200u + VIADUCT_E_TIMEOUT);
}

TEST_P(Services, PassRequestsAndMessages) {
  http::Request request;
  request.id = 5;
  request.body = "who";
  request.who = person("ada");
  host_.http.handler("chat").request(std::move(request));
  ASSERT_TRUE(host_.until([&] { return host_.http.response(5).has_value(); }));
  EXPECT_EQ(host_.http.response(5)->body, "ada");
  host_.http.handler("chat").message(6,
                                     "gr\xC3\xBC\xC3\x9F"
                                     "e");
  ASSERT_TRUE(host_.until([&] { return !host_.http.sent(6).empty(); }));
  EXPECT_EQ(host_.http.sent(6).front(),
            "gr\xC3\xBC\xC3\x9F"
            "e");
  host_.http.handler("chat").closed(6, 1001, "the peer has gone");
  EXPECT_TRUE(host_.until([&] { return host_.log.has("the peer has gone"); }));
  EXPECT_EQ(ask({"forge"}).first, 500u);
  EXPECT_EQ(ask({"route again"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
}

TEST_P(Services, CarryAConversation) {
  const auto session = new_session();
  EXPECT_THAT(ask({"ask", session, "k1", "hello"}).second, HasSubstr(R"("text":"hello")"));
  EXPECT_THAT(ask({"send", session, "k1", "hello"}).second, HasSubstr(R"("duplicate":true)"));
  EXPECT_THAT(ask({"list", R"({"limit":5})"}).second, HasSubstr(session));
  EXPECT_EQ(ask({"list", R"({"limit":"x"})"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(ask({"end", session}).second, R"({"ended":true})");
}

TEST_P(Services, SubscribeWithReplayThenLive) {
  const auto session = new_session();
  ask({"ask", session, "k1", "hello"});
  ASSERT_EQ(ask({"subscribe", session, "9"}).first, 200u);
  const auto seen = [&](std::string_view part) {
    for (const auto& text : host_.http.sent(9))
      if (text.find(part) != text.npos) return true;
    return false;
  };
  ASSERT_TRUE(host_.until([&] { return seen(R"("change":"live")"); }));
  EXPECT_THAT(host_.http.sent(9).front(), HasSubstr(R"("change":"state")"));
  EXPECT_EQ(ask({"subscribe", session, "9"}).first, 200u + VIADUCT_E_INVALID_ARGUMENT);
  ask({"ask", session, "k2", "and live"});
  ASSERT_TRUE(host_.until([&] { return seen("and live"); }));

  // BUSY keeps what comes, in order, until proceed.
  const auto before = host_.http.sent(9).size();
  ask({"busy", "1"});
  ask({"ask", session, "k3", "while busy"});
  EXPECT_EQ(host_.http.sent(9).size(), before);
  ask({"proceed", "9"});
  ASSERT_TRUE(host_.until([&] { return seen("while busy"); }));
  ASSERT_TRUE(
      host_.until([&] { return host_.http.sent(9).back().find("idle") != std::string::npos; }));
  std::uint64_t last = 0;
  for (const auto& text : host_.http.sent(9)) {
    const auto seq = std::stoull(text.substr(text.find("\"seq\":") + 6));
    EXPECT_GE(seq, last);
    last = seq;
  }

  ask({"unsubscribe", "9"});
  const auto after = host_.http.sent(9).size();
  ask({"ask", session, "k4", "unseen"});
  EXPECT_EQ(host_.http.sent(9).size(), after);
  EXPECT_EQ(ask({"subscribe", session, "9"}).first, 200u);  // its id is free again
  EXPECT_EQ(ask({"subscribe", "s_nothing", "10"}).first, 200u + VIADUCT_E_NOT_FOUND);
  EXPECT_EQ(ask({"subscribe", session, "10"}).first, 200u);
}

TEST_P(Services, TellASubscriberThatIsTooSlow) {
  const auto session = new_session();
  ASSERT_EQ(ask({"subscribe", session, "9"}).first, 200u);
  ASSERT_TRUE(host_.until([&] {
    const auto sent = host_.http.sent(9);
    return !sent.empty() && sent.back().find("\"live\"") != std::string::npos;
  }));
  ask({"busy", "1"});
  const std::string long_text(500'000, 'x');
  for (int i = 0; i < 20 && !host_.http.closed(9); ++i)
    ask({"ask", session, fmt::format("k{}", i), long_text});
  ASSERT_TRUE(host_.until([&] { return host_.http.closed(9).has_value(); }));
  EXPECT_EQ(host_.http.closed(9)->first, 4000 + VIADUCT_E_BUSY);
  ask({"busy", "0"});
  EXPECT_EQ(ask({"subscribe", session, "9"}).first, 200u);
}

TEST_P(Services, EndSubscriptionsWhenTheHostStops) {
  const auto session = new_session();
  ASSERT_EQ(ask({"subscribe", session, "9"}).first, 200u);
  ASSERT_TRUE(host_.wait<>([&](Done<> done) { host_.sessions->stop(std::move(done)); }));
  ASSERT_TRUE(host_.until([&] { return host_.http.closed(9).has_value(); }));
  EXPECT_EQ(host_.http.closed(9)->first, 4000 + VIADUCT_E_UNAVAILABLE);
}

TEST_P(Services, AnswerAWaitingAskWhenTheSurfaceIsStopped) {
  const auto session = new_session();
  const auto asked = host_.begin("chat", {"ask", session, "k", "hold"});
  ASSERT_TRUE(host_.until([&] {
    return ask({"list", "{}"}).second.find("\"state\":\"running\"") != std::string::npos;
  }));
  ASSERT_TRUE(host_.apply({TestHost::backend("echo", "backend", words("ill"))}));
  ASSERT_TRUE(host_.until([&] { return host_.http.response(asked).has_value(); }));
  EXPECT_EQ(host_.http.response(asked)->status, 200u + VIADUCT_E_UNAVAILABLE);
}

}  // namespace
}  // namespace viaduct::plugins
