// Where the host keeps what must survive it. An interface, so that another database can take
// SQLite's place.
//
// Every call is [any-thread]; every answer comes on the loop that the store was opened with,
// exactly once. Writes are answered after they are on disk, in the order in which they were given;
// many callers' writes share one transaction. A read sees every write that was answered before it
// was asked.
#pragma once

#include "host/error.hpp"
#include "host/store/mail.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace viaduct::store {

struct Session {
  std::string id;
  std::string owner;    // Principal::owner()
  std::string surface;  // the rest of the owner, for people
  std::string user_id;
  std::string create_key;  // idempotency key of its creation, unique for the owner; may be empty
  std::string backend;     // name of the backend instance
  std::string agent_type;  // what made native_id
  std::string native_id;   // newest; empty: none
  std::string previous_native_id;
  Micros native_at = 0;        // last use of native_id
  bool native_dead = false;    // marked not resumable
  std::uint32_t failures = 0;  // resumes that failed for a transient cause, since the last good one
  bool context_pending = false;  // the transcript goes in with the next prompt
  std::string working_dir;
  std::string project_id;
  std::string folder_id;  // device and inode of the working folder at first; empty: not there
  std::string title;
  std::string description;
  std::string options;  // JSON object: chosen option ids and values
  Micros created_at = 0;
  Micros last_active = 0;
  bool ended = false;
  std::uint64_t last_seq = 0;    // of the newest durable change
  std::uint64_t last_entry = 0;  // number of the newest entry
  std::uint64_t last_turn = 0;
  std::string host;  // the host that owns the session, and its fencing epoch
  std::uint64_t host_epoch = 0;
};

struct Entry {
  std::string session_id;
  std::uint64_t number = 0;  // from 1, its place in the log
  std::uint64_t seq = 0;     // of its last change
  std::uint64_t turn = 0;    // 0: outside of any turn
  std::string type;          // "user_message", "text", "tool_call" …
  bool complete = true;
  Micros at = 0;
  std::string text;
  std::string data;  // JSON object, or empty
};

enum class TurnState { queued, running, ended };
struct Turn {
  std::string session_id;
  std::uint64_t number = 0;
  std::string key;  // idempotency key, unique in the session
  std::uint64_t message_entry = 0;
  TurnState state = TurnState::queued;
  std::string stop_reason;  // once ended
  std::string error;        // JSON {"code","message"} if it ended with one
};

struct Document {
  std::string key;
  std::uint64_t version = 0;
  std::string value;  // JSON
};
inline constexpr std::uint64_t kAnyVersion = UINT64_MAX;

struct Memory {
  std::string id;  // mem-001
  Micros at = 0;
  std::string category;
  std::string content;
  std::vector<std::string> tags;
};

struct AuditRecord {
  Micros at = 0;
  std::string session_id;
  std::string event;   // "resume", "end", "permission" …
  std::string detail;  // JSON object
};

// One change each; a write() is a list of them.
struct PutSession {
  Session session;
};  // inserts or replaces
struct AddEntry {
  Entry entry;
};  // a new one; with an incomplete one's text so far
struct AppendText {
  std::string session_id;
  std::uint64_t entry;
  std::uint64_t seq;
  std::uint64_t offset;
  std::string text;
};
// Replaces everything but the text, which is kept (joined from its pieces once complete).
struct SetEntry {
  std::string session_id;
  std::uint64_t entry;
  std::uint64_t seq;
  bool complete;
  std::string data;
};
struct PutTurn {
  Turn turn;
};  // inserts or replaces; another turn with the same key: conflict
struct AddAudit {
  AuditRecord record;
};
// The rows of a session that is written in several steps: begun before the first, finished together
// with its PutSession. What is begun and not finished when a host dies goes at the next start.
struct BeginSession {
  std::string session_id;
};
struct FinishSession {
  std::string session_id;
};
using Write = std::variant<PutSession, AddEntry, AppendText, SetEntry, PutTurn, AddAudit,
                           BeginSession, FinishSession>;

struct SessionQuery {
  std::string owner;   // empty: of everybody (for the operator)
  std::string before;  // Page::next of an earlier answer; empty: from the newest
  std::uint32_t limit = 50;
  std::optional<bool> active;  // true: not ended
  Micros inactive_since = 0;   // last active before; 0: any
};
struct SessionPage {
  std::vector<Session> sessions;
  std::string next; /* empty: no more */
};
struct EntryPage {
  std::vector<Entry> entries; /* oldest first */
  bool more = false;
};
struct DocumentPage {
  std::vector<Document> documents;
  bool more = false;
};
struct Counts {
  std::uint64_t sessions = 0;
  std::uint64_t memories = 0;
  std::uint64_t bytes = 0;       // on disk, with what is not yet in the main file
  std::uint64_t free_bytes = 0;  // of them, to be used again by what comes next
};

