// The fake host against plugins in plain C.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::testing {
namespace {

class Surface : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(host_.load(VIADUCT_GOOD_DIR "/surface.so").ok());
    ASSERT_TRUE(host_.run("{}").ok());
  }
  void TearDown() override {
    if (host_.created()) {
      EXPECT_TRUE(host_.stop().ok());
    }
    host_.destroy();
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  FakeHost host_;
};

TEST_F(Surface, AnswersRequestsByRouteAndFile) {
  EXPECT_EQ(host_.get("/hello").json()["hello"].as_bool(), true);
  EXPECT_EQ(host_.get("/items/a%20b?x=1").body, "a b");
  EXPECT_EQ(host_.get("/").header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(host_.get("/nowhere").status, 404);
  EXPECT_EQ(host_.post("/hello", "{}").status, 405);
  EXPECT_EQ(host_.get("/%ff").status, 400);
  EXPECT_EQ(host_.post("/echo", R"({"a":1})").body, R"({"a":1})");
  EXPECT_EQ(host_.post("/echo", "{").status, 400);
}

TEST_F(Surface, StreamsAnAnswer) {
  const Response response = host_.get("/stream");
  EXPECT_EQ(response.body, "one two");
  EXPECT_TRUE(response.complete);
}

TEST_F(Surface, AsksTheSessionsServiceAndHearsOfItsFailures) {
  EXPECT_EQ(host_.post("/ask", "{}").json()["working_dir"].as_string(), "~");
  host_.sessions().fail_next("create", VIADUCT_E_UNAVAILABLE, "the backend is away");
  EXPECT_EQ(host_.post("/ask", "{}").status, 503);
  EXPECT_EQ(host_.post("/ask", "{}").status, 200);
  EXPECT_EQ(host_.sessions().count("create"), 3U);
}

TEST_F(Surface, AnswersLateWhenTheServiceDoes) {
  host_.sessions().hold("create");
  Exchange exchange = host_.start_request({"POST", "/ask", "{}", {}, {}});
  ASSERT_TRUE(host_.wait_until([&] { return host_.sessions().count("create") == 1; }));
  EXPECT_FALSE(exchange.response(milliseconds(0)).answered);
  host_.sessions().release("create");
  EXPECT_EQ(exchange.response().status, 200);
}

TEST_F(Surface, EchoesOnAWebSocketUntilItIsClosed) {
  WebSocket socket = host_.websocket("/ws");
  ASSERT_TRUE(socket.accepted());
  socket.send("hello");
  EXPECT_EQ(socket.next(), "hello");
  socket.send("bye");
  const auto close = socket.closed();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 4000);
  EXPECT_EQ(close->reason, "as you wish");
  EXPECT_FALSE(socket.send("more"));
}

TEST_F(Surface, AnOrdinaryRequestOfASocketsRouteIsRefused) {
  EXPECT_EQ(host_.get("/ws").status, 405);
  EXPECT_EQ(host_.websocket("/nowhere").response().status, 404);
}

std::string kind_of(const std::string& json) {
  return Json::parse(json).value_or(Json())["change"].as_string();
}

TEST_F(Surface, WatchesASession) {
  const std::string id = host_.sessions().add_session(Principal{});
  host_.sessions().user_says(id, "hi");
  WebSocket socket = host_.websocket("/ws");
  socket.send("watch " + id);
  std::string kinds;
  for (int i = 0; i < 6; ++i) kinds += kind_of(socket.next().value_or("")) + " ";
  EXPECT_EQ(kinds, "state reset entry entry entry live ");
  Reply open;
  open.chunks = {"a"};
  open.open = true;
  host_.sessions().on_message([open](const std::string&) { return open; });
  host_.sessions().user_says(id, "go");
  ASSERT_TRUE(socket.next_where([](const std::string& m) { return kind_of(m) == "entry"; }));
  host_.sessions().say(id, "b");
  const auto delta = socket.next_where([](const std::string& m) { return kind_of(m) == "delta"; });
  ASSERT_TRUE(delta);
  EXPECT_EQ((*Json::parse(*delta))["offset"].as_int(), 1);
  EXPECT_TRUE(host_.sessions().end_turn(id));
  const auto end = socket.next_where(
      [](const std::string& m) { return m.find("turn_end") != std::string::npos; });
  EXPECT_TRUE(end);
}

