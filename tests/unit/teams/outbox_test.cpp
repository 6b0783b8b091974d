#include "plugins/teams/outbox.hpp"

#include "tests/unit/teams/service.hpp"

#include <viaduct/sdk/surface.hpp>
#include <viaduct/testing/fake_host.hpp>

#include <deque>
#include <map>
#include <mutex>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using chat::Value;
using net::Task;
using Kind = Shipment::Kind;

// ---------------------------------------------------------------- the service

// The connector's end: keeps what it is told as "post Hello", "begin Hello", "frame 2 Hello all",
// "final Hello all", "put m-1 Hello", "delete m-1", "members", "upload"; and answers it, or as the
// test wants the next of a name to be answered.
class Chat {
 public:
  Chat() : service_([this](const std::string& request) { return answer(request); }) {}

  const Service& service() const { return service_; }
  void next(const std::string& name, std::string answer, int times = 1) {
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < times; ++i) next_[name].push_back(answer);
  }
  std::vector<std::string> heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  std::size_t count(std::string_view beginning) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        heard(), [&](const std::string& one) { return one.starts_with(beginning); }));
  }
  // Of the newest activity that was posted.
  std::string newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }

 private:
  std::string answer(const std::string& request) {
    const std::lock_guard lock(mutex_);
    const std::string line = request.substr(0, request.find(" HTTP/"));
    const std::string id = line.substr(line.rfind('/') + 1);
    const Value body = Value::parsed(body_of(request));
    const std::string text = body.text("text");
    std::string name, what, usual = reply("{}");
    if (line.starts_with("PUT /upload")) {
      name = what = "upload";
    } else if (line.starts_with("PUT ")) {
      name = "put";
      what = "put " + id + " " + text;
    } else if (line.starts_with("DELETE ")) {
      name = "delete";
      what = "delete " + id;
    } else if (line.starts_with("GET ")) {
      name = what = "members";
      usual = reply(R"({"members":[]})");
    } else {
      newest_ = body_of(request);
      Value info;
      for (const Value& entity : body.at("entities").items())
        if (entity.text("type") == "streaminfo") info = entity;
      const std::string type = info.text("streamType");
      const auto sequence = info.number("streamSequence");
      name = type.empty() ? "post" : type == "final" ? "final" : sequence == 1 ? "begin" : "frame";
      what = name + (name == "frame" ? " " + std::to_string(sequence) : "") + " " + text;
      if (line.find("/activities/") != line.npos) what += " to " + id;
      if (name == "post") usual = reply(R"({"id":"m-)" + std::to_string(++last_) + R"("})", 201);
      if (name == "begin") usual = reply(R"({"id":"s-)" + std::to_string(++last_) + R"("})", 201);
      if (name == "frame" || name == "final") {
        usual = reply("{}", 202);
        EXPECT_FALSE(info.text("streamId").empty());
      }
      if (name == "final") EXPECT_EQ(sequence, 0U);
      EXPECT_EQ(body.text("type"), name == "begin" || name == "frame" ? "typing" : "message");
    }
    heard_.push_back(what);
    auto& waiting = next_[name];
    if (waiting.empty()) return usual;
    std::string first = std::move(waiting.front());
    waiting.pop_front();
    return first;
  }

  mutable std::mutex mutex_;
  std::vector<std::string> heard_;
  std::string newest_;
  std::map<std::string, std::deque<std::string>> next_;
  int last_ = 0;
  Service service_;
};

std::string refusal(int status, std::string_view code, std::string_view words = "x") {
  return reply(R"({"error":{"code":")" + std::string(code) + R"(","message":")" +
                   std::string(words) + R"("}})",
               status);
}
std::string no_stream(std::string_view words) {
  return refusal(403, "ContentStreamNotAllowed", words);
}
constexpr const char* kCut = "";

// ---------------------------------------------------------------- the surface

