// One bound place: what people say there goes into its session, and what the session says is shown
// there, turn by turn, whole and once, also after a restart. On the loop's thread; owned by
// Conversations.
#pragma once

#include <viaduct/chat/network.hpp>
#include <viaduct/chat/turn_view.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/sessions.hpp>

namespace viaduct::chat {

// What conversations have in common; outlives them.
struct World {
  sdk::Log log;
  sdk::Sessions sessions;
  net::Loop& loop;
  Bindings& bindings;
  Network& network;
  std::string command;  // how a command begins ("/amp"), for what people are told; may be empty

  // A command as people type it.
  std::string line(const std::string& words) const {
    return command.empty() ? words : command + " " + words;
  }
};

// What a person said.
struct Said {
  sdk::Principal who;   // without the place
  std::string key;      // idempotency key
  std::string message;  // its id, for signs of life on it; empty: there is none
  std::string text;
  std::string blocks;   // ACP content blocks, or empty
  std::string context;  // what others said around it, or empty
};

class Conversation final : public std::enable_shared_from_this<Conversation> {
 public:
  // `gone`: the binding is no longer active; told once more when nothing is shown any more.
  Conversation(World& world, Binding binding, std::function<void()> gone);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation();

  const Binding& binding() const { return binding_; }
  const SessionFacts& facts() const { return facts_; }
  bool is_closed() const { return closed_; }
  // The newest that is shown here, or will be; as far as is known.
  std::uint64_t last_turn() const;

  // Into the session; done when it is on disk, also that an answer is owed. What goes wrong is
  // said in the thread; the error is for the log, and kUnavailable where it may be said again.
  net::Task<net::Result<>> say(Said said);
  // Shows what is owed, and from now on whatever comes.
  void follow();
  // That turn; 0: the running one. What waits comes next.
  net::Task<sdk::Answer> cancel(sdk::Principal who, std::uint64_t turn = 0);
  net::Task<sdk::Answer> end(sdk::Principal who);
  // The question of that turn once more, as a new turn, with all that came with it: once, however
  // often it is asked for. The message at `place` that offers it says so from then on.
  enum class Retried { kNow, kBefore, kNotTaken };  // the last has been told
  net::Task<net::Result<Retried>> retry(sdk::Principal who, std::uint64_t turn, Place place);
  net::Task<sdk::Answer> answer(sdk::Principal who, std::uint64_t entry, std::string option);
  // The answer of that turn once more, as far as there is one, and what it asks and nobody has
  // decided; `key` makes the keys.
  net::Task<net::Result<>> show_again(std::uint64_t turn, std::string key);
  // It was said in this place, or is about to be.
  bool has_said(std::uint64_t turn) const;
  // A part of an answer may be missing here, and nobody can find out, or it was refused: a person
  // may have it again.
  net::Task<> may_be_missing(std::string key, bool is_refused = false);
  // What a message of a person has begun, running or waiting.
  net::Task<> cancel_message(sdk::Principal who, std::string message);
  // The thread no longer belongs to the session; what was asked there is still answered there.
  // False: that could not be written.
  net::Task<bool> unbind();
  // Nothing is shown any more.
  void close();

  // In the place, for certain; `words` are in the network's markup.
  net::Task<> note(std::string key, std::string words, std::vector<Button> buttons = {});

 private:
  class Watcher;
  // nullopt: the session does not take it, which has been told.
  net::Task<net::Result<std::optional<SendResult>>> submit(Said said);
  using Clock = std::chrono::steady_clock;

  // One message of an answer.
  struct Part {
    std::string key;
    std::string shows;             // what it shows now, as far as is known
    bool posted = false;           // it is in the outbox
    bool streams = false;          // and takes more, as a stream
    bool began_as_stream = false;  // as far as is known: one of an earlier life may have
    std::string finished;          // the last text that was given to it for good
    Clock::time_point begun{};
    Clock::time_point changed{};
  };
  struct Turn {
    TurnView view;
    std::vector<Part> parts;
    std::map<std::uint64_t, std::string> asked;  // permissions, and their state as it is shown
    std::map<std::uint64_t, std::vector<std::string>> asked_again;  // keys of the same once more
    std::set<std::uint64_t> noted;
    std::string work;  // as it is shown
    bool work_posted = false;
    bool work_finished = false;
    std::size_t given = 0;  // bytes of the answer that may be shown by now
    Clock::time_point first_text{};
    Clock::time_point grown{};  // when anything was last said in it
    Clock::time_point work_changed{};
    Clock::time_point begun{};  // to be shown
  };

