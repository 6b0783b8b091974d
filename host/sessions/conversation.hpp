// One session in memory: its log, its queue of turns, its handle at the backend, and whoever
// watches it. Loop only; kept alive by the Sessions service and by its own pending work.
//
// Everything that changes the log runs by run(): while a write is under way that must be on disk
// before the next thing may happen (a message, the end of a turn, a permission request), it waits.
// So numbers are given in the order in which viewers see them, and a message that could not be
// stored leaves no hole.
#pragma once

#include "host/loop.hpp"
#include "host/sessions/ladder.hpp"
#include "host/sessions/log_json.hpp"
#include "host/sessions/sessions.hpp"
#include "host/sessions/sink.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace viaduct::sessions {

// What all conversations share. It outlives the service, for conversations that a pending answer
// still holds; then the functions do nothing.
struct Shared {
  Loop& loop;
  store::Store& store;
  Metrics& metrics;
  Logger log;
  Limits limits;
  Sinks* sinks = nullptr;
  std::uint64_t epoch = 0;
  Handle next_handle = 1;
  SubscriptionId next_subscription = 1;
  bool stopping = false;
  std::function<Backend*(const std::string& name)> backend{};  // null: not there
  std::function<Error(const std::string& name)> no_backend = [](const std::string& name) {  // why
    return Error{Errc::unavailable, "The backend " + name + " is not running; try again soon"};
  };
  // Events of the handle go to the conversation.
  std::function<void(Handle, std::weak_ptr<class Conversation>)> route_handle{};
  std::function<void(Handle)> forget_handle{};
  std::function<void(SubscriptionId)> forget_subscription{};
  std::function<void(const std::string& session_id,
                     std::move_only_function<void(class Conversation&)>)>
      with_session{};
};

inline constexpr std::chrono::seconds kOpenLimit{60};  // for a backend to open or restore

inline constexpr std::size_t kFlushBytes = 2048;  // of growing text, before it is written

store::Micros now();
std::string expand_home(const std::string& path);       // ~ and ~/…
std::string folder_id(const std::string& working_dir);  // empty: it is not there

