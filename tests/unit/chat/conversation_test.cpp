// What a conversation shows on a network that keeps its messages in memory.
#include <viaduct/chat/conversations.hpp>
#include <viaduct/chat/split.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <map>
#include <utility>
#include <vector>
#include <viaduct/sdk/surface.hpp>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::chat {
namespace {

using namespace std::chrono_literals;

struct Message {
  std::string key;
  std::string text;
  bool is_stream = false;  // that still takes more
};

// Posts arrive at once.
class Board final : public Network {
 public:
  std::string escaped(std::string_view plain) const override { return std::string(plain); }
  std::string code(std::string_view plain) const override { return std::string(plain); }
  std::string bold(std::string_view words) const override { return std::string(words); }
  std::string italic(std::string_view words) const override { return std::string(words); }
  std::string words(std::string_view text) const override { return std::string(text); }
  std::string person(const Asker& asker) const override { return asker.name; }
  std::string where(const Binding&) const override { return "here"; }
  std::string help_hint() const override { return ""; }
  Body note(std::string_view words, const std::vector<Button>&) const override {
    return {std::string(words), ""};
  }
  Body work(std::string_view text, const std::vector<Button>&) const override {
    return {std::string(text), ""};
  }
  Body list(std::string_view title, const std::vector<ListItem>&, std::string_view) const override {
    return {std::string(title), ""};
  }
  Body permission(const Entry& entry, const std::string&) const override {
    return {entry.title, ""};
  }
  Body answer(std::string_view markdown) const override { return {std::string(markdown), ""}; }
  std::vector<std::string> parts(std::string_view answer, bool ended) const override {
    std::vector<std::string> texts;
    for (const Piece& piece : split(answer, 4000, Count::kBytes, ended))
      texts.push_back(piece.text());
    return texts;
  }
  const Pace& pace() const override { return pace_; }

  net::Task<net::Result<bool>> post(Place, std::string key, Body body) override {
    while (is_held) co_await wait();
    if (of(key) != nullptr) co_return false;
    messages.push_back({key, body.text, false});
    co_return true;
  }
  net::Task<net::Result<>> edit(Place, std::string, std::string of_key, Body body) override {
    if (Message* const message = of(of_key)) message->text = body.text;
    co_return net::Result<>();
  }
  net::Task<net::Result<bool>> post_file(Place place, std::string key, const File& file) override {
    co_return co_await post(std::move(place), std::move(key), {file.name, ""});
  }
  net::Task<net::Result<>> whisper(Asker asker, std::string key, Body body) override {
    co_await post(asker.place(), std::move(key), std::move(body));
    co_return net::Result<>();
  }
  net::Task<std::expected<std::string, std::string>> open_thread(Asker, std::string,
                                                                 Body) override {
    co_return std::unexpected("no threads");
  }
  net::Task<std::expected<Place, std::string>> open_channel(Asker, std::string) override {
    co_return std::unexpected("no channels");
  }
  bool can_stream(const Place&, std::string_view) const override { return streams; }
  net::Task<net::Result<bool>> begin_stream(Place place, std::string key, std::string,
                                            std::string text) override {
    for (const Message& one : messages) EXPECT_FALSE(one.is_stream) << one.key << " is still open";
    const auto posted = co_await post(std::move(place), key, {std::move(text), ""});
    if (posted && *posted) of(key)->is_stream = true;
    co_return posted;
  }
  net::Task<net::Result<>> end_stream(Place, std::string, std::string key,
                                      std::string text) override {
    if (Message* const message = of(key)) *message = {key, std::move(text), false};
    co_return net::Result<>();
  }
  net::Task<bool> grow(std::string key, std::string text) override {
    Message* const message = of(key);
    if (message == nullptr || !message->is_stream) co_return false;
    EXPECT_TRUE(text.starts_with(message->text)) << "a stream only grows";
    message->text = std::move(text);
    co_return true;
  }
  net::Task<bool> stop_stream(std::string key) override {
    if (Message* const message = of(key)) message->is_stream = false;
    ++stopped;
    co_return true;
  }
  net::Task<> update(Place, std::string key, Body body) override {
    if (Message* const message = of(key)) message->text = body.text;
    co_return;
  }
  bool has_arrived(std::string_view key) const override {
    return const_cast<Board*>(this)->of(key) != nullptr;
  }
  void forget(std::string_view) override {}
  std::string message_of(std::string_view key) const override { return std::string(key); }
  void show_life(const Place&, const std::string& message, Life life) override {
    signs.emplace_back(message, life);
  }