class Poster final : public sdk::Surface, public sdk::Sender {
 public:
  Poster(const sdk::Host& host, std::string_view)
      : connector_(loop_, nullptr, {.bot = "28:app-1", .hosts = Service::hosts()}, {}),
        files_(loop_, nullptr, Service::hosts(), {}),
        outbox(host, loop_, connector_, files_, times),
        shelf(host) {
    outbox.on_refused([this](const Shipment& shipment, const Failure& why) {
      told.push_back("refused " + shipment.key + " " +
                     (why.trouble == Trouble::kTargetGone ? "gone" : "else"));
    });
    outbox.on_cancelled([this](const std::string& key) { told.push_back("cancelled " + key); });
    present = this;
  }
  ~Poster() override { present = nullptr; }
  sdk::EventLoop* loop() override { return &loop_; }
  void send(const sdk::Parcel& parcel, sdk::Sending sending) override {
    outbox.send(parcel, std::move(sending));
  }
  void reconcile(const sdk::Parcel& parcel, sdk::Sending sending) override {
    outbox.reconcile(parcel, std::move(sending));
  }
  void undelivered(const sdk::Parcel& parcel, std::string_view state, const sdk::Status&) override {
    told.push_back(std::string(state) + " " + std::string(parcel.key));
  }
  void spawn(Task<> task, std::function<void(net::Result<>)> ended) {
    loop_.spawn(std::move(task), std::move(ended));
  }

  static inline Poster* present = nullptr;
  static inline Outbox::Times times;

 private:
  net::Loop loop_;
  Connector connector_;
  Files files_;

 public:
  Outbox outbox;
  chat::Shelf shelf;
  std::vector<std::string> told;
};