TEST_F(Surface, ASlowSocketHoldsTheSubscriptionBackAndLosesNothing) {
  const std::string id = host_.sessions().add_session(Principal{});
  for (int i = 0; i < 20; ++i) host_.sessions().user_says(id, "message " + std::to_string(i));
  WebSocket socket = host_.websocket("/ws");
  socket.pause(3);
  socket.send("watch " + id);
  ASSERT_TRUE(host_.wait_until([&] { return socket.waiting() == 3; }));
  ASSERT_TRUE(host_.settle());
  EXPECT_EQ(socket.waiting(), 3U);
  socket.proceed();
  std::int64_t last = 0;
  for (;;) {
    const auto message = socket.next();
    ASSERT_TRUE(message);
    const auto json = *Json::parse(*message);
    if (json["change"].as_string() == "live") break;
    if (json["change"].as_string() != "entry") continue;
    EXPECT_EQ(json["entry"]["entry"].as_int(), ++last);
  }
  EXPECT_EQ(last, 60);
}

TEST_F(Surface, HearsThatASubscriptionEnded) {
  const std::string id = host_.sessions().add_session(Principal{});
  WebSocket socket = host_.websocket("/ws");
  socket.send("watch " + id);
  ASSERT_TRUE(socket.next_where([](const std::string& m) { return kind_of(m) == "live"; }));
  host_.sessions().drop_subscriptions(VIADUCT_E_BUSY, "too slow");
  EXPECT_EQ(socket.closed().value_or(Close{}).code, 4001);
  socket = host_.websocket("/ws");
  socket.send("watch nobody");
  EXPECT_EQ(socket.closed().value_or(Close{}).code, 4004);
}

TEST_F(Surface, StopEndsWhatIsOpen) {
  host_.sessions().hold("create");
  Exchange exchange = host_.start_request({"POST", "/ask", "{}", {}, {}});
  WebSocket socket = host_.websocket("/ws");
  ASSERT_TRUE(host_.wait_until([&] { return host_.sessions().count("create") == 1; }));
  ASSERT_TRUE(host_.stop().ok());
  EXPECT_EQ(exchange.response().status, 503);
  EXPECT_EQ(socket.closed().value_or(Close{}).code, 1001);
  EXPECT_EQ(host_.get("/hello").status, 503);
}