  // Waits until nothing is held any more.
  net::Task<> wait() {
    boost::asio::steady_timer pause(loop->context(), 1ms);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  Message* of(std::string_view key) {
    for (Message& one : messages)
      if (one.key == key) return &one;
    return nullptr;
  }

  // What Slack or Teams would have; it outlives the instance.
  static inline std::vector<Message> messages;
  static inline std::vector<std::pair<std::string, Life>> signs;
  static inline bool streams = true, is_held = false;
  static inline int stopped = 0;
  static inline Pace pace_;
  net::Loop* loop = nullptr;
};

const Place kPlace{"T1", "C1", "1.0"};

class Stage final : public sdk::Surface {
 public:
  Stage(const sdk::Host& host, std::string_view)
      : bindings_(host),
        world_{sdk::Log(host), sdk::Sessions(host), loop_, bindings_, board_, "/amp"},
        conversations_(world_) {
    board_.loop = &loop_;
    last_ = this;
  }
  sdk::EventLoop* loop() override { return &loop_; }
  void start(sdk::Reply reply) override { loop_.spawn(begin(std::move(reply))); }
  void stop(sdk::Reply reply) override {
    conversations_.close();
    reply.ok();
  }

  void bind(const std::string& session, const Place& place = kPlace, std::uint64_t shown = 0) {
    loop_.spawn(put(session, place, shown));
  }
  Conversations& conversations() { return conversations_; }
  void say(const std::string& text) {
    ++saying;
    loop_.spawn(said(text));
  }
  void show_again(std::uint64_t turn, const std::string& key) {
    ++saying;
    loop_.spawn(shown_again(turn, key));
  }
  const Binding* binding() const { return bindings_.active(kPlace); }

  int saying = 0, refused = 0;
  static inline Stage* last_ = nullptr;

 private:
  net::Task<> begin(sdk::Reply reply) {
    co_await bindings_.load();
    conversations_.begin();
    reply.ok();
  }
  net::Task<> put(std::string session, Place place, std::uint64_t shown) {
    Binding binding;
    binding.place = std::move(place);
    binding.shown_turn = shown;
    binding.session = std::move(session);
    binding.user = "U1";
    co_await bindings_.put(std::move(binding));
  }
  net::Task<> said(std::string text) {
    const auto taken = co_await conversations_.at(kPlace)->say(
        {{"U1", "Ann", "T1", "", false}, "key of " + text, "", text, "", ""});
    if (!taken) ++refused;
    --saying;
  }

  net::Task<> shown_again(std::uint64_t turn, std::string key) {
    co_await conversations_.at(kPlace)->show_again(turn, key);
    --saying;
  }