constexpr viaduct_plugin kPlugin = sdk::surface_plugin<Poster>(
    sdk::Descriptor{"com.example.poster", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class TeamsOutbox : public ::testing::Test {
 protected:
  void SetUp() override {
    Poster::times = {100s, 10ms, 9};
    ASSERT_TRUE(host.load(&kPlugin));
    ASSERT_TRUE(host.run("{}"));
  }
  void TearDown() override {
    EXPECT_TRUE(host.stop());
    host.destroy();
    for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  void restart() {
    ASSERT_TRUE(host.stop());
    host.destroy();
    ASSERT_TRUE(host.run("{}"));
  }

  template <class T>
  T ask(std::function<Task<T>(Outbox&)> work) {
    T result{};
    std::atomic<bool> ended = false;
    EXPECT_TRUE(host.on_plugin_thread([&] {
      Poster::present->spawn(
          [](std::function<Task<T>(Outbox&)> then, T& to) -> Task<> {
            to = co_await then(Poster::present->outbox);
          }(work, result),
          [&](const net::Result<>& over) {
            EXPECT_TRUE(over);
            ended = true;
          });
    }));
    EXPECT_TRUE(host.wait_until([&] { return ended.load(); }));
    return result;
  }
  Outbox::Posted post(Shipment shipment) {
    if (shipment.target.empty()) shipment.target = "chat";
    shipment.to = destination;
    return ask<Outbox::Posted>([shipment](Outbox& outbox) -> Task<Outbox::Posted> {
      auto posted = co_await outbox.post(shipment);
      EXPECT_TRUE(posted);
      co_return posted.value_or(Outbox::Posted{});
    });
  }
  void keep(const std::string& key, const chat::File& file) {
    EXPECT_TRUE(ask<bool>([&](Outbox&) -> Task<bool> {
      co_return (co_await Poster::present->shelf.put(key, {}, file)).has_value();
    }));
  }
  bool is_kept(const std::string& key) { return host.documents().contains("file/" + key); }
  static std::string message(std::string_view text) {
    return R"({"type":"message","text":)" + sdk::json_string(text) +
           R"(,"textFormat":"markdown","entities":[{"type":"label"}]})";
  }
  static Shipment shipment(Kind kind, std::string key, std::string_view text, std::string of = {}) {
    Shipment one;
    one.kind = kind;
    one.key = std::move(key);
    one.activity = message(text);
    one.of = std::move(of);
    one.streams = kind == Kind::kBegin;
    return one;
  }
  bool grow(const std::string& key, const std::string& text) {
    return ask<bool>([=](Outbox& outbox) { return outbox.grow(key, text); });
  }
  // Until the service has heard of it: what comes too soon is left out.
  bool grows(const std::string& key, const std::string& text) {
    const std::size_t frames = chat.count("frame");
    bool takes = true;
    EXPECT_TRUE(host.wait_until([&] {
      takes = takes && grow(key, text);
      return !takes || chat.count("frame") > frames;
    }));
    return takes;
  }
  bool sent(std::string_view key) { return host.delivery().wait_state(key, "sent"); }
  std::string place(const std::string& key) {
    std::string id = "nowhere";
    host.on_plugin_thread([&] {
      if (const auto at = Poster::present->outbox.arrived(key)) id = at->id;
    });
    return id;
  }
  std::vector<std::string> told() {
    std::vector<std::string> list;
    host.on_plugin_thread([&] { list = Poster::present->told; });
    return list;
  }
  using Lines = std::vector<std::string>;

  Chat chat;
  Destination destination = chat.service().chat();
  testing::FakeHost host;
};

// ---------------------------------------------------------------- messages

TEST_F(TeamsOutbox, PostsInOrderAndChangesWhatIsThere) {
  host.delivery().hold();
  post(shipment(Kind::kPost, "a", "one"));
  post(shipment(Kind::kPost, "b", "two"));
  post(shipment(Kind::kEdit, "a/1", "one more", "a"));
  host.delivery().release();
  ASSERT_TRUE(sent("a/1"));
  EXPECT_EQ(chat.heard(), (Lines{"post one", "post two", "put m-1 one more"}));
  EXPECT_EQ(place("a"), "m-1");
  EXPECT_EQ(place("b"), "m-2");
  EXPECT_FALSE(post(shipment(Kind::kPost, "a", "again")).is_new);
  restart();
  post(shipment(Kind::kEdit, "b/1", "still there", "b"));
  ASSERT_TRUE(sent("b/1"));
  EXPECT_EQ(chat.heard().back(), "put m-2 still there");
}

TEST_F(TeamsOutbox, AnswersAMessage) {
  Shipment reply_one = shipment(Kind::kPost, "a", "yes");
  reply_one.reply_to = "q-1";
  post(reply_one);
  ASSERT_TRUE(sent("a"));
  EXPECT_EQ(chat.heard(), Lines{"post yes to q-1"});
}

TEST_F(TeamsOutbox, TellsWhoWaitsWhereAMessageIsOrWhyItIsNot) {
  chat.next("post", refusal(403, "BotNotInConversationRoster"));
  host.delivery().hold();
  post(shipment(Kind::kPost, "a", "one"));
  host.delivery().release();
  const auto why = ask<std::string>([](Outbox& outbox) -> Task<std::string> {
    const auto at = co_await outbox.wait_for("a", 10s);
    co_return at ? at->id : at.error();
  });
  EXPECT_NE(why.find("add it again"), std::string::npos) << why;
  ASSERT_TRUE(host.delivery().wait_state("a", "failed"));
  ASSERT_TRUE(host.wait_until([&] { return told().size() == 2; }));
  EXPECT_EQ(told(), (Lines{"refused a gone", "failed a"}));
  post(shipment(Kind::kPost, "b", "two"));
  EXPECT_EQ(ask<std::string>([](Outbox& outbox) -> Task<std::string> {
              const auto at = co_await outbox.wait_for("b", 10s);
              co_return at ? at->id : at.error();
            }),
            "m-2");
}

TEST_F(TeamsOutbox, TriesAgainWhatWasNotPostedAndNeverBlindly) {
  chat.next("post", reply("", 429, "Retry-After: 60\r\n"));
  post(shipment(Kind::kPost, "a", "one"));
  ASSERT_TRUE(
      host.wait_until([&] { return host.delivery().parcel("a")->retry_after_ms == 60'000; }));
  chat.next("post", kCut);
  Shipment elsewhere = shipment(Kind::kPost, "b", "two");
  destination.conversation = "a:2";
  elsewhere.target = "other";
  post(elsewhere);
  ASSERT_TRUE(host.delivery().wait_state("b", "ambiguous"));
  ASSERT_TRUE(host.wait_until([&] { return !told().empty(); }));
  EXPECT_EQ(told(), Lines{"ambiguous b"});
  EXPECT_EQ(chat.heard(), (Lines{"post one", "post two", "members"}));
}

TEST_F(TeamsOutbox, FindsOutThatAConversationIsDeadWhereAPostWasCutOff) {
  for (const int status : {502, 504}) {
    const std::string key = std::to_string(status);
    chat.next("post", reply("<html>", status));
    chat.next("members", refusal(404, "ConversationNotFound"));
    post(shipment(Kind::kPost, key, "one"));
    ASSERT_TRUE(host.delivery().wait_state(key, "ambiguous"));
    ASSERT_TRUE(host.wait_until([&] { return told().size() >= 2; }));
    EXPECT_EQ(told(), (Lines{"refused " + key + " gone", "ambiguous " + key}));
    host.on_plugin_thread([] { Poster::present->told.clear(); });
  }
  EXPECT_EQ(chat.count("post"), 2U);
}

TEST_F(TeamsOutbox, RepeatsAnEditAndGivesUpWhatTeamsAlwaysFailsAt) {
  post(shipment(Kind::kPost, "a", "one"));
  chat.next("put", kCut);
  chat.next("put", reply("", 500));
  post(shipment(Kind::kEdit, "a/1", "two", "a"));
  ASSERT_TRUE(sent("a/1"));
  EXPECT_EQ(chat.count("put m-1 two"), 3U);
  chat.next("put", reply("", 500), 7);
  post(shipment(Kind::kEdit, "a/2", "three", "a"));
  ASSERT_TRUE(sent("a/2")) << "trouble of some minutes loses no end of an answer";
  EXPECT_EQ(chat.count("put m-1 three"), 8U);
  chat.next("put", reply("", 500), 50);
  post(shipment(Kind::kEdit, "a/3", "four", "a"));
  ASSERT_TRUE(host.delivery().wait_state("a/3", "failed"));
  EXPECT_EQ(chat.count("put m-1 four"), 9U);
}

TEST_F(TeamsOutbox, WaitsWhereTheBotHasNoToken) {
  chat.next("post", refusal(401, "AuthorizationError"));
  post(shipment(Kind::kPost, "a", "one"));
  ASSERT_TRUE(
      host.wait_until([&] { return host.delivery().parcel("a")->retry_after_ms == 15'000; }));
  EXPECT_EQ(told(), Lines{});
}

TEST_F(TeamsOutbox, RefusesWhatIsTooLongOrOfAnotherVersion) {
  chat.next("post", refusal(413, "MessageSizeTooBig"));
  post(shipment(Kind::kPost, "a", "long"));
  ASSERT_TRUE(host.delivery().wait_state("a", "failed"));
  EXPECT_EQ(told().front(), "refused a else");
  host.delivery().add_parcel("b", "chat", R"({"kind":"new"})");
  ASSERT_TRUE(host.delivery().wait_state("b", "failed"));
  post(shipment(Kind::kEdit, "c", "edit of nothing", "never"));
  ASSERT_TRUE(host.delivery().wait_state("c", "failed"));
}

// ---------------------------------------------------------------- streams

TEST_F(TeamsOutbox, StreamsAnAnswerInOneMessage) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  EXPECT_EQ(place("p"), "s-1");
  EXPECT_TRUE(grows("p", "Hello"));
  EXPECT_TRUE(grow("p", "Hello")) << "nothing new";
  EXPECT_TRUE(grows("p", "Hello all"));
  post(shipment(Kind::kEnd, "p/end", "Hello all of you", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(),
            (Lines{"begin Hel", "frame 2 Hello", "frame 3 Hello all", "final Hello all of you"}));
  EXPECT_NE(chat.newest().find(R"({"type":"label"})"), std::string::npos) << "the label is kept";
  EXPECT_FALSE(grow("p", "Hello all of you and more"));
  post(shipment(Kind::kEdit, "p/2", "Changed", "p"));
  ASSERT_TRUE(sent("p/2"));
  EXPECT_EQ(chat.heard().back(), "put s-1 Changed");
}

struct OverCase {
  const char* name;
  const char* words;
};
void PrintTo(const OverCase& one, std::ostream* out) {
  *out << one.name;
}
class TeamsStreamsOver : public TeamsOutbox, public ::testing::WithParamInterface<OverCase> {};

TEST_P(TeamsStreamsOver, ShowTheWholeAnswerInTheirMessage) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  chat.next("final", no_stream(GetParam().words));
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hel", "final Hello all", "put s-1 Hello all"}));
}
INSTANTIATE_TEST_SUITE_P(
    Teams, TeamsStreamsOver,
    ::testing::Values(
        OverCase{"time", "Content stream finished due to exceeded streaming time."},
        OverCase{"completed", "Content stream is not allowed on an already completed message"},
        OverCase{"prefix",
                 "Request streamed content should contain the previously streamed content"},
        OverCase{"refused", "Content stream is not allowed"}),
    [](const auto& at) { return std::string(at.param.name); });

TEST_F(TeamsOutbox, PostsTheWholeAnewWhereTheMessageOfAStreamIsGone) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  chat.next("final", no_stream("Content stream is not allowed"));
  chat.next("put", refusal(404, "ActivityNotFoundInConversation"));
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  ASSERT_TRUE(sent("p/whole"));
  EXPECT_EQ(chat.heard().back(), "post Hello all");
  EXPECT_EQ(chat.count("post"), 1U);
}

TEST_F(TeamsOutbox, SaysItInAMessageWhereNothingCanBeStreamedAndRemembersThat) {
  chat.next("begin", refusal(400, "BadArgument", "the streaming api is not enabled for this bot"));
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  EXPECT_FALSE(grow("p", "Hello"));
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  post(shipment(Kind::kBegin, "q", "Next"));
  ASSERT_TRUE(sent("q"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hel", "post Hel", "put m-2 Hello all", "post Next"}));
  host.on_plugin_thread([&] { EXPECT_FALSE(Poster::present->outbox.streams(destination)); });
}

TEST_F(TeamsOutbox, StreamsOneAnswerInAChatAndNoneInGroups) {
  post(shipment(Kind::kBegin, "p", "One"));
  ASSERT_TRUE(sent("p"));
  post(shipment(Kind::kBegin, "q", "Two"));
  ASSERT_TRUE(sent("q"));
  destination.is_personal = false;
  destination.conversation = "19:g";
  post(shipment(Kind::kBegin, "r", "Three"));
  ASSERT_TRUE(sent("r"));
  EXPECT_EQ(chat.heard(), (Lines{"begin One", "post Two", "post Three"}));
}

TEST_F(TeamsOutbox, IsSilentWhenThePersonHasStoppedTheAnswer) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  chat.next("frame", no_stream("Content stream was canceled by user."));
  EXPECT_FALSE(grows("p", "Hello"));
  EXPECT_FALSE(grow("p", "Hello all"));
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hel", "frame 2 Hello"}));
  EXPECT_EQ(told(), Lines{"cancelled p"});
}

TEST_F(TeamsOutbox, LearnsAtTheEndThatThePersonHasStoppedTheAnswer) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  chat.next("final", no_stream("Content stream was canceled by user."));
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hel", "final Hello all"}));
  EXPECT_EQ(told(), Lines{"cancelled p"});
}

TEST_F(TeamsOutbox, EndsAStreamOfAnEarlierLife) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  restart();
  EXPECT_FALSE(grow("p", "Hello"));
  chat.next("final", no_stream("Content stream finished due to exceeded streaming time."));
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hel", "final Hello all", "put s-1 Hello all"}));
}

TEST_F(TeamsOutbox, EndsAStreamBeforeItsTextBecomesAnother) {
  post(shipment(Kind::kBegin, "p", "Hello"));
  ASSERT_TRUE(sent("p"));
  post(shipment(Kind::kEnd, "p/end", "Goodbye", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hello", "final Hello", "put s-1 Goodbye"}));
}

TEST_F(TeamsOutbox, GoesOnByUpdatesWhereAStreamIsClosed) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  const auto update = [&](std::string text) {
    return ask<bool>(
        [&, text](Outbox& outbox) { return outbox.update(destination, "p", message(text)); });
  };
  EXPECT_FALSE(update("Hello")) << "not before it has ended";
  EXPECT_TRUE(ask<bool>([](Outbox& outbox) { return outbox.close("p"); }));
  EXPECT_FALSE(ask<bool>([](Outbox& outbox) { return outbox.close("p"); }));
  EXPECT_TRUE(update("Hello"));
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hel", "final Hel", "put s-1 Hello", "put s-1 Hello all"}));
}

TEST_F(TeamsOutbox, ClosesAStreamInTimeAndOneThatCannotGoOn) {
  post(shipment(Kind::kBegin, "p", "Hello"));
  ASSERT_TRUE(sent("p"));
  EXPECT_FALSE(grow("p", "Goodbye"));
  EXPECT_EQ(chat.heard(), (Lines{"begin Hello", "final Hello"}));
  Poster::times.longest_stream = 0ms;
  restart();
  post(shipment(Kind::kBegin, "q", "Hel"));
  ASSERT_TRUE(sent("q"));
  EXPECT_FALSE(grow("q", "Hello"));
  EXPECT_EQ(chat.heard().back(), "final Hel");
}

TEST_F(TeamsOutbox, LetsAFrameBeLostButNotTheEnd) {
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  chat.next("frame", kCut);
  EXPECT_TRUE(grows("p", "Hello"));
  chat.next("frame",
            reply(R"({"error":{"code":"ContentStreamSequenceOrderPreConditionFailed"}})", 202));
  EXPECT_TRUE(grows("p", "Hello all"));
  chat.next("final", kCut);
  chat.next("final", no_stream("is not allowed on an already completed streamed message"));
  post(shipment(Kind::kEnd, "p/end", "Hello all of you", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.heard(),
            (Lines{"begin Hel", "frame 2 Hello", "frame 3 Hello all", "final Hello all of you",
                   "final Hello all of you", "put s-1 Hello all of you"}));
}

// ---------------------------------------------------------------- first words that nobody knows of

TEST_F(TeamsOutbox, PostsTheWholeOnceWhereTheFirstWordsWereCutOff) {
  for (const bool streams : {true, false}) {
    const std::string key = streams ? "p" : "q";
    chat.next(streams ? "begin" : "post", kCut);
    Shipment first = shipment(Kind::kBegin, key, "Hel");
    first.streams = streams;
    post(first);
    ASSERT_TRUE(sent(key));
    EXPECT_EQ(place(key), "");
    EXPECT_FALSE(grow(key, "Hello"));
    post(shipment(Kind::kEnd, key + "/end", "Hello all", key));
    ASSERT_TRUE(sent(key + "/whole"));
    restart();
    post(shipment(Kind::kEnd, key + "/end2", "Hello all of you", key));
    ASSERT_TRUE(sent(key + "/end2"));
  }
  EXPECT_EQ(chat.count("post Hello all"), 2U);
  EXPECT_EQ(chat.count("put"), 2U);
  EXPECT_EQ(told(), Lines{});
}

TEST_F(TeamsOutbox, PostsTheWholeWhereTheHostWasKilledAtTheFirstWords) {
  host.delivery().cut_off_next(testing::FakeDelivery::CutOff::kAfter);
  post(shipment(Kind::kBegin, "p", "Hel"));
  ASSERT_TRUE(sent("p"));
  EXPECT_EQ(host.delivery().parcel("p")->reconciled, 1U);
  post(shipment(Kind::kEnd, "p/end", "Hello all", "p"));
  ASSERT_TRUE(sent("p/end"));
  EXPECT_EQ(chat.count("begin"), 1U);
}

// ---------------------------------------------------------------- files

TEST_F(TeamsOutbox, UploadsAFileAndThenSaysThatItIsThere) {
  post(shipment(Kind::kPost, "ask", "May I?"));
  ASSERT_TRUE(sent("ask"));
  Shipment file = shipment(Kind::kFile, "file", "Here it is", "ask");
  file.upload_url = chat.service().origin() + "/upload?secret";
  file.file = "answer";
  keep("answer", {"a.md", "text/markdown", "", "", "all of the answer"});
  chat.next("upload", reply("", 503));
  post(file);
  ASSERT_TRUE(sent("file/card"));
  ASSERT_TRUE(sent("file"));
  EXPECT_EQ(chat.count("upload"), 2U);
  EXPECT_EQ(chat.count("delete m-1"), 1U);
  EXPECT_EQ(chat.count("post Here it is"), 1U);
  EXPECT_TRUE(host.wait_until([&] { return !is_kept("answer"); }));
  file.key = "late";
  keep("answer", {"a.md", "text/markdown", "", "", "all of the answer"});
  chat.next("upload", reply("", 404));
  post(file);
  ASSERT_TRUE(host.delivery().wait_state("late", "failed"));
  for (const auto& line : host.log())
    EXPECT_EQ(line.message.find("secret"), std::string::npos) << line.message;
}

TEST_F(TeamsOutbox, ShowsAPictureAndOffersItWhereTeamsDoesNot) {
  const std::string png("\x89PNG\0", 5);
  keep("seen", {"a.png", "image/png", "", "an image", png});
  post(shipment(Kind::kPicture, "seen", "instead"));
  ASSERT_TRUE(sent("seen"));
  EXPECT_NE(chat.newest().find("data:image/png;base64,iVBORwA="), std::string::npos)
      << chat.newest();
  EXPECT_TRUE(host.wait_until([&] { return !is_kept("seen"); }));
  keep("refused", {"a.png", "image/png", "", "an image", png});
  chat.next("post", refusal(413, "MessageSizeTooBig"));
  post(shipment(Kind::kPicture, "refused", "instead"));
  ASSERT_TRUE(sent("refused"));
  EXPECT_EQ(chat.count("post instead"), 1U);
  EXPECT_TRUE(is_kept("refused")) << "it may still be taken";
}

TEST_F(TeamsOutbox, APictureThatWasCutOffIsNotSentTwice) {
  keep("cut", {"a.png", "image/png", "", "an image", "png!"});
  chat.next("post", kCut);
  post(shipment(Kind::kPicture, "cut", "instead"));
  ASSERT_TRUE(host.delivery().wait_state("cut", "ambiguous"));
  EXPECT_EQ(chat.count("post"), 1U);
}

// ---------------------------------------------------------------- JSON

TEST(TeamsShipment, IsTheSameAfterARestart) {
  Shipment one;
  one.kind = Kind::kAlone;
  one.person = "29:1";
  one.to = {"https://x/", "19:a;messageid=1", "t", true, true};
  one.activity = R"({"text":"ü"})";
  one.of = "o";
  one.reply_to = "r";
  one.streams = true;
  one.upload_url = "u";
  one.file = "key";
  const auto two = parse_shipment(shipment_json(one));
  ASSERT_TRUE(two);
  EXPECT_EQ(shipment_json(*two), shipment_json(one));
  EXPECT_EQ(two->to.conversation, "19:a;messageid=1");
  EXPECT_TRUE(two->to.is_personal && two->to.is_targeted && two->streams);
  EXPECT_EQ(two->activity, one.activity);
  EXPECT_EQ(two->person, "29:1");
  EXPECT_EQ(two->kind, Kind::kAlone);
  for (const char* bad : {"", "[]", "{}", R"({"kind":"x"})"}) EXPECT_FALSE(parse_shipment(bad));
}

TEST(TeamsShipment, HasFramesInTheFormatOfTheirMessage) {
  const std::string activity =
      R"({"type":"message","text":"x","textFormat":"extendedmarkdown","channelData":{"a":1},"entities":[{"type":"label"}]})";
  EXPECT_EQ(
      frame_activity(activity, "Hel", "", 1),
      R"({"channelData":{"streamSequence":1,"streamType":"streaming"},"entities":[{"streamSequence":1,"streamType":"streaming","type":"streaminfo"}],"text":"Hel","textFormat":"extendedmarkdown","type":"typing"})");
  EXPECT_EQ(
      final_activity(activity, "s-1"),
      R"({"channelData":{"a":1,"streamId":"s-1","streamType":"final"},"entities":[{"type":"label"},{"streamId":"s-1","streamType":"final","type":"streaminfo"}],"text":"x","textFormat":"extendedmarkdown","type":"message"})");
}

TEST(TeamsShipment, HasPicturesThatTeamsShows) {
  EXPECT_EQ(
      picture_activity({"a.png", "image/png", "look", "an image", "png!"}),
      R"({"attachments":[{"contentType":"image/png","contentUrl":"data:image/png;base64,cG5nIQ==","name":"a.png"}],"summary":"an image","text":"look","type":"message"})");
  EXPECT_TRUE(is_picture({"", "image/gif", "", "", std::string(1'000'000, 'x')}));
  EXPECT_FALSE(is_picture({"", "image/svg+xml", "", "", "<svg/>"}));
  EXPECT_FALSE(is_picture({"", "image/png", "", "", std::string(1'000'001, 'x')}));
  EXPECT_FALSE(is_picture({"", "image/png", "", "", ""}));
}

}  // namespace
}  // namespace viaduct::teams
