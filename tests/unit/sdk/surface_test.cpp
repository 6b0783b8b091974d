#include "viaduct/sdk/surface.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct {
namespace {

using sdk::Answer;
using sdk::Code;
using sdk::Flow;
using std::chrono::milliseconds;
using testing::FakeHost;

// A surface with whatever routes the test makes.
class Bare final : public sdk::Surface {
 public:
  Bare(sdk::Host the_host, std::string_view) : host(std::move(the_host)) { present = this; }
  ~Bare() override { present = nullptr; }
  void start(sdk::Reply reply) override {
    setup(*this);
    reply.ok();
  }

  static Bare* present;
  static std::function<void(Bare&)> setup;

  sdk::Host host;
  std::optional<sdk::Exchange> held;
  sdk::Subscription subscription;
};
Bare* Bare::present = nullptr;
std::function<void(Bare&)> Bare::setup;

constexpr viaduct_plugin kPlugin = sdk::surface_plugin<Bare>(
    sdk::Descriptor{"com.example.bare", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class SdkSurface : public ::testing::Test {
 protected:
  void run(std::function<void(Bare&)> setup, testing::HostOptions options = {}) {
    host_.emplace(std::move(options));
    Bare::setup = std::move(setup);
    ASSERT_TRUE(host_->load(&kPlugin));
    const auto running = host_->run("{}");
    ASSERT_TRUE(running) << running.message;
  }
  void route(sdk::Http::Handler handler) {
    run([&](Bare& bare) { sdk::Http(bare.host).route("POST", "/x/{id}", std::move(handler)); });
  }
  void TearDown() override {
    if (!host_) return;
    if (host_->created()) {
      EXPECT_TRUE(host_->stop());
      host_->destroy();
    }
    for (const auto& fault : host_->faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  Bare& plugin() { return *Bare::present; }

  std::optional<FakeHost> host_;
};

TEST_F(SdkSurface, ARequestHasItsPartsAndGetsItsAnswer) {
  route([](const sdk::Request& request, sdk::Exchange exchange) {
    EXPECT_EQ(request.method(), "POST");
    EXPECT_EQ(request.path(), "/x/7");
    EXPECT_EQ(request.query(), "a=b");
    EXPECT_EQ(request.param("id"), "7");
    EXPECT_EQ(request.param("other"), "");
    EXPECT_EQ(request.header("x-mine"), "yes");
    EXPECT_EQ(request.header("x-other"), std::nullopt);
    ASSERT_TRUE(request.who());
    EXPECT_EQ(request.who()->user_id, "local");
    exchange.respond(sdk::Response::json(201, std::string(request.body())));
    EXPECT_FALSE(exchange);
  });
  const auto response = host_->request("POST", "/x/7?a=b", "{}", {{"x-mine", "yes"}});
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "{}");
  EXPECT_EQ(response.header("content-type"), "application/json");
}

TEST_F(SdkSurface, AHandlerThatThrowsAnswers500AndKeepsTheReasonForTheLog) {
  route([](const sdk::Request&, sdk::Exchange) { throw std::runtime_error("secret detail"); });
  const auto response = host_->post("/x/1", "");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_NE(response.json()["request_id"].as_string(), "");
  EXPECT_TRUE(host_->wait_log("secret detail"));
}

TEST_F(SdkSurface, AHandlerThatThrowsAnErrorAnswersWithItsStatus) {
  route([](const sdk::Request&, sdk::Exchange) {
    throw sdk::Error(Code::kInvalidArgument, "no \"message\"");
  });
  const auto response = host_->post("/x/1", "");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, R"({"error":"no \"message\""})");
}

TEST_F(SdkSurface, AHandlerThatThrowsAfterItsAnswerChangesNothing) {
  route([](const sdk::Request&, sdk::Exchange exchange) {
    exchange.respond(sdk::Response::text(200, "fine"));
    throw std::runtime_error("afterthought");
  });
  EXPECT_EQ(host_->post("/x/1", "").body, "fine");
  EXPECT_TRUE(host_->wait_log("afterthought"));
}

TEST_F(SdkSurface, AnExchangeThatIsDroppedAnswers500) {
  route([](const sdk::Request&, sdk::Exchange) {});
  EXPECT_EQ(host_->post("/x/1", "").status, 500);
}

TEST_F(SdkSurface, ARequestThatWaitsForAnAnswerOfTheHostGets503WhenTheInstanceStops) {
  route([](const sdk::Request& request, sdk::Exchange exchange) {
    sdk::Sessions(Bare::present->host)
        .create(*request.who(), "{}", [later = std::move(exchange)](const Answer& answer) mutable {
          later.respond(sdk::Response::json(200, answer.result));
        });
  });
  host_->sessions().hold("create");
  testing::Request request;
  request.method = "POST";
  request.path = "/x/1";
  const auto exchange = host_->start_request(request);
  ASSERT_TRUE(host_->settle());
  ASSERT_TRUE(host_->stop());
  EXPECT_EQ(exchange.response().status, 503);
}

TEST_F(SdkSurface, AnAnswerOfTheHostReachesItsRequest) {
  route([](const sdk::Request& request, sdk::Exchange exchange) {
    sdk::Sessions(Bare::present->host)
        .create(*request.who(), R"({"working_dir":"~/w"})",
                [later = std::move(exchange)](const Answer& answer) mutable {
                  later.respond(sdk::Response::json(http_status(answer.code), answer.result));
                });
  });
  const auto response = host_->post("/x/1", "");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.json()["working_dir"].as_string(), "~/w");
  host_->sessions().fail_next("create", VIADUCT_E_UNAVAILABLE, "later");
  EXPECT_EQ(host_->post("/x/1", "").status, 503);
}

TEST_F(SdkSurface, ARouteThatIsRefusedThrows) {
  std::optional<Code> code;
  run([&](Bare& bare) {
    const sdk::Http http(bare.host);
    http.route("GET", "/a", [](const sdk::Request&, sdk::Exchange) {});
    try {
      http.route("GET", "/a", [](const sdk::Request&, sdk::Exchange) {});
    } catch (const sdk::Error& error) {
      code = error.code();
    }
  });
  EXPECT_EQ(code, Code::kInvalidArgument);
  host_->forget_faults();  // repeating it was the test
}

TEST_F(SdkSurface, AStreamIsFinishedWhenItGoesOutOfScope) {
  route([](const sdk::Request&, sdk::Exchange exchange) {
    const sdk::Stream stream = exchange.begin(sdk::Response::text(200, "one "));
    EXPECT_EQ(stream.write("two"), Flow::kOk);
  });
  const auto response = host_->post("/x/1", "");
  EXPECT_EQ(response.body, "one two");
  EXPECT_TRUE(response.complete);
}

class Echo final : public sdk::Connection {
 public:
  explicit Echo(std::vector<std::string>& log) : log_(log) {}
  void message(std::string_view text) override {
    if (text == "throw") throw std::runtime_error("in message");
    if (text == "bye") {
      socket.close(4001, "as you wish");
      return;
    }
    if (socket.send(text) == Flow::kBusy) log_.push_back("busy");
  }
  void writable() override { log_.push_back("writable"); }
  void closed(std::uint16_t code, std::string_view) override {
    log_.push_back("closed " + std::to_string(code));
  }
  sdk::WebSocket socket;

