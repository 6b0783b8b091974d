// The sessions service: owns every conversation, queues its turns, keeps its log, and shows it to
// whoever subscribes. Lives on the loop; every function and every answer is there, an answer never
// inside the call.
#pragma once

#include "host/error.hpp"
#include "host/principal.hpp"
#include "host/sessions/backend.hpp"
#include "host/store/store.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct {
class Loop;
class Metrics;
class Logger;
}  // namespace viaduct

namespace viaduct::sessions {

struct Cursor {
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
};

struct Message {
  std::string key;
  std::string text;
  std::string blocks;   // JSON array, or empty
  std::string context;  // JSON array, or empty
};

enum class ChangeKind : std::uint32_t {
  state = VIADUCT_CHANGE_STATE,
  reset = VIADUCT_CHANGE_RESET,
  entry = VIADUCT_CHANGE_ENTRY,
  delta = VIADUCT_CHANGE_DELTA,
  live = VIADUCT_CHANGE_LIVE,
};

// One change as subscribers get it, made once and shared by all of them.
struct Change {
  ChangeKind kind = ChangeKind::state;
  Cursor cursor;
  std::uint64_t entry = 0;
  std::uint64_t offset = 0;
  std::string text;
  std::string json;  // as sdk/SESSION-JSON.md says
};
using ChangePtr = std::shared_ptr<const Change>;

// Somebody who watches a session.
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  // False when it cannot take it: it is too slow, the subscription has ended, and the subscriber
  // says so to whom it serves.
  virtual bool change(const ChangePtr& change) = 0;
  // The service ends the subscription.
  virtual void ended(const Error& why) = 0;
};
using SubscriptionId = std::uint64_t;  // never 0, never reused

enum class State { idle, running, waiting };  // waiting: for the answer to a permission request

struct SessionView {
  store::Session record;
  State state = State::idle;
  std::uint32_t turns_waiting = 0;
};
struct CreateOptions {
  std::string backend;  // empty: the surface's default
  std::string working_dir = "~";
  std::string description;
  std::string key;
};
struct SendAnswer {
  std::uint64_t turn = 0;
  bool duplicate = false;
};
struct AskAnswer {
  std::uint64_t turn = 0;
  std::string stop_reason;
  std::string text;
};
struct PermissionAnswer {
  std::string option_id;
  std::string by;
};
struct ResumeAnswer {
  SessionView session;
  std::string context; /* the rung: live, native, transcript, fresh */
};
struct ListQuery {
  std::string before;
  std::uint32_t limit = 50;
  std::optional<bool> active;
};
struct ListAnswer {
  std::vector<SessionView> sessions;
  std::string next;
};
struct HistoryAnswer {
  std::vector<store::Entry> entries;
  bool more = false;
};

// A session that another program left, as a backend found it.
struct Discovered {
  std::string backend;
  std::string native_id;
  std::string working_dir;
  std::string title;
  store::Micros updated_at = 0;  // 0: not known
  std::string session_id;        // the host's own that goes on with it, of anybody; empty: none
};
struct BackendFailure {
  std::string backend;
  Error error;
};
struct DiscoverQuery {
  std::string backend;  // empty: of all
  std::uint32_t limit = 50;
};
struct DiscoverAnswer {
  std::vector<Discovered> sessions;  // newest first
  std::uint64_t left_out = 0;        // more than were asked for
  std::vector<BackendFailure> failures;
};
struct AdoptAnswer {
  SessionView session;
  Discovered from;
  std::string context;               // the rung that holds it, or …
  std::optional<Error> not_resumed;  // … why none does as yet
};
struct PurgeQuery {
  store::Micros inactive_since = 0;  // last active before
  bool dry_run = false;
};
struct PurgedSession {
  store::Session record;
  std::uint64_t bytes = 0;
};
struct PurgeAnswer {
  bool dry_run = false;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t in_use = 0;             // old enough, but something is going on in them
  std::vector<PurgedSession> sessions;  // the first kPurgeListed
  std::uint64_t failed = 0;
  std::vector<std::pair<std::string, Error>> failures;  // by session; the first kPurgeListed
};
inline constexpr std::size_t kPurgeListed = 1000;

// How the service finds the backends. The pointers it gives stay valid until remove_backend has
// answered.
struct SurfaceBackends {
  std::string default_backend;
  std::vector<std::string>
      backends;  // names a user of the surface may pick, the default among them
};