class Backend : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(host_.load(VIADUCT_GOOD_DIR "/backend.so").ok());
    ASSERT_TRUE(host_.run("{}").ok());
    ASSERT_TRUE(host_.open(1).ok());
  }
  void TearDown() override {
    EXPECT_TRUE(host_.stop().ok());
    host_.destroy();
    for (const auto& fault : host_.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  FakeHost host_;
};

TEST_F(Backend, AnswersAPrompt) {
  const Answer answer = host_.prompt(1, 1, "hello");
  EXPECT_EQ(answer.json()["stop_reason"].as_string(), "end_turn");
  EXPECT_EQ(answer.json()["native_id"].as_string(), "echo-1");
  EXPECT_EQ(host_.text(1, 1), "hello");
}

TEST_F(Backend, CancelEndsATurn) {
  const auto call = host_.start_prompt(1, 1, "wait");
  EXPECT_FALSE(host_.wait(call, milliseconds(0)).answered);
  EXPECT_TRUE(host_.cancel(1, 1).ok());
  EXPECT_EQ(host_.wait(call).json()["stop_reason"].as_string(), "cancelled");
}

TEST_F(Backend, WaitsWhileTheSinkIsBusy) {
  host_.pause(1, 2);
  const auto call = host_.start_prompt(1, 1, "count 5");
  ASSERT_TRUE(host_.wait_until([&] { return host_.refused(1) == 1; }));
  EXPECT_EQ(host_.text(1), "1 2 ");
  host_.proceed(1);
  EXPECT_TRUE(host_.wait(call).ok());
  EXPECT_EQ(host_.text(1), "1 2 3 4 5 ");
}

TEST_F(Backend, CloseAnswersTheOpenTurnFirst) {
  const auto call = host_.start_prompt(1, 1, "wait");
  EXPECT_TRUE(host_.close(1).ok());
  EXPECT_TRUE(host_.wait(call, milliseconds(0)).answered);
  EXPECT_EQ(host_.prompt(1, 2, "more").code, VIADUCT_E_NOT_FOUND);
}

TEST_F(Backend, StopAnswersTheOpenTurn) {
  const auto call = host_.start_prompt(1, 1, "wait");
  EXPECT_TRUE(host_.stop().ok());
  EXPECT_EQ(host_.wait(call, milliseconds(0)).code, VIADUCT_E_CANCELLED);
}

TEST_F(Backend, WhatThePluginLacksIsUnsupported) {
  EXPECT_EQ(host_.compact(1).code, VIADUCT_E_UNSUPPORTED);
  EXPECT_EQ(host_.set_option(1, "model", "large").code, VIADUCT_E_UNSUPPORTED);
}

TEST_F(Backend, IsGivenWhatWasSaidBeforeInAPlaceOfItsOwn) {
  EXPECT_TRUE(host_.prompt_restored(1, 1, "before", "hello").ok());
  EXPECT_EQ(host_.text(1, 1), "hello");
  EXPECT_EQ(host_.events(1).front().text, "before");
  EXPECT_EQ(host_.restored_was_read(), true);
}

TEST(FakeHost, KnowsWhetherWhatWasSaidBeforeWasRead) {
  FakeHost host;
  ASSERT_TRUE(host.load(VIADUCT_FAULTY_DIR "/ignores_restored.so").ok());
  ASSERT_TRUE(host.run("{}").ok());
  ASSERT_TRUE(host.open(1).ok());
  EXPECT_TRUE(host.prompt_restored(1, 1, "before", "hello").ok());
  EXPECT_EQ(host.restored_was_read(), false);
  EXPECT_TRUE(host.stop().ok());
  host.destroy();
}

TEST_F(Backend, ReadsWhatItDiscoversAndPurgesWhatItKeeps) {
  const Json found = host_.discover("").json();
  ASSERT_EQ(found["sessions"].size(), 1U);
  const std::string id = found["sessions"][0]["native_id"].as_string();
  EXPECT_EQ(host_.read(id).json()["entries"].size(), 2U);
  EXPECT_EQ(host_.read("unknown").code, VIADUCT_E_NOT_FOUND);
  EXPECT_TRUE(host_.purge({}).ok());
}

// A plugin that is linked in and hands its host to the test, which calls the services itself.
struct Outcome {
  viaduct_code code = VIADUCT_E_INTERNAL;
  std::string message, result;
};
struct Recorder {
  const viaduct_host* host = nullptr;
  std::mutex mutex;
  std::map<std::uint64_t, Outcome> answers;
  std::vector<std::uint64_t> timers, posts;
  std::uint64_t last_call = 0;
};
Recorder* recorder = nullptr;  // of the test that runs

std::string copied(viaduct_str text) {
  return {text.data == nullptr ? "" : text.data, text.size};
}
viaduct_str text(std::string_view view) {
  return {view.data(), view.size()};
}

const viaduct_instance_api kRecorderApi{
    sizeof(viaduct_instance_api),
    0,
    [](viaduct_instance*, std::uint64_t call) noexcept {
      const viaduct_status status{sizeof(viaduct_status), VIADUCT_OK, {nullptr, 0}};
      recorder->host->complete(recorder->host, call, &status, {nullptr, 0});
    },
    [](viaduct_instance*, std::uint64_t call) noexcept {
      const viaduct_status status{sizeof(viaduct_status), VIADUCT_OK, {nullptr, 0}};
      recorder->host->complete(recorder->host, call, &status, {nullptr, 0});
    },
    [](viaduct_instance*) noexcept {},
    [](viaduct_instance*, const char*) noexcept -> const void* { return nullptr; },
    [](viaduct_instance*, std::uint64_t call, const viaduct_status* status,
       viaduct_str result) noexcept {
      const std::lock_guard lock(recorder->mutex);
      recorder->answers[call] = {status->code, copied(status->message), copied(result)};
    },
    [](viaduct_instance*, std::uint64_t token) noexcept {
      const std::lock_guard lock(recorder->mutex);
      recorder->posts.push_back(token);
    },
    [](viaduct_instance*, std::uint64_t token) noexcept {
      const std::lock_guard lock(recorder->mutex);
      recorder->timers.push_back(token);
    },
    nullptr,
    nullptr};

const viaduct_plugin kRecorderPlugin{sizeof(viaduct_plugin),
                                     VIADUCT_ABI_MAJOR,
                                     VIADUCT_ABI_MINOR,
                                     VIADUCT_KIND_SURFACE,
                                     0,
                                     "com.example.recorder",
                                     "1.0.0",
                                     "Records",
                                     "{}",
                                     "{}",
                                     &kRecorderApi,
                                     [](const viaduct_host* host, viaduct_str) noexcept {
                                       recorder->host = host;
                                       return reinterpret_cast<viaduct_instance*>(recorder);
                                     }};

class Services : public ::testing::Test {
 protected:
  void SetUp() override {
    recorder = &recorder_;
    ASSERT_TRUE(host_.load(&kRecorderPlugin).ok());
    ASSERT_TRUE(host_.run("{}").ok());
  }
  void TearDown() override {
    EXPECT_TRUE(host_.stop().ok());
    host_.destroy();
  }

  template <class Table>
  const Table& service(const char* id) {
    return *static_cast<const Table*>(recorder_.host->service(recorder_.host, id));
  }
  // Calls and waits for the answer.
  template <class Call>
  Outcome ask(Call call) {
    const std::uint64_t id = ++recorder_.last_call;
    call(id);
    Outcome outcome;
    EXPECT_TRUE(host_.wait_until([&] {
      const std::lock_guard lock(recorder_.mutex);
      const auto found = recorder_.answers.find(id);
      if (found == recorder_.answers.end()) return false;
      outcome = found->second;
      return true;
    }));
    return outcome;
  }
  const viaduct_host* plugin_host() const { return recorder_.host; }
  std::vector<std::uint64_t> timers() {
    const std::lock_guard lock(recorder_.mutex);
    return recorder_.timers;
  }

  Recorder recorder_;
  FakeHost host_{[] {
    HostOptions options;
    options.manual_clock = true;
    return options;
  }()};
};

TEST_F(Services, DocumentsCompareAndSet) {
  const auto& documents = service<viaduct_documents>(VIADUCT_DOCUMENTS);
  const auto put = [&](std::string_view key, std::string_view value, std::uint64_t version) {
    return ask([&](std::uint64_t call) {
      documents.put(plugin_host(), call, text(key), text(value), version);
    });
  };
  const auto get = [&](std::string_view key) {
    return ask([&](std::uint64_t call) { documents.get(plugin_host(), call, text(key)); });
  };
  EXPECT_EQ(get("a").code, VIADUCT_E_NOT_FOUND);
  EXPECT_EQ(put("a", R"({"x":1})", 0).result, R"({"version":1})");
  EXPECT_EQ(put("a", "2", 0).code, VIADUCT_E_CONFLICT);
  EXPECT_EQ(put("a", "2", 1).result, R"({"version":2})");
  EXPECT_EQ(get("a").result, R"({"version":2,"value":2})");
  EXPECT_EQ(put("a", "3", VIADUCT_VERSION_ANY).code, VIADUCT_OK);
  EXPECT_EQ(put("a/b", "4", 0).code, VIADUCT_OK);
  EXPECT_EQ(put("b", "5", 0).code, VIADUCT_OK);
  const auto scan = ask(
      [&](std::uint64_t call) { documents.scan(plugin_host(), call, text("a"), text("b"), 1); });
  EXPECT_EQ(scan.result, R"({"documents":[{"key":"a","version":3,"value":3}],"more":true})");
  EXPECT_EQ(
      ask([&](std::uint64_t call) { documents.remove(plugin_host(), call, text("a"), 1); }).code,
      VIADUCT_E_CONFLICT);
  EXPECT_EQ(
      ask([&](std::uint64_t call) { documents.remove(plugin_host(), call, text("a"), 3); }).code,
      VIADUCT_OK);
  EXPECT_EQ(get("a").code, VIADUCT_E_NOT_FOUND);
  EXPECT_EQ(host_.document("b"), "5");
  EXPECT_TRUE(host_.faults().empty());
  EXPECT_EQ(put("", "5", 0).code, VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_EQ(put("c", "{", 0).code, VIADUCT_E_INVALID_ARGUMENT);
  EXPECT_TRUE(host_.has_fault("bad-argument"));
}

TEST_F(Services, DocumentsAreStillThereInTheNextLife) {
  host_.put_document("kept", "true");
  ASSERT_TRUE(host_.stop().ok());
  host_.destroy();
  ASSERT_TRUE(host_.run("{}").ok());
  const auto& documents = service<viaduct_documents>(VIADUCT_DOCUMENTS);
  EXPECT_EQ(ask([&](std::uint64_t call) { documents.get(plugin_host(), call, text("kept")); }).code,
            VIADUCT_OK);
}

TEST_F(Services, FailAsTheyAreTold) {
  host_.fail_next("documents.get", VIADUCT_E_UNAVAILABLE, "the disk is full", 2);
  const auto& documents = service<viaduct_documents>(VIADUCT_DOCUMENTS);
  const auto get = [&] {
    return ask([&](std::uint64_t call) { documents.get(plugin_host(), call, text("a")); });
  };
  EXPECT_EQ(get().message, "the disk is full");
  EXPECT_EQ(get().code, VIADUCT_E_UNAVAILABLE);
  EXPECT_EQ(get().code, VIADUCT_E_NOT_FOUND);
}

TEST_F(Services, TimersFireInOrderWhenTimePasses) {
  const auto& timer = service<viaduct_timer>(VIADUCT_TIMER);
  timer.set(plugin_host(), 1, 30);
  timer.set(plugin_host(), 2, 10);
  timer.set(plugin_host(), 3, 20);
  timer.set(plugin_host(), 4, 20);
  timer.cancel(plugin_host(), 4);
  timer.set(plugin_host(), 2, 25);  // moved
  host_.advance(milliseconds(19));
  EXPECT_TRUE(timers().empty());
  host_.advance(milliseconds(6));
  EXPECT_EQ(timers(), (std::vector<std::uint64_t>{3, 2}));
  host_.advance(milliseconds(1000));
  EXPECT_EQ(timers(), (std::vector<std::uint64_t>{3, 2, 1}));
  EXPECT_EQ(host_.timers(), 0U);
}

TEST(RealTime, ATimerFires) {
  Recorder own;
  recorder = &own;
  FakeHost host;
  ASSERT_TRUE(host.load(&kRecorderPlugin).ok());
  ASSERT_TRUE(host.run("{}").ok());
  static_cast<const viaduct_timer*>(own.host->service(own.host, VIADUCT_TIMER))
      ->set(own.host, 7, 1);
  EXPECT_TRUE(host.wait_until([&] {
    const std::lock_guard lock(own.mutex);
    return own.timers == std::vector<std::uint64_t>{7};
  }));
  EXPECT_TRUE(host.stop().ok());
  host.destroy();
}

TEST_F(Services, PostComesOnThePluginsThread) {
  plugin_host()->post(plugin_host(), 5);
  ASSERT_TRUE(host_.settle());
  const std::lock_guard lock(recorder_.mutex);
  EXPECT_EQ(recorder_.posts, std::vector<std::uint64_t>{5});
}

TEST_F(Services, LogMetricsAndSecretsAreKept) {
  service<viaduct_log>(VIADUCT_LOG).write(plugin_host(), VIADUCT_LOG_WARN, text("low on ink"));
  EXPECT_TRUE(host_.wait_log("ink"));
  EXPECT_EQ(host_.log().at(0).level, VIADUCT_LOG_WARN);
  const auto& metrics = service<viaduct_metrics>(VIADUCT_METRICS);
  metrics.count(plugin_host(), text("pages"), text(""), 2);
  metrics.count(plugin_host(), text("pages"), text(""), 3);
  metrics.gauge(plugin_host(), text("ink"), text(R"({"color":"red"})"), 0.5);
  EXPECT_EQ(host_.metric("pages"), 5);
  EXPECT_EQ(host_.metric(R"(ink{"color":"red"})"), 0.5);
  const auto& secrets = service<viaduct_secrets>(VIADUCT_SECRETS);
  secrets.redact(plugin_host(), text("abcdefgh"));
  EXPECT_EQ(host_.redacted(), std::vector<std::string>{"abcdefgh"});
  host_.set_secret("${file:/key}", "k");
  EXPECT_EQ(ask([&](std::uint64_t call) {
              secrets.resolve(plugin_host(), call, text("${file:/key}"));
            }).result,
            R"({"value":"k"})");
  EXPECT_EQ(ask([&](std::uint64_t call) {
              secrets.resolve(plugin_host(), call, text("${file:/other}"));
            }).code,
            VIADUCT_E_NOT_FOUND);
  EXPECT_TRUE(host_.faults().empty());
}

TEST_F(Services, MemoryRemembersForEachPrincipal) {
  const auto& memory = service<viaduct_memory>(VIADUCT_MEMORY);
  const auto principal = [](std::string_view user) {
    return viaduct_principal{
        sizeof(viaduct_principal), 0, text(user), {nullptr, 0}, {nullptr, 0}, {nullptr, 0}};
  };
  const auto ann = principal("ann");
  const auto bob = principal("bob");
  const auto say = [&](const viaduct_principal& who, std::string_view message) {
    return Json::parse(ask([&](std::uint64_t call) {
                         memory.message(plugin_host(), call, &who, text(message));
                       }).result)
        .value_or(Json());
  };
  EXPECT_EQ(say(ann, "remember this: tea at five")["memory_action"].as_string(), "remember");
  EXPECT_EQ(say(ann, "what do you remember about tea")["memory_result"]["count"].as_int(), 1);
  EXPECT_EQ(say(bob, "what do you remember about tea")["memory_result"]["count"].as_int(), 0);
  EXPECT_EQ(say(ann, "hello").dump(), "{}");
}

TEST_F(Services, FaultsAreRecorded) {
  plugin_host()->complete(plugin_host(), 999, nullptr, {nullptr, 0});
  EXPECT_TRUE(host_.has_fault("unknown-call"));
  plugin_host()->fail(plugin_host(), nullptr);
  EXPECT_TRUE(host_.has_fault("fail-outside-create"));
  service<viaduct_log>(VIADUCT_LOG).write(plugin_host(), VIADUCT_LOG_WARN, text("\xff"));
  EXPECT_TRUE(host_.has_fault("invalid-utf8"));
  const auto& documents = service<viaduct_documents>(VIADUCT_DOCUMENTS);
  ASSERT_TRUE(host_.on_plugin_thread([&] {  // its answers wait until this returns
    documents.get(plugin_host(), 77, text("a"));
    documents.get(plugin_host(), 77, text("a"));
  }));
  EXPECT_TRUE(host_.has_fault("call-id-reused"));
}

TEST_F(Services, WhatIsSaidAfterStopIsAFault) {
  const auto& log = service<viaduct_log>(VIADUCT_LOG);
  ASSERT_TRUE(host_.stop().ok());
  log.write(plugin_host(), VIADUCT_LOG_INFO, text("hello"));
  EXPECT_TRUE(host_.has_fault("call-after-stop"));
  EXPECT_TRUE(host_.log().empty());
}

TEST_F(Services, WhatIsSaidAfterDestroyIsAFault) {
  const viaduct_host* old = plugin_host();
  ASSERT_TRUE(host_.stop().ok());
  host_.destroy();
  old->post(old, 1);
  EXPECT_TRUE(host_.has_fault("call-after-destroy"));
  ASSERT_TRUE(host_.run("{}").ok());
}

TEST(FakeHostOfAnOlderHeader, ShowsOnlyWhatThatHas) {
  Recorder own;
  recorder = &own;
  HostOptions options;
  options.abi_minor = 0;
  options.table_sizes = {{VIADUCT_TIMER, 16}};
  options.without = {VIADUCT_MEMORY};
  FakeHost host(options);
  ASSERT_TRUE(host.load(&kRecorderPlugin).ok());
  ASSERT_TRUE(host.run("{}").ok());
  EXPECT_EQ(own.host->abi_minor, 0);
  const auto* timer = static_cast<const viaduct_timer*>(own.host->service(own.host, VIADUCT_TIMER));
  EXPECT_TRUE(VIADUCT_HAS(timer, set));
  EXPECT_FALSE(VIADUCT_HAS(timer, cancel));
  EXPECT_EQ(own.host->service(own.host, VIADUCT_MEMORY), nullptr);
  EXPECT_EQ(own.host->service(own.host, "viaduct.no-such/1"), nullptr);
  EXPECT_TRUE(host.stop().ok());
  host.destroy();
}

void read_on() {
  Recorder own;
  recorder = &own;
  HostOptions options;
  options.table_sizes = {{VIADUCT_TIMER, 16}};
  FakeHost host(options);
  host.load(&kRecorderPlugin);
  host.run("{}");
  static_cast<const viaduct_timer*>(own.host->service(own.host, VIADUCT_TIMER))
      ->cancel(own.host, 1);
}

TEST(FakeHostOfAnOlderHeader, CrashesWhoeverReadsOn) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(read_on(), "");
}

// A plugin of each header in a host that has only what the first header had.
class EachHeader : public ::testing::TestWithParam<const char*> {};

TEST_P(EachHeader, RunsInAHostOfTheFirstOne) {
  HostOptions options;
  options.abi_minor = 0;
  options.table_sizes = {{"host", 64},         {VIADUCT_HTTP, 80}, {VIADUCT_SESSIONS, 160},
                         {VIADUCT_SINK, 16},   {VIADUCT_LOG, 16},  {VIADUCT_TIMER, 24},
                         {VIADUCT_METRICS, 32}};
  FakeHost backend(options);
  const std::string version = GetParam();
  ASSERT_TRUE(backend.load(VIADUCT_GOOD_DIR "/backend" + version + ".so").ok());
  ASSERT_TRUE(backend.run("{}").ok());
  ASSERT_TRUE(backend.open(1).ok());
  EXPECT_TRUE(backend.prompt(1, 1, "hello").ok());
  EXPECT_EQ(backend.text(1), "hello");
  EXPECT_TRUE(backend.stop().ok());
  backend.destroy();
  EXPECT_TRUE(backend.faults().empty());
  FakeHost surface(options);
  ASSERT_TRUE(surface.load(VIADUCT_GOOD_DIR "/surface" + version + ".so").ok());
  ASSERT_TRUE(surface.run("{}").ok());
  EXPECT_EQ(surface.get("/hello").status, 200);
  EXPECT_EQ(surface.post("/ask", "{}").status, 200);
  EXPECT_TRUE(surface.stop().ok());
  surface.destroy();
  EXPECT_TRUE(surface.faults().empty());
}

INSTANTIATE_TEST_SUITE_P(Plugins, EachHeader, ::testing::Values("", "_1_0", "_later"));

TEST(FakeHost, SaysWhyAPluginCannotBeLoaded) {
  FakeHost host;
  EXPECT_NE(host.load("/nonexistent/plugin.so").message.find("plugin.so"), std::string::npos);
  const auto wrong = host.load(VIADUCT_FAULTY_DIR "/wrong_major.so").message;
  EXPECT_NE(wrong.find("7.0"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find("1.0"), std::string::npos) << wrong;
  EXPECT_NE(host.load(VIADUCT_FAULTY_DIR "/no_symbol.so").message.find("not a plugin"),
            std::string::npos);
  EXPECT_FALSE(host.load(VIADUCT_FAULTY_DIR "/not_elf.so").ok());
}

TEST(FakeHost, SaysWhyCreateFailed) {
  FakeHost host;
  ASSERT_TRUE(host.load(VIADUCT_FAULTY_DIR "/create_fails.so").ok());
  const Answer answer = host.create("{}");
  EXPECT_EQ(answer.code, VIADUCT_E_FAILED_PRECONDITION);
  EXPECT_EQ(answer.message, "the agent is not installed");
}

TEST(FakeHost, KeepsExceptionsOfAPluginAtTheBoundary) {
  FakeHost host;
  ASSERT_TRUE(host.load(VIADUCT_FAULTY_DIR "/throws_in_prompt.so").ok());
  ASSERT_TRUE(host.run("{}").ok());
  ASSERT_TRUE(host.open(1).ok());
  const Answer answer = host.prompt(1, 1, "hello");
  EXPECT_EQ(answer.code, VIADUCT_E_INTERNAL);
  EXPECT_NE(answer.message.find("thrown in prompt"), std::string::npos) << answer.message;
  EXPECT_TRUE(host.has_fault("threw"));
  EXPECT_TRUE(host.stop().ok());
  host.destroy();
}

TEST(FakeHost, GivesUpOnAPluginThatNeverAnswers) {
  FakeHost host;
  ASSERT_TRUE(host.load(VIADUCT_FAULTY_DIR "/start_never.so").ok());
  const Answer answer = host.create("{}");
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(host.start(milliseconds(50)).answered);
  EXPECT_TRUE(host.stop().ok());
  host.destroy();
}

TEST(FakeHost, RefusesASinkThatIsFull) {
  FakeHost host;
  ASSERT_TRUE(host.load(VIADUCT_FAULTY_DIR "/drops_on_busy.so").ok());
  ASSERT_TRUE(host.run("{}").ok());
  ASSERT_TRUE(host.open(1).ok());
  host.pause(1, 2);
  EXPECT_TRUE(host.prompt(1, 1, "abcd").ok());
  EXPECT_EQ(host.text(1), "ab");
  EXPECT_EQ(host.refused(1), 2U);
  EXPECT_TRUE(host.stop().ok());
  host.destroy();
}

}  // namespace
}  // namespace viaduct::testing