 private:
  std::vector<std::string>& log_;
};

TEST_F(SdkSurface, AWebSocketHearsAndSpeaks) {
  std::vector<std::string> log;
  std::weak_ptr<Echo> echo;
  run([&](Bare& bare) {
    sdk::Http(bare.host).websocket("/ws", [&](const sdk::Request&, sdk::Exchange exchange) {
      const auto made = std::make_shared<Echo>(log);
      echo = made;
      made->socket = exchange.accept(made);
    });
  });
  auto client = host_->websocket("/ws");
  ASSERT_TRUE(client.accepted());
  client.send("throw");
  client.send("hello");
  EXPECT_EQ(client.next(), "hello");
  EXPECT_TRUE(host_->wait_log("in message"));
  client.pause(0);
  client.send("much");
  ASSERT_TRUE(host_->settle());
  client.proceed();
  ASSERT_TRUE(host_->settle());
  client.send("bye");
  const auto closed = client.closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 4001);
  EXPECT_TRUE(host_->wait_until([&] { return echo.expired(); }));
  ASSERT_TRUE(host_->settle());
  ASSERT_EQ(log.size(), 3u);
  EXPECT_EQ(log[0], "busy");
  EXPECT_EQ(log[1], "writable");
}

TEST_F(SdkSurface, AServiceThatTheHostLacksIsUnsupportedAndNotAnsweredInline) {
  std::vector<std::string> order;
  testing::HostOptions options;
  options.without = {VIADUCT_MEMORY, VIADUCT_TIMER, VIADUCT_METRICS};
  run(
      [&](Bare& bare) {
        sdk::Memory(bare.host).message({}, "x", [&](const Answer& answer) {
          order.push_back(answer.code == Code::kUnsupported ? "unsupported" : "?");
        });
        order.push_back("start");
        EXPECT_EQ(sdk::Timers(bare.host).after(milliseconds(1), [] {}), 0u);
        sdk::Metrics(bare.host).count("nothing");
      },
      std::move(options));
  ASSERT_TRUE(host_->settle());
  EXPECT_EQ(order, (std::vector<std::string>{"start", "unsupported"}));
}