  sdk::Flow change(const sdk::Change& change);
  void unsubscribed(const sdk::Status& why);
  void subscribe();
  void subscribe_again();
  void forget_views();
  void take(Entry entry);
  net::Task<> fill();
  void look();

  net::Task<> show_all();
  net::Task<> show_outside();
  net::Task<bool> show_turn(std::uint64_t number);
  net::Task<> show_permissions(std::uint64_t number, Turn& turn);
  net::Task<> show_notices(std::uint64_t number, Turn& turn);
  net::Task<> show_work(std::uint64_t number, Turn& turn, bool ended);
  // Images and files, each once; behind the words that came before, as far as they are shown.
  // False: there is more to come, or to be read.
  net::Task<bool> show_content(std::uint64_t number, Turn& turn, bool ended);
  // nullopt: not now. Else whether it was there to be posted.
  net::Task<std::optional<bool>> post_content(std::uint64_t entry, std::string key);
  // `name` makes the keys of its parts.
  net::Task<> show_answer(std::uint64_t number, std::string name, Turn& turn, bool ended);
  net::Task<> post_whole(std::string key, std::string answer);  // as a file
  net::Task<> show_part(Turn& turn, Part& part, std::string text, bool whole);
  // Cuts the answer where its stream has lasted long enough.
  net::Task<> roll_over(std::uint64_t number, Turn& turn, std::string answer);
  net::Task<> show_end(std::uint64_t number, bool said_nothing, Entry end);
  // What is said of how a turn ended; empty: the answer says it itself.
  struct Ending {
    std::string words;
    bool can_retry = false;
  };
  Ending ending_of(const Entry& end, bool said_nothing) const;
  net::Task<> shown(std::uint64_t turn, std::uint64_t entry);
  net::Task<net::Result<>> keep();
  net::Task<> died();
  // Nothing is owed any more to a place that the session has left.
  net::Task<> finish();
  void clear_signs();
  // The session was ended by somebody, which has been said.
  bool is_quiet() const { return ending_ || (!binding_.active && facts_.ended); }

  // True: it is on its way for the first time.
  net::Task<bool> post(std::string key, Body body);
  net::Task<> edit(std::string key, std::string of, Body body);
  net::Task<> edit_at(Place place, std::string key, std::string of, Body body);
  // Tries again until it is on disk; false: it never will be.
  net::Task<bool> surely(std::string key, std::function<net::Task<net::Result<bool>>()> keep);
  std::string key_of(std::uint64_t turn, std::string_view part) const {
    return key_of(turn, part, binding_.place);
  }
  std::string key_of(std::uint64_t turn, std::string_view part, const Place& place) const;

  void sign(const std::string& message, Life life);
  void show_life();
  void show_title();

  sdk::Principal with_place(sdk::Principal who) const;

  World& world_;
  Binding binding_;
  std::function<void()> gone_;
  sdk::Subscription subscription_;
  sdk::Principal reader_;
  SessionFacts facts_;
  std::uint64_t running_ = 0;
  std::map<std::uint64_t, Turn> turns_;                     // not shown whole yet
  std::map<std::uint64_t, std::shared_ptr<Turn>> outside_;  // texts outside of turns, by entry
  std::uint64_t last_sent_ = 0;                             // turn
  std::map<std::uint64_t, std::uint64_t> turn_of_;          // by entry
  std::map<std::string, Life> signs_;                       // by message
  boost::asio::steady_timer timer_;
  Clock::time_point next_look_ = Clock::time_point::max();
  Clock::time_point life_shown_{};
  std::string title_;                 // as it is shown
  Clock::time_point subscribe_at_{};  // not before
  bool showing_ = false;
  bool again_ = false;
  bool owes_is_kept_ = false;  // binding_.owes as it is on disk
  sdk::Cursor cursor_;         // of the last change
  std::uint64_t subscriptions_ = 0;
  bool live_ = false;        // all that was missed has come
  std::uint64_t first_ = 0;  // the oldest entry that a subscription has begun with
  bool ending_ = false;      // by end(), which says so itself
  bool closed_ = false;
};

}  // namespace viaduct::chat