class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  // `newest` are the last entries of its log, all of them if `whole`.
  Conversation(std::shared_ptr<Shared> shared, store::Session record,
               std::vector<store::Entry> newest, bool whole);
  ~Conversation();

  const store::Session& record() const { return record_; }
  SessionView view() const;
  // Nothing is going on and nobody watches: it may be dropped from memory, after release().
  bool idle() const;
  void release();
  // Nothing is going on, whoever watches; remove(): it is deleted, its viewers are told.
  bool settled() const;
  void remove();

  // The open handle of a new session, and what the backend has said since it was asked for it.
  void adopt(Handle handle, std::shared_ptr<Sink> sink);
  // What an earlier host left open: running turns end as interrupted, waiting ones go on.
  void take_up(std::vector<store::Turn> open);

  void send(Principal who, Message message, Done<SendAnswer> accepted, Done<AskAnswer> ended);
  void cancel(std::uint64_t turn, Done<> done);
  void answer(Principal who, std::uint64_t entry, std::string option, Done<PermissionAnswer> done);
  void resume(Done<ResumeAnswer> done);
  void end(Done<> done);
  void rename(std::string title, Done<SessionView> done);
  void history(std::uint64_t before, std::uint32_t limit, Done<HistoryAnswer> done);
  void compact(Done<> done);
  void set_option(std::string option, std::string value, Done<std::string> done);
  // Its entries below `before` (0: all) as they are on disk; but of its contents, older ones than
  // the newest of `contents` bytes are the texts of their words. `found`: those behind `before`
  // that are wanted as well, newest first.
  void whole_log(std::uint64_t before, std::vector<store::Entry> found, std::size_t contents,
                 Done<std::vector<store::Entry>> done);
  // Those of them that are context: said before the first open turn.
  void said_before(Done<std::vector<store::Entry>> done);
  // Everything on disk and the handle there: so that it can be copied.
  void prepare_fork(Done<Handle> done);

  void subscribe(SubscriptionId id, Cursor cursor, Subscriber& subscriber,
                 Done<SubscriptionId> done);
  void unsubscribe(SubscriptionId id);

  void wake(Handle handle);  // its sink has something to take
  void backend_gone(
      const std::string& why);  // its turn ends as interrupted, the handle is forgotten
  void backend_back();          // a turn that waited for it goes on
  // Ends the running turn as interrupted, writes everything, ends subscriptions.
  void stop(Done<> done);
  std::uint64_t first_open_turn()
      const;  // what came before it is context; it and later ones are still to be said
  bool busy() const { return running_ != nullptr; }

 private:
  using Task = std::move_only_function<void()>;
  struct LogEntry {
    store::Entry entry;
    bool stored = false;           // its row exists
    std::size_t stored_bytes = 0;  // of its text
    bool data_dirty = false;
  };
  struct Turn {
    std::uint64_t number = 0;
    std::string key;
    std::uint64_t message_entry = 0;
    Principal who;
    std::string text, blocks, context;
    std::string restored;  // what was said before, where the backend has it in no other way
    std::chrono::steady_clock::time_point began;
    std::vector<Done<AskAnswer>> waiters;
    // Of the running turn:
    bool prompted = false;  // the backend has it
    bool climbed = false;   // the ladder was climbed down for it once
    bool said_something = false;
    bool cancelled = false;
    std::string lost;  // why its session was lost, perhaps before it had the prompt
    std::uint64_t text_entry = 0, thought_entry = 0, plan_entry = 0, usage_entry = 0;  // 0: none
    std::unordered_map<std::string, std::uint64_t> items;  // texts, contents, tools with an id
    std::size_t content_bytes = 0;
    std::map<std::string, std::uint64_t> permissions;  // pending: item → entry
    std::unique_ptr<boost::asio::steady_timer> cancel_limit;
    std::unique_ptr<boost::asio::steady_timer> backend_limit;  // while it waits for its backend
  };
  struct Watcher {
    SubscriptionId id;
    Subscriber* subscriber;
  };

  // The log (conversation_log.cpp).
  void run(Task task);
  void run_next();
  void commit(std::vector<store::Write> extra,
              Done<> done);  // locks the log until `done` has returned
  void flush_soon(bool failed = false);
  bool has_dirt() const;
  void flush();
  std::vector<store::Write> collect();
  void restore_dirt();
  void write(std::vector<store::Write> writes, Done<> done);
  store::Entry next_entry(std::string type, std::uint64_t turn);
  LogEntry& add(store::Entry entry);
  LogEntry* find(std::uint64_t number);
  void append_text(LogEntry& entry, std::string_view text);
  void set_data(LogEntry& entry, std::string data, bool complete);
  void complete(std::uint64_t number);
  void trim();
  void publish(ChangeKind kind, Cursor at, std::uint64_t entry, std::uint64_t offset,
               std::string text, std::string json);
  void publish_entry(const store::Entry& entry);
  void publish_state();
  bool replay(Cursor from, Subscriber& subscriber);
  Cursor cursor() const { return {shared_.epoch, record_.last_seq}; }
  StateFacts state_facts() const;
  State state() const;

  // Turns (conversation.cpp).
  void refuse_or_accept(Principal who, Message message, Done<SendAnswer> accepted,
                        Done<AskAnswer> ended);
  void duplicate(std::string key, Done<SendAnswer> accepted, Done<AskAnswer> ended,
                 std::optional<Error> otherwise);
  void start(std::shared_ptr<Turn> turn);
  void prompt();
  void prompted(Result<BackendAnswer> answer);
  void finish_turn(std::string stop_reason, std::optional<Error> error);
  void count_usage(std::string_view data);
  void close_turns(bool running, std::vector<std::shared_ptr<Turn>> waiting,
                   std::string stop_reason, std::optional<Error> error, Done<> after);
  AskAnswer answer_text(const Turn& turn, const std::string& stop_reason) const;
  store::Turn turn_row(const Turn& turn, store::TurnState state) const;

  // Requests (conversation_requests.cpp).
  bool cancel_running();
  void with_handle(Done<Handle> done);

  // Backend and host go and come (conversation_life.cpp).
  void wait_for_backend();

  // What the backend says (conversation_events.cpp).
  bool take_events();
  void after_events(Task task);
  void apply(BackendEvent event);
  void stream_text(const BackendEvent& event, const char* type);
  void outside_text(const BackendEvent& event, const char* type);
  void grow(std::uint64_t& present, const BackendEvent& event, const char* type);
  void close_streams();
  void late_text(const BackendEvent& event);
  void say_content(BackendEvent event);
  void forget_evicted(std::unordered_map<std::string, std::uint64_t>& known);
  void update_tool(const BackendEvent& event);
  void update_single(const BackendEvent& event);
  void ask_permission(BackendEvent event);
  void close_permission(std::string item, std::string status, std::string reason);
  void decide(Principal who, std::uint64_t number, std::string option, Done<PermissionAnswer> done);

  // The native id (conversation_native_id.cpp).
  void set_native_id(const std::string& id);
  void keep_native_id(const std::string& id);
  void find_rival(Done<std::string> done);
  void refuse_shared_native_id();
  void give_up_native_id(const std::string& id);

  // The handle (conversation_handle.cpp).
  Backend* backend();
  OpenRequest open_request(Handle handle) const;
  void drop_handle(bool tell_backend, bool ended);
  void climb(Done<std::string> done);
  void begin_climb(const Result<std::string>& rival);
  void with_transcript(OpenRequest request, Done<BackendAnswer> done,
                       void (Backend::*ask)(OpenRequest, Done<BackendAnswer>));
  struct Climb;
  void climb_step(std::shared_ptr<Climb> climb, Ladder::Action action);
  void climb_held(std::shared_ptr<Climb> climb, BackendAnswer answer);
  void climb_failed(std::shared_ptr<Climb> climb, Error error);
  void measure_climb(const Climb& climb, std::string outcome, std::chrono::milliseconds took);
  std::string working_dir_refusal() const;

  const std::shared_ptr<Shared> kept_;
  Shared& shared_;
  store::Session record_;
  std::string written_native_id_;  // as it is on disk, or will be when the write under way is done
  std::string checked_native_id_;  // no other session had it
  bool shares_native_id_ =
      false;  // the handle goes on with an id of which another session was told

  std::deque<LogEntry> window_;  // the newest entries, without a gap
  std::uint64_t evicted_seq_ =
      0;  // newest change of an entry that is no longer in the window; 0: all are there
  std::vector<std::uint64_t> dirty_;
  bool record_dirty_ = false;
  struct Mark {
    std::uint64_t number;
    bool stored;
    std::size_t stored_bytes;
    bool data_dirty;
  };
  std::vector<Mark> marks_;  // of the write under way, to be taken back if it fails
  std::vector<store::Write> owed_, owed_in_flight_;  // rows of turns that could not be written yet
  std::size_t unflushed_bytes_ = 0;
  bool locked_ = false;
  bool writing_ = false;
  Task after_write_;
  std::deque<Task> deferred_;
  bool flush_armed_ = false;
  boost::asio::steady_timer flush_timer_;

  std::deque<std::shared_ptr<Turn>> queue_;
  std::shared_ptr<Turn> running_;
  std::shared_ptr<Turn> next_;  // will be in one of these when that is written
  std::unordered_map<std::uint64_t, boost::asio::steady_timer> permission_timers_;  // by entry

  Handle handle_ = 0;  // 0: the backend does not hold the session
  std::shared_ptr<Sink> sink_;
  std::deque<BackendEvent> events_;  // taken from it and not yet applied
  Handle opening_ = 0;               // while the ladder is climbed
  std::vector<Done<std::string>> climbers_;
  bool climbing_ = false;
  std::string commands_, options_;
  std::uint64_t outside_entry_ = 0;  // a text outside of any turn that still grows
  std::string outside_item_;
  boost::asio::steady_timer outside_timer_;
  std::unordered_map<std::string, std::uint64_t> tools_;     // the newest of each id
  std::unordered_map<std::string, std::uint64_t> contents_;  // the same

  std::vector<Watcher> watchers_;
};

}  // namespace viaduct::sessions