TEST_F(SdkSurface, AnOperatorTakesOverWhatAnotherProgramLeft) {
  std::vector<Answer> answers;
  const auto keep = [&](const Answer& answer) { answers.push_back(answer); };
  run([](Bare&) {});
  host_->sessions().add_left_behind("left-1", "Old", "/srv");
  host_->sessions().add_left_behind("right-1", "New");
  sdk::Principal who{"u", "Uma", "", "", true};
  ASSERT_TRUE(host_->on_plugin_thread([&] {
    const sdk::Sessions sessions(plugin().host);
    sessions.discover(who, R"({"limit":1})", keep);
    sessions.adopt(who, "left", "", keep);
    who.is_operator = false;
    sessions.discover(who, "", keep);
    sessions.adopt(who, "right", "", keep);
  }));
  ASSERT_TRUE(host_->wait_until([&] { return answers.size() == 4; }));
  const auto found = testing::Json::parse(answers[0].result).value_or(testing::Json());
  EXPECT_EQ(found["sessions"].size(), 1u);
  EXPECT_EQ(found["left_out"].as_int(), 1);
  const auto taken = testing::Json::parse(answers[1].result).value_or(testing::Json());
  EXPECT_EQ(taken["session"]["title"].as_string(), "Old");
  EXPECT_EQ(taken["from"]["native_id"].as_string(), "left-1");
  EXPECT_EQ(answers[2].code, Code::kPermissionDenied);
  EXPECT_EQ(answers[3].code, Code::kPermissionDenied);
}

TEST_F(SdkSurface, DocumentsComeBackWithTheirVersion) {
  std::vector<std::string> answers;
  run([&](Bare& bare) {
    const sdk::Documents documents(bare.host);
    documents.put("k", R"({"a":1})", 0, [&, documents](const Answer& put) {
      answers.push_back(put.result);
      documents.put("k", "{}", 0, [&](const Answer& again) {
        answers.push_back(again.code == Code::kConflict ? "conflict" : again.message);
      });
    });
  });
  ASSERT_TRUE(host_->wait_until([&] { return answers.size() == 2; }));
  EXPECT_EQ(answers, (std::vector<std::string>{R"({"version":1})", "conflict"}));
}

TEST_F(SdkSurface, TimersRunOnceUnlessTheyAreCancelled) {
  std::vector<std::string> ran;
  testing::HostOptions options;
  options.manual_clock = true;
  run(
      [&](Bare& bare) {
        const sdk::Timers timers(bare.host);
        timers.after(milliseconds(10), [&] { ran.push_back("ten"); });
        const auto id = timers.after(milliseconds(20), [&] { ran.push_back("twenty"); });
        timers.after(milliseconds(15), [timers, id] { timers.cancel(id); });
        timers.after(milliseconds(30), [] { throw std::runtime_error("in the timer"); });
      },
      std::move(options));
  host_->advance(milliseconds(100));
  EXPECT_TRUE(host_->wait_log("in the timer"));
  EXPECT_EQ(ran, std::vector<std::string>{"ten"});
  EXPECT_EQ(host_->timers(), 0u);
}