struct Limits {
  std::size_t queue = 32;                 // turns waiting in one session
  std::size_t message_bytes = 1 << 20;    // text and context
  std::size_t attached_bytes = 16 << 20;  // and the images and files with them, as base64
  std::size_t content_bytes = 64 << 20;   // of the images and files in one turn, kept in memory
  std::size_t resident_sessions = 10000;  // kept in memory while idle
  // For running turns to end by themselves when the host stops.
  std::chrono::milliseconds drain{5000};
  // For a backend that is restarted to be there again, before a turn that waits for it fails.
  std::chrono::milliseconds backend_back{5'000};
};

class Sessions {
 public:
  Sessions(Loop& loop, store::Store& store, Metrics& metrics, Logger& log, Limits limits = {});
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // Marks what an earlier host left running as interrupted and takes up what it left waiting. Once,
  // after the backends are there; until then, what is asked of a stored session waits.
  void recover(Done<> done);

  void add_backend(std::string name, Backend& backend);
  // Ends its running turns as interrupted and forgets its handles; the sessions stay. A new backend
  // by that name takes them over.
  void remove_backend(std::string name, Done<> done);
  void set_surface(std::string surface, SurfaceBackends backends);

  // A backend instance says something. [any-thread]; the answer is at once.
  viaduct_flow emit(Handle session, BackendEvent event);

  void create(Principal who, CreateOptions options, Done<SessionView> done);
  void send(Principal who, std::string session_id, Message message, Done<SendAnswer> done);
  void ask(Principal who, std::string session_id, Message message, Done<AskAnswer> done);
  void cancel(Principal who, std::string session_id, std::uint64_t turn, Done<> done);
  void answer(Principal who, std::string session_id, std::uint64_t entry, std::string option,
              Done<PermissionAnswer> done);
  // Also by the beginning of an id, if only one of theirs begins so. The local principal may name a
  // session that another program left, too: it is adopted.
  void resume(Principal who, std::string session_id, Done<ResumeAnswer> done);
  void end(Principal who, std::string session_id, Done<> done);
  void list(Principal who, ListQuery query, Done<ListAnswer> done);
  void get(Principal who, std::string session_id, Done<SessionView> done);
  void history(Principal who, std::string session_id, std::uint64_t before, std::uint32_t limit,
               Done<HistoryAnswer> done);
  void rename(Principal who, std::string session_id, std::string title, Done<SessionView> done);
  void compact(Principal who, std::string session_id, Done<> done);
  void fork(Principal who, std::string session_id, Done<SessionView> done);
  void set_option(Principal who, std::string session_id, std::string option, std::string value,
                  Done<std::string> done);

  // `subscriber` must live until unsubscribe() has returned, ended() was called, or change() has
  // returned false. `done` comes before the first change.
  void subscribe(Principal who, std::string session_id, Cursor cursor, Subscriber& subscriber,
                 Done<SubscriptionId> done);
  void unsubscribe(SubscriptionId subscription);

  // For the operator, on the control socket: sessions of everybody.
  void list_all(ListQuery query, Done<ListAnswer> done);
  void end_any(std::string session_id, Done<> done);
  void get_any(std::string session_id, Done<SessionView> done);
  void history_any(std::string session_id, std::uint64_t before, std::uint32_t limit,
                   Done<HistoryAnswer> done);

  // Oldest first.
  void audit_any(std::string session_id, std::uint32_t limit,
                 Done<std::vector<store::AuditRecord>> done);
  // What all backends that can (or the one by that name) find of other programs' sessions. One that
  // fails is named, the others are shown.
  void discover(std::string backend, std::uint32_t limit, Done<DiscoverAnswer> done);
  // The same of the surface's backends, for operators.
  void discover(Principal who, DiscoverQuery query, Done<DiscoverAnswer> done);
  // Makes one of those, by its id or the beginning of it, a session of `who` with all that was said
  // in it, and resumes it; twice is the same session. `backend` empty: the surface's own first.
  // For operators.
  void adopt(Principal who, std::string id, std::string backend, Done<AdoptAnswer> done);
  // Deletes for good what nobody used since then, also at the backends, and frees its place in the
  // store. What runs or waits stays, and what its backend cannot remove. One at a time.
  void purge(PurgeQuery query, Done<PurgeAnswer> done);

  // Takes no more turns, ends the running ones as interrupted (with what they said so far), ends
  // subscriptions, flushes.
  void stop(Done<> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace viaduct::sessions