  net::Loop loop_;
  Bindings bindings_;
  Board board_;
  World world_;
  Conversations conversations_;
};

constexpr viaduct_plugin kPlugin = sdk::surface_plugin<Stage>(
    sdk::Descriptor{"com.example.stage", "1.0.0", "For tests", R"({"type":"object"})", "{}"});

class ChatConversation : public ::testing::Test {
 protected:
  void SetUp() override {
    Board::messages.clear();
    Board::signs.clear();
    Board::streams = true;
    Board::is_held = false;
    Board::stopped = 0;
    Board::pace_ = Pace();
    Board::pace_.first_words = 0ms;
    Board::pace_.between_appends = 1ms;
    Board::pace_.between_updates = 1ms;
    ASSERT_TRUE(host.load(&kPlugin));
    ASSERT_TRUE(host.run("{}"));
    host.sessions().on_message([](const std::string&) {
      testing::Reply reply;
      reply.open = true;
      return reply;
    });
    session = host.sessions().add_session({"U1", "Ann", "T1", "", false});
    tell([&](Stage& stage) { stage.bind(session); });
    ASSERT_TRUE(until([](Stage& stage) { return stage.binding() != nullptr; }));
  }
  void TearDown() override {
    EXPECT_TRUE(host.stop());
    host.destroy();
    for (const auto& fault : host.faults()) ADD_FAILURE() << fault.id << ": " << fault.text;
  }
  void restart() {
    ASSERT_TRUE(host.stop());
    host.destroy();
    host.sessions().restart();
    ASSERT_TRUE(host.run("{}"));
  }
  void tell(const std::function<void(Stage&)>& what) {
    EXPECT_TRUE(host.on_plugin_thread([&] { what(*Stage::last_); }));
  }
  bool until(const std::function<bool(Stage&)>& what) {
    return host.wait_until([&] {
      bool is_so = false;
      tell([&](Stage& stage) { is_so = what(stage); });
      return is_so;
    });
  }
  void say(const std::string& text) {
    tell([&](Stage& stage) { stage.say(text); });
    ASSERT_TRUE(until([](Stage& stage) { return stage.saying == 0; }));
  }
  std::vector<std::string> shown() {
    std::vector<std::string> texts;
    tell([&](Stage&) {
      for (const Message& one : Board::messages) texts.push_back(one.text);
    });
    return texts;
  }
  bool shows(const std::vector<std::string>& texts) {
    const bool does = host.wait_until([&] { return shown() == texts; });
    EXPECT_EQ(shown(), texts);
    return does;
  }