class Viewer final : public sdk::Subscriber {
 public:
  explicit Viewer(std::vector<std::string>& log) : log_(log) {}
  Flow change(const sdk::Change& change) override {
    if (busy) return Flow::kBusy;
    if (change.kind == sdk::ChangeKind::kDelta) log_.push_back("delta " + std::string(change.text));
    if (change.kind == sdk::ChangeKind::kState) log_.push_back("state");
    if (change.kind == sdk::ChangeKind::kLive) log_.push_back("live");
    return Flow::kOk;
  }
  void unsubscribed(const sdk::Status& why) override { log_.push_back("over " + why.message); }
  bool busy = false;

 private:
  std::vector<std::string>& log_;
};

TEST_F(SdkSurface, ASubscriberSeesChangesUntilItLetsGo) {
  std::vector<std::string> log;
  const auto viewer = std::make_shared<Viewer>(log);
  run([](Bare&) {});
  const std::string session = host_->sessions().add_session({});
  const auto subscribe = [&] {
    sdk::Principal who;
    who.user_id = "local";
    plugin().subscription =
        sdk::Sessions(plugin().host).subscribe(who, session, {}, viewer, [&](const Answer& answer) {
          log.push_back(answer.ok() ? "subscribed" : answer.message);
        });
  };
  ASSERT_TRUE(host_->on_plugin_thread(subscribe));
  ASSERT_TRUE(host_->settle());
  EXPECT_EQ(log, (std::vector<std::string>{"subscribed", "state", "live"}));

  ASSERT_TRUE(host_->on_plugin_thread([&] { plugin().subscription.reset(); }));
  EXPECT_EQ(host_->sessions().subscriptions(), 0u);
  EXPECT_EQ(viewer.use_count(), 1);  // nobody else holds it any more
  log.clear();
  host_->sessions().user_says(session, "unheard");
  ASSERT_TRUE(host_->settle());
  EXPECT_TRUE(log.empty());

  host_->sessions().fail_next("subscribe", VIADUCT_E_NOT_FOUND, "no such session");
  ASSERT_TRUE(host_->on_plugin_thread(subscribe));
  ASSERT_TRUE(host_->settle());
  EXPECT_EQ(log, std::vector<std::string>{"no such session"});
  EXPECT_EQ(viewer.use_count(), 1);

  log.clear();
  ASSERT_TRUE(host_->on_plugin_thread(subscribe));
  ASSERT_TRUE(host_->settle());
  host_->sessions().drop_subscriptions(VIADUCT_E_BUSY, "too slow");
  ASSERT_TRUE(host_->settle());
  EXPECT_EQ(log.back(), "over too slow");
  EXPECT_EQ(viewer.use_count(), 1);
}

TEST_F(SdkSurface, ABusySubscriberGetsTheSameChangeAgain) {
  std::vector<std::string> log;
  const auto viewer = std::make_shared<Viewer>(log);
  viewer->busy = true;
  run([](Bare&) {});
  const std::string session = host_->sessions().add_session({});
  ASSERT_TRUE(host_->on_plugin_thread([&] {
    sdk::Principal who;
    who.user_id = "local";
    plugin().subscription =
        sdk::Sessions(plugin().host).subscribe(who, session, {}, viewer, nullptr);
  }));
  ASSERT_TRUE(host_->settle());
  EXPECT_TRUE(log.empty());
  ASSERT_TRUE(host_->on_plugin_thread([&] {
    viewer->busy = false;
    plugin().subscription.proceed();
  }));
  ASSERT_TRUE(host_->settle());
  EXPECT_EQ(log, (std::vector<std::string>{"state", "live"}));
}

TEST_F(SdkSurface, PostedWorkRunsOnThePluginsThread) {
  std::thread::id start, posted;
  run([&](Bare& bare) {
    start = std::this_thread::get_id();
    bare.host.post([&] { posted = std::this_thread::get_id(); });
  });
  ASSERT_TRUE(host_->settle());
  EXPECT_EQ(posted, start);
}

}  // namespace
}  // namespace viaduct