class Store {
 public:
  virtual ~Store() = default;

  // +1 at every start of a host on this store: changes that were not on disk died with the earlier
  // one.
  virtual std::uint64_t epoch() const = 0;

  // All of `writes` or none. Errc::unavailable when the disk is full or failing, Errc::conflict for
  // a second turn with the same key or a second session with the same creation key.
  virtual void write(std::vector<Write> writes, Done<> done) = 0;

  virtual void session(std::string id, Done<Session> done) = 0;  // or not_found
  virtual void session_by_key(std::string owner, std::string create_key, Done<Session> done) = 0;
  virtual void sessions(SessionQuery query, Done<SessionPage> done) = 0;
  // The sessions of an owner (empty: of anybody) whose id begins so, at most `limit`.
  virtual void sessions_by_prefix(std::string owner, std::string prefix, std::uint32_t limit,
                                  Done<std::vector<Session>> done) = 0;
  // Which ids of a backend belong to sessions that are here, of anybody: as the own id of a session
  // (of whatever backend), or in one of this backend as its native id now or before, or as what
  // follows `key_prefix` in its creation key. Id → session id. Looks at every session.
  virtual void known_ids(std::string backend, std::string key_prefix, std::vector<std::string> ids,
                         Done<std::map<std::string, std::string>> done) = 0;
  // Another session than `id` of this backend with this native id; empty: there is none.
  virtual void rival(std::string backend, std::string native_id, std::string id,
                     Done<std::string> done) = 0;
  // Bytes of what is logged in a session.
  virtual void session_bytes(std::string id, Done<std::uint64_t> done) = 0;
  // Deletes the session (or what was begun of it) with its whole log and audit, but for `record`,
  // if there is one. Answered when all is gone, in many small steps; after the first there is no
  // such session any more, and a host that dies in between goes on at its next start.
  virtual void purge(std::string id, std::optional<AuditRecord> record, Done<> done) = 0;
  // The newest below `before` (0: of all), at most `limit`, and at most `max_bytes` of text and
  // data, but at least one.
  virtual void entries(std::string session_id, std::uint64_t before, std::uint32_t limit,
                       std::size_t max_bytes, Done<EntryPage> done) = 0;
  virtual void turn_by_key(std::string session_id, std::string key,
                           Done<Turn> done) = 0;  // or not_found
  virtual void turn(std::string session_id, std::uint64_t number,
                    Done<Turn> done) = 0;  // or not_found
  // Turns of all sessions (or of one) that have not ended, in order.
  virtual void open_turns(std::string session_id, Done<std::vector<Turn>> done) = 0;
  // The newest `limit` of a session (or of all), oldest first.
  virtual void audit(std::string session_id, std::uint32_t limit,
                     Done<std::vector<AuditRecord>> done) = 0;
  virtual void counts(Done<Counts> done) = 0;

  virtual Mail& mail() = 0;

  // Documents: `space` is the instance's name.
  virtual void get_document(std::string space, std::string key, Done<Document> done) = 0;
  virtual void put_document(std::string space, std::string key, std::string value,
                            std::uint64_t version,
                            Done<std::uint64_t> done) = 0;  // the new version, or conflict
  // One that is not there is at version 0.
  virtual void remove_document(std::string space, std::string key, std::uint64_t version,
                               Done<> done) = 0;
  virtual void scan_documents(std::string space, std::string from, std::string to,
                              std::uint32_t limit, Done<DocumentPage> done) = 0;

  // Memories and the work log of one owner.
  virtual void add_memory(std::string owner, Memory memory,
                          Done<Memory> done) = 0;  // gives it its id
  // By full-text rank, best first; matches content, category and tags by whole words and prefixes:
  // those with all the words, or else those with any.
  virtual void find_memories(std::string owner, std::string query, std::uint32_t limit,
                             Done<std::vector<Memory>> done) = 0;
  virtual void work_log(std::string owner, Done<std::string> done) = 0;  // JSON array
  virtual void set_work_log(std::string owner, std::string items, Done<> done) = 0;

  // Finishes what is queued and closes. Later calls are answered `unavailable`. Blocks.
  virtual void close() = 0;
};

}  // namespace viaduct::store