  testing::FakeHost host;
  std::string session;
};

TEST_F(ChatConversation, ShowsAnAnswerAsItGrows) {
  say("hello");
  host.sessions().say(session, "Good ");
  ASSERT_TRUE(shows({"Good "}));
  host.sessions().say(session, "day");
  ASSERT_TRUE(shows({"Good day"}));
  host.sessions().end_turn(session);
  ASSERT_TRUE(until([](Stage&) { return !Board::messages[0].is_stream; }));
  EXPECT_EQ(Board::stopped, 0);
}

TEST_F(ChatConversation, SignsAgainThatItWorksBeforeASignIsOverAndNeverBehindItsEnd) {
  Board::pace_.life_again = 10ms;
  const auto working = [](const std::string& message) {
    return std::ranges::count(Board::signs, std::pair{message, Life::kWorking});
  };
  say("one");
  ASSERT_TRUE(until([&](Stage&) { return working("key of one") >= 4; }));
  host.sessions().end_turn(session);
  ASSERT_TRUE(until([](Stage&) {
    return Board::signs.back() == std::pair{std::string("key of one"), Life::kDone};
  }));
  say("two");
  ASSERT_TRUE(until([&](Stage&) { return working("key of two") >= 4; }));
  tell([](Stage&) {
    const auto end =
        std::ranges::find(Board::signs, Life::kDone, &std::pair<std::string, Life>::second);
    EXPECT_TRUE(std::all_of(end + 1, Board::signs.end(),
                            [](const auto& sign) { return sign.first == "key of two"; }));
  });
  host.sessions().end_turn(session);
}

// ---------------------------------------------------------------- shown again

TEST_F(ChatConversation, ShowsNoHalfOfAnAnswerAgain) {
  say("hello");
  host.sessions().say(session, "Good ");
  ASSERT_TRUE(shows({"Good "}));
  tell([](Stage& stage) { stage.show_again(1, "press"); });
  ASSERT_TRUE(shows({"Good ", "The answer goes on. Press this again when it has ended."}));
  host.sessions().say(session, "day");
  host.sessions().end_turn(session);
  ASSERT_TRUE(until([](Stage&) { return Board::messages[0].text == "Good day"; }));
  ASSERT_TRUE(until([](Stage& stage) { return stage.binding()->shown_turn == 1; }));
  tell([](Stage& stage) { stage.show_again(1, "once more"); });
  ASSERT_TRUE(
      shows({"Good day", "The answer goes on. Press this again when it has ended.", "Good day"}));
}

TEST_F(ChatConversation, ShowsAnAnswerThatBecameAFileAgainAsThat) {
  Board::pace_.most_parts = 1;
  say("hello");
  host.sessions().say(session, std::string(9'000, 'x'));
  host.sessions().end_turn(session);
  ASSERT_TRUE(until([](Stage&) { return Board::messages.size() == 2; }));
  ASSERT_TRUE(until([](Stage& stage) { return stage.binding()->shown_turn == 1; }));
  EXPECT_EQ(shown().back(), "answer.md");
  tell([](Stage& stage) { stage.show_again(1, "press"); });
  ASSERT_TRUE(until([](Stage& stage) { return stage.saying == 0; }));
  EXPECT_EQ(shown().size(), 3u);
  EXPECT_EQ(shown().back(), "answer.md");
}

// ---------------------------------------------------------------- streams that last too long

TEST_F(ChatConversation, GoesOnInANewStreamWhereAParagraphEnds) {
  Board::pace_.longest_stream = 0ms;
  Board::pace_.before_any_cut = 1h;
  say("tell");
  host.sessions().say(session, "One begins.");
  ASSERT_TRUE(shows({"One begins."}));
  host.sessions().say(session, " One ends.\n\nTwo begins");
  ASSERT_TRUE(shows({"One begins. One ends.\n\n", "Two begins"}));
  host.sessions().say(session, " and ends.\n\n```py\nx = 1\n\ny = 2\n");
  ASSERT_TRUE(until([](Stage&) { return Board::messages.size() == 3; }));
  host.sessions().say(session, "z = 3\n```\n");
  host.sessions().end_turn(session);
  ASSERT_TRUE(shows({"One begins. One ends.\n\n", "Two begins and ends.\n\n",
                     "```py\nx = 1\n\ny = 2\nz = 3\n```\n"}));
  EXPECT_EQ(Board::stopped, 0);
}

TEST_F(ChatConversation, IsCutBehindAnyWordWhereNoParagraphEndsInTime) {
  Board::pace_.longest_stream = 0ms;
  Board::pace_.before_any_cut = 0ms;
  say("tell");
  host.sessions().say(session, "One begins");
  ASSERT_TRUE(shows({"One begins"}));
  host.sessions().say(session, " to be long");
  host.sessions().end_turn(session);
  ASSERT_TRUE(host.wait_until([&] {
    std::string all;
    for (const std::string& one : shown()) all += one;
    return all == "One begins to be long";
  }));
}

TEST_F(ChatConversation, IsCutAtTheSamePlacesAfterARestart) {
  Board::pace_.longest_stream = 0ms;
  Board::pace_.before_any_cut = 1h;
  say("tell");
  host.sessions().say(session, "One.");
  ASSERT_TRUE(shows({"One."}));
  host.sessions().say(session, "\n\nTwo");
  ASSERT_TRUE(shows({"One.\n\n", "Two"}));
  restart();
  ASSERT_TRUE(host.wait_until([&] { return shown().size() == 3; }));
  EXPECT_EQ(shown()[0], "One.\n\n");
  EXPECT_EQ(shown()[1], "Two");
  EXPECT_NE(shown()[2].find("interrupted"), std::string::npos);
}

TEST_F(ChatConversation, StaysInOneMessageWhereTheCutCannotBeKept) {
  Board::pace_.longest_stream = 0ms;
  Board::pace_.before_any_cut = 1h;
  say("tell");
  host.sessions().say(session, "One.");
  ASSERT_TRUE(shows({"One."}));
  host.fail_next("documents.put", VIADUCT_E_UNAVAILABLE, "the disk is full");
  host.sessions().say(session, "\n\nTwo");
  ASSERT_TRUE(shows({"One.\n\nTwo"}));
  host.sessions().end_turn(session);
}

// ---------------------------------------------------------------- where it was said

TEST_F(ChatConversation, KnowsWhatWasSaidInItsPlaceAndWhichPlaceAKeyIsOf) {
  say("one");
  host.sessions().end_turn(session);
  ASSERT_TRUE(until([](Stage& stage) { return stage.binding()->shown_turn == 1; }));
  const Place group{"T1", "C1", ""};
  tell([&](Stage& stage) { stage.bind(session, group, 1); });
  ASSERT_TRUE(
      until([&](Stage& stage) { return stage.conversations().of(session, group) != nullptr; }));
  tell([&](Stage& stage) {
    Conversations& all = stage.conversations();
    EXPECT_TRUE(all.of(session, kPlace)->has_said(1));
    EXPECT_FALSE(all.of(session, group)->has_said(1)) << "it was said elsewhere";
    EXPECT_TRUE(all.of(session, group)->has_said(2));
    EXPECT_EQ(all.of(session, {"T1", "C2", ""}), nullptr);
    const std::string part = session + "/1/p1@";
    EXPECT_EQ(all.of_key(part + kPlace.key() + "/missing")->binding().place, kPlace);
    EXPECT_EQ(all.of_key(part + group.key())->binding().place, group);
    EXPECT_EQ(all.of_key(part + "T1/C2/"), nullptr);
    EXPECT_EQ(all.of_key("another/1/p1@" + kPlace.key()), nullptr);
  });
}

// ---------------------------------------------------------------- what is owed

TEST_F(ChatConversation, LosesNothingWhereTheSubscriptionBeginsAnewWhileAnAnswerIsShown) {
  Board::streams = false;
  say("tell");
  host.sessions().say(session, "The whole answer");
  ASSERT_TRUE(shows({"The whole answer"}));
  tell([](Stage&) { Board::is_held = true; });
  host.sessions().add_entry(session, "notice", "A notice");
  host.sessions().say(session, " with its end");
  host.sessions().end_turn(session);
  for (int i = 0; i < 3; ++i) {
    host.sessions().drop_subscriptions(VIADUCT_E_BUSY, "the subscriber is too slow");
    ASSERT_TRUE(host.wait_until([&] { return host.sessions().subscriptions() == 1; }));
  }
  tell([](Stage&) { Board::is_held = false; });
  ASSERT_TRUE(shows({"The whole answer\n\n with its end", "A notice"}));
}

TEST_F(ChatConversation, DoesNotEndATurnBeforeItsFileCouldBeRead) {
  say("draw");
  host.sessions().say(session, "Here");
  host.sessions().fail_next("history", VIADUCT_E_UNAVAILABLE, "the disk is busy", 2);
  host.sessions().add_entry(
      session, "content", "[an image]",
      testing::Json::object({{"type", "image"}, {"mimeType", "image/png"}, {"data", "aGVsbG8="}}));
  host.sessions().end_turn(session);
  ASSERT_TRUE(shows({"Here", "image.png"}));
}

TEST_F(ChatConversation, SubscribesAgainFromWhereItWas) {
  say("one");
  host.sessions().say(session, "First");
  host.sessions().end_turn(session);
  ASSERT_TRUE(shows({"First"}));
  host.sessions().drop_subscriptions(VIADUCT_E_BUSY, "the subscriber is too slow");
  ASSERT_TRUE(host.wait_until([&] { return host.sessions().subscriptions() == 1; }));
  say("two");
  host.sessions().say(session, "Second");
  host.sessions().end_turn(session);
  ASSERT_TRUE(shows({"First", "Second"}));
}

TEST_F(ChatConversation, DoesNotSayThatAMessageIsTakenBeforeTheAnswerIsOwedOnDisk) {
  host.fail_next("documents.put", VIADUCT_E_UNAVAILABLE, "the disk is full", 2);
  say("tell");
  tell([](Stage& stage) { EXPECT_EQ(stage.refused, 1); });
  say("tell");  // the same again, as a duplicate
  tell([](Stage& stage) { EXPECT_EQ(stage.refused, 2) << "it is still not on disk"; });
  say("tell");
  tell([](Stage& stage) { EXPECT_EQ(stage.refused, 2); });
  restart();
  ASSERT_TRUE(host.wait_until([&] { return !shown().empty(); })) << "the answer is owed";
}

}  // namespace
}  // namespace viaduct::chat
