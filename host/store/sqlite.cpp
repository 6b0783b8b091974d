#include "host/store/sqlite.hpp"

#include "host/loop.hpp"
#include "host/store/database.hpp"
#include "host/store/job.hpp"
#include "host/store/opening.hpp"
#include "host/store/sql.hpp"
#include "host/store/sqlite_mail.hpp"
#include "host/store/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace viaduct::store {
namespace {

constexpr int kCheckpointPages = 4096;  // 16 MiB: little to recover after a crash
constexpr int kLongLogPages = 65536;    // readers kept it from shrinking: wait for them
constexpr std::size_t kSearchWords = 32;
constexpr int kRowsAtOnce = 200;  // of a purge, so that others' writes come in between

// A thread and its queue; takes everything that is queued at once.
class Lane {
 public:
  void start(std::move_only_function<void(Jobs)> run) {
    thread_ = std::thread([this, run = std::move(run)]() mutable {
      for (;;) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return finishing_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        Jobs jobs = std::exchange(jobs_, {});
        lock.unlock();
        run(std::move(jobs));
      }
    });
  }
  // False: finished, and `job` is still the caller's.
  bool push(std::unique_ptr<Job>& job) {
    {
      const std::lock_guard lock(mutex_);
      if (finishing_) return false;
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
    return true;
  }
  // Returns when what was queued is done.
  void finish() {
    {
      const std::lock_guard lock(mutex_);
      finishing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  Jobs jobs_;
  bool finishing_ = false;
  std::thread thread_;
};

Error closed() {
  return {Errc::unavailable, "the store is closed"};
}

// ---------------------------------------------------------------- writing

Result<> apply(Database& database, const PutSession& put) {
  const Session& s = put.session;
  const auto run = [&](const char* sql) {
    return database.execute(sql, s.id, s.owner, s.surface, s.user_id, s.create_key, s.backend,
                            s.agent_type, s.native_id, s.previous_native_id, s.native_at,
                            s.native_dead, s.failures, s.context_pending, s.working_dir,
                            s.project_id, s.title, s.description, s.options, s.created_at,
                            s.last_active, s.ended, s.last_seq, s.last_entry, s.last_turn, s.host,
                            s.host_epoch, s.folder_id);
  };
  auto changed = run(sql::kUpdateSession);
  if (changed && *changed == 0) changed = run(sql::kPutSession);
  if (changed) return {};
  if (changed.error().code == Errc::conflict)
    return fail(Errc::conflict, "another session was made with the key '" + s.create_key + "'");
  return std::unexpected(changed.error());
}

Result<> apply(Database& database, const AddEntry& add) {
  const Entry& e = add.entry;
  auto added = database.execute(sql::kAddEntry, e.session_id, e.number, e.seq, e.turn, e.type,
                                e.complete, e.at, e.data, e.text);
  if (added) return {};
  if (added.error().code != Errc::internal) return std::unexpected(added.error());
  return fail(Errc::internal, fmt::format("entry {} of session {} cannot be added: {}", e.number,
                                          e.session_id, added.error().message));
}

Result<> apply(Database& database, const AppendText& append) {
  auto appended = database.execute(sql::kAppendText, append.session_id, append.entry, append.offset,
                                   append.seq, append.text);
  if (appended && *appended == 1) return {};
  if (!appended && appended.error().code != Errc::internal)
    return std::unexpected(appended.error());
  return fail(Errc::internal,
              fmt::format("entry {} of session {} cannot grow at {}: {}", append.entry,
                          append.session_id, append.offset,
                          appended ? "it is missing or complete" : appended.error().message));
}

// What `entry` has grown by, behind `text`; the newest seq into `seq`. True: there was something.
Result<bool> join_pieces(Database& database, const std::string& session, std::uint64_t entry,
                         std::string& text, std::uint64_t& seq) {
  Query pieces(database, sql::kPieces, session, entry);
  bool any = false;
  while (pieces.next()) {
    seq = std::max(seq, pieces.number(0));
    text += pieces.view(1);
    any = true;
  }
  if (auto status = pieces.status(); !status) return std::unexpected(status.error());
  return any;
}

Result<> apply(Database& database, const SetEntry& set) {
  const auto missing = [&] {
    return fail(Errc::internal, fmt::format("entry {} of session {} cannot be changed: it is "
                                            "missing",
                                            set.entry, set.session_id));
  };
  std::string pieces;
  if (set.complete) {
    std::uint64_t seq = 0;
    auto joined = join_pieces(database, set.session_id, set.entry, pieces, seq);
    if (!joined) return std::unexpected(joined.error());
    if (*joined) {
      std::string text;
      {
        Query entry(database, sql::kEntryText, set.session_id, set.entry);
        if (!entry.next()) {
          if (auto status = entry.status(); !status) return status;
          return missing();
        }
        text = entry.text(0);
      }
      text += pieces;
      auto changed = database.execute(sql::kSetEntryAndText, set.session_id, set.entry, set.seq,
                                      set.complete, set.data, text);
      if (!changed) return std::unexpected(changed.error());
      auto removed = database.execute(sql::kRemovePieces, set.session_id, set.entry);
      if (!removed) return std::unexpected(removed.error());
      return {};
    }
  }
  auto changed =
      database.execute(sql::kSetEntry, set.session_id, set.entry, set.seq, set.complete, set.data);
  if (!changed) return std::unexpected(changed.error());
  if (*changed == 0) return missing();
  return {};
}

Result<> apply(Database& database, const PutTurn& put) {
  const Turn& t = put.turn;
  const auto run = [&](const char* sql) {
    return database.execute(sql, t.session_id, t.number, t.key, t.message_entry, t.state,
                            t.stop_reason, t.error);
  };
  auto changed = run(sql::kUpdateTurn);
  if (changed && *changed == 0) changed = run(sql::kPutTurn);
  if (changed) return {};
  if (changed.error().code == Errc::conflict)
    return fail(Errc::conflict, "another turn of the session has the key '" + t.key + "'");
  return std::unexpected(changed.error());
}

Result<> apply(Database& database, const AddAudit& add) {
  const AuditRecord& r = add.record;
  auto added = database.execute(sql::kAddAudit, r.session_id, r.at, r.event, r.detail);
  if (!added) return std::unexpected(added.error());
  return {};
}

Result<> apply(Database& database, const BeginSession& begin) {
  auto begun = database.execute(sql::kBeginSession, begin.session_id);
  if (!begun) return std::unexpected(begun.error());
  return {};
}

Result<> apply(Database& database, const FinishSession& finish) {
  auto finished = database.execute(sql::kFinishSession, finish.session_id);
  if (!finished) return std::unexpected(finished.error());
  return {};
}

// The first step of a purge: there is no such session any more, and the rest is marked.
Result<> forget_session(Database& database, const std::string& id,
                        const std::optional<AuditRecord>& record) {
  if (auto marked = apply(database, BeginSession{id}); !marked) return marked;
  if (auto gone = database.execute(sql::kRemoveSession, id); !gone)
    return std::unexpected(gone.error());
  return record ? apply(database, AddAudit{*record}) : Result<>{};
}

// A further one; false when nothing is left.
Result<bool> remove_rows(Database& database, const std::string& id) {
  for (const char* sql : sql::kRemoveRows) {
    auto removed = database.execute(sql, id, kRowsAtOnce);
    if (!removed) return std::unexpected(removed.error());
    if (*removed > 0) return true;
  }
  if (auto finished = apply(database, FinishSession{id}); !finished)
    return std::unexpected(finished.error());
  return false;
}

// ---------------------------------------------------------------- reading

Session session_of(const Query& row) {
  return {.id = row.text(0),
          .owner = row.text(1),
          .surface = row.text(2),
          .user_id = row.text(3),
          .create_key = row.text(4),
          .backend = row.text(5),
          .agent_type = row.text(6),
          .native_id = row.text(7),
          .previous_native_id = row.text(8),
          .native_at = row.integer(9),
          .native_dead = row.flag(10),
          .failures = static_cast<std::uint32_t>(row.integer(11)),
          .context_pending = row.flag(12),
          .working_dir = row.text(13),
          .project_id = row.text(14),
          .folder_id = row.text(26),
          .title = row.text(15),
          .description = row.text(16),
          .options = row.text(17),
          .created_at = row.integer(18),
          .last_active = row.integer(19),
          .ended = row.flag(20),
          .last_seq = row.number(21),
          .last_entry = row.number(22),
          .last_turn = row.number(23),
          .host = row.text(24),
          .host_epoch = row.number(25)};
}

Turn turn_of(const Query& row) {
  return {.session_id = row.text(0),
          .number = row.number(1),
          .key = row.text(2),
          .message_entry = row.number(3),
          .state = static_cast<TurnState>(row.integer(4)),
          .stop_reason = row.text(5),
          .error = row.text(6)};
}

Document document_of(const Query& row) {
  return {row.text(0), row.number(1), row.text(2)};
}

AuditRecord audit_of(const Query& row) {
  return {
      .at = row.integer(1), .session_id = row.text(0), .event = row.text(2), .detail = row.text(3)};
}

// The one row of a query, or not_found.
template <class Make>
auto one(Query&& query, Make make, std::string_view what) -> Result<decltype(make(query))> {
  if (query.next()) return make(query);
  if (auto status = query.status(); !status) return std::unexpected(status.error());
  return fail(Errc::not_found, fmt::format("no such {}", what));
}

template <class Make>
auto all(Query&& query, Make make) -> Result<std::vector<decltype(make(query))>> {
  std::vector<decltype(make(query))> rows;
  while (query.next()) rows.push_back(make(query));
  if (auto status = query.status(); !status) return std::unexpected(status.error());
  return rows;
}

struct Place {
  Micros last_active = INT64_MAX;
  std::string id;
};

Result<Place> place_of(const std::string& cursor, Micros inactive_since) {
  Place place;
  if (inactive_since != 0) place.last_active = inactive_since;
  if (cursor.empty()) return place;
  const char* end = cursor.data() + cursor.size();
  const auto [rest, error] = std::from_chars(cursor.data(), end, place.last_active);
  if (error != std::errc{} || rest == end || *rest != ':')
    return fail(Errc::invalid_argument, "'" + cursor + "' is no place in the list of sessions");
  place.id.assign(rest + 1, end);
  return place;
}

Result<SessionPage> page_of_sessions(Database& database, const SessionQuery& query) {
  const auto place = place_of(query.before, query.inactive_since);
  if (!place) return std::unexpected(place.error());
  const std::size_t limit = std::clamp<std::uint32_t>(query.limit, 1, 1000);
  const std::size_t more = limit + 1;  // one more tells whether there is a next page
  const auto part = [&](bool ended) {
    return query.owner.empty() ? all(Query(database, sql::kSessionsOfAll, ended, place->last_active,
                                           place->id, more),
                                     session_of)
                               : all(Query(database, sql::kSessionsOfOwner, query.owner, ended,
                                           place->last_active, place->id, more),
                                     session_of);
  };
  SessionPage page;
  for (const bool ended : {false, true}) {
    if (query.active && *query.active == ended) continue;
    auto found = part(ended);
    if (!found) return std::unexpected(found.error());
    page.sessions.insert(page.sessions.end(), std::make_move_iterator(found->begin()),
                         std::make_move_iterator(found->end()));
  }
  std::ranges::sort(page.sessions, [](const Session& a, const Session& b) {
    return std::tie(a.last_active, a.id) > std::tie(b.last_active, b.id);
  });
  if (page.sessions.size() > limit) {
    page.sessions.resize(limit);
    page.next = fmt::format("{}:{}", page.sessions.back().last_active, page.sessions.back().id);
  }
  return page;
}

Result<EntryPage> page_of_entries(Database& database, const std::string& session,
                                  std::uint64_t before, std::uint32_t limit,
                                  std::size_t max_bytes) {
  limit = std::max(limit, 1U);
  before = before == 0 ? INT64_MAX : std::min<std::uint64_t>(before, INT64_MAX);
  EntryPage page;
  std::size_t bytes = 0;
  Query rows(database, sql::kEntries, session, before, std::uint64_t{limit} + 1);
  while (rows.next()) {
    if (page.entries.size() == limit) {
      page.more = true;
      break;
    }
    Entry entry{.session_id = session,
                .number = rows.number(0),
                .seq = rows.number(1),
                .turn = rows.number(2),
                .type = rows.text(3),
                .complete = rows.flag(4),
                .at = rows.integer(5),
                .text = {},
                .data = rows.text(6)};
    // A text that would not fit is not even copied.
    bytes += entry.data.size() + rows.view(7).size();
    if (bytes > max_bytes && !page.entries.empty()) {
      page.more = true;
      break;
    }
    entry.text = rows.text(7);
    if (!entry.complete) {
      const auto before_pieces = entry.text.size();
      auto joined = join_pieces(database, session, entry.number, entry.text, entry.seq);
      if (!joined) return std::unexpected(joined.error());
      bytes += entry.text.size() - before_pieces;
      if (bytes > max_bytes && !page.entries.empty()) {
        page.more = true;
        break;
      }
    }
    page.entries.push_back(std::move(entry));
  }
  if (auto status = rows.status(); !status) return std::unexpected(status.error());
  std::ranges::reverse(page.entries);
  return page;
}

// ---------------------------------------------------------------- memories

std::string join_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}

// What a person looks for, as an FTS5 expression within one scope; empty: no word in it. Each word
// is quoted, so it cannot be taken for an operator; a whole word counts more than a prefix.
std::string search_expression(std::int64_t scope, std::string_view query,
                              std::string_view together) {
  std::vector<std::string> words;
  std::size_t position = 0;
  for (auto word = next_word(query, position); !word.empty() && words.size() < kSearchWords;
       word = next_word(query, position))
    if (auto small = lower(word); std::ranges::find(words, small) == words.end())
      words.push_back(std::move(small));
  std::string expression;
  for (const auto& word : words) {
    expression += expression.empty() ? "" : together;
    // One letter begins too many words.
    expression += word.size() == 1 ? fmt::format(R"("{}")", word)
                                   : fmt::format(R"(("{}" OR "{}"*))", word, word);
  }
  if (expression.empty()) return expression;
  return fmt::format(R"(scope : "o{}" AND {{category content tags}} : ({}))", scope, expression);
}

Result<std::vector<Memory>> search(Database& database, const std::string& owner,
                                   const std::string& text, std::uint32_t limit) {
  const auto scope = one(
      Query(database, sql::kMemoryOwner, owner), [](const Query& row) { return row.integer(0); },
      "owner");
  if (!scope && scope.error().code == Errc::not_found) return std::vector<Memory>{};
  if (!scope) return std::unexpected(scope.error());
  // What has all the words; else what has any of them.
  for (const std::string_view together : {" AND ", " OR "}) {
    const auto expression = search_expression(*scope, text, together);
    if (expression.empty()) break;
    auto found = all(Query(database, sql::kFindMemories, expression, limit), [](const Query& row) {
      return Memory{.id = row.text(0),
                    .at = row.integer(1),
                    .category = row.text(2),
                    .content = row.text(3),
                    .tags = split_lines(row.view(4))};
    });
    if (!found || !found->empty()) return found;
  }
  return std::vector<Memory>{};
}

Result<Memory> add(Database& database, const std::string& owner, Memory memory) {
  std::string scope;
  {
    Query counted(database, sql::kCountMemory, owner);
    if (counted.next()) {
      scope = fmt::format("o{}", counted.integer(0));
      memory.id = fmt::format("mem-{:03}", counted.integer(1));
    }
    while (counted.next()) {
    }
    if (auto status = counted.status(); !status) return std::unexpected(status.error());
  }
  const auto tags = join_lines(memory.tags);
  auto added = database.execute(sql::kAddMemory, scope, memory.id, memory.at, memory.category,
                                memory.content, tags);
  if (!added) return std::unexpected(added.error());
  return memory;
}

// ---------------------------------------------------------------- the store

class SqliteStore final : public Store {
 public:
  SqliteStore(Loop& loop, OpenFiles files, std::unique_ptr<SqliteMail> mail, Logger log)
      : loop_(loop),
        log_(std::move(log)),
        lock_(std::move(files.lock)),
        epoch_(files.epoch),
        writer_(std::move(files.writer)),
        reader_(std::move(files.reader)),
        mail_(std::move(mail)) {
    writing_.start([this](Jobs jobs) { commit(std::move(jobs)); });
    reading_.start([this](Jobs jobs) { read(std::move(jobs)); });
    remove_unfinished();
    mail_->open(epoch_, [this](bool writes, std::unique_ptr<Job> job) {
      push(writes ? writing_ : reading_, std::move(job));
    });
  }
  ~SqliteStore() override { close(); }

  std::uint64_t epoch() const override { return epoch_; }

  void write(std::vector<Write> writes, Done<> done) override {
    change<void>(
        [writes = std::move(writes)](Database& database) -> Result<> {
          for (const Write& write : writes) {
            auto applied =
                std::visit([&](const auto& change) { return apply(database, change); }, write);
            if (!applied) return applied;
          }
          return {};
        },
        std::move(done));
  }

  void session(std::string id, Done<Session> done) override {
    look<Session>(
        [id = std::move(id)](Database& database) {
          return one(Query(database, sql::kSession, id), session_of, "session");
        },
        std::move(done));
  }

  void session_by_key(std::string owner, std::string create_key, Done<Session> done) override {
    look<Session>(
        [owner = std::move(owner), key = std::move(create_key)](Database& database) {
          return one(Query(database, sql::kSessionByKey, owner, key), session_of, "session");
        },
        std::move(done));
  }

  void sessions(SessionQuery query, Done<SessionPage> done) override {
    look<SessionPage>([query = std::move(query)](
                          Database& database) { return page_of_sessions(database, query); },
                      std::move(done));
  }

  void sessions_by_prefix(std::string owner, std::string prefix, std::uint32_t limit,
                          Done<std::vector<Session>> done) override {
    look<std::vector<Session>>(
        [owner = std::move(owner), prefix = std::move(prefix), limit](Database& database) {
          const std::string behind = prefix + "\xFF";  // greater than any UTF-8
          return all(Query(database, sql::kSessionsByPrefix, owner, prefix, behind, limit),
                     session_of);
        },
        std::move(done));
  }

  void known_ids(std::string backend, std::string key_prefix, std::vector<std::string> ids,
                 Done<std::map<std::string, std::string>> done) override {
    look<std::map<std::string, std::string>>(
        [backend = std::move(backend), key_prefix = std::move(key_prefix),
         asked = std::unordered_set<std::string>(ids.begin(), ids.end())](
            Database& database) -> Result<std::map<std::string, std::string>> {
          std::map<std::string, std::string> known;
          Query rows(database, sql::kIdsOfSessions, backend);
          while (rows.next()) {
            const std::string id = rows.text(0);
            if (asked.contains(id)) known.emplace(id, id);
            if (rows.number(4) == 0) continue;  // another backend's native ids say nothing
            std::string key = rows.text(3);
            key = key.starts_with(key_prefix) ? key.substr(key_prefix.size()) : "";
            for (const std::string& one : {rows.text(1), rows.text(2), key})
              if (!one.empty() && asked.contains(one)) known.emplace(one, id);
          }
          if (auto status = rows.status(); !status) return std::unexpected(status.error());
          return known;
        },
        std::move(done));
  }

  void rival(std::string backend, std::string native_id, std::string id,
             Done<std::string> done) override {
    look<std::string>(
        [backend = std::move(backend), native_id = std::move(native_id),
         id = std::move(id)](Database& database) -> Result<std::string> {
          Query rows(database, sql::kRivalOfSession, backend, native_id, id);
          if (rows.next()) return rows.text(0);
          if (auto status = rows.status(); !status) return std::unexpected(status.error());
          return "";
        },
        std::move(done));
  }

  void session_bytes(std::string id, Done<std::uint64_t> done) override {
    look<std::uint64_t>(
        [id = std::move(id)](Database& database) {
          return one(
              Query(database, sql::kSessionBytes, id),
              [](const Query& row) { return row.number(0); }, "session");
        },
        std::move(done));
  }

  void purge(std::string id, std::optional<AuditRecord> record, Done<> done) override {
    change<void>(
        [id, record = std::move(record)](Database& database) {
          return forget_session(database, id, record);
        },
        [this, alive = std::weak_ptr(alive_), id, done = std::move(done)](Result<> gone) mutable {
          if (!gone || alive.expired()) return done(std::move(gone));
          remove_rest(std::move(id), std::move(done));
        });
  }

  void entries(std::string session_id, std::uint64_t before, std::uint32_t limit,
               std::size_t max_bytes, Done<EntryPage> done) override {
    look<EntryPage>(
        [=, id = std::move(session_id)](Database& database) {
          return page_of_entries(database, id, before, limit, max_bytes);
        },
        std::move(done));
  }

  void turn_by_key(std::string session_id, std::string key, Done<Turn> done) override {
    look<Turn>(
        [id = std::move(session_id), key = std::move(key)](Database& database) {
          return one(Query(database, sql::kTurnByKey, id, key), turn_of, "turn");
        },
        std::move(done));
  }

  void turn(std::string session_id, std::uint64_t number, Done<Turn> done) override {
    look<Turn>(
        [id = std::move(session_id), number](Database& database) {
          return one(Query(database, sql::kTurn, id, number), turn_of, "turn");
        },
        std::move(done));
  }

  void open_turns(std::string session_id, Done<std::vector<Turn>> done) override {
    look<std::vector<Turn>>(
        [id = std::move(session_id)](Database& database) {
          return id.empty() ? all(Query(database, sql::kOpenTurns), turn_of)
                            : all(Query(database, sql::kOpenTurnsOfSession, id), turn_of);
        },
        std::move(done));
  }

  void audit(std::string session_id, std::uint32_t limit,
             Done<std::vector<AuditRecord>> done) override {
    look<std::vector<AuditRecord>>(
        [id = std::move(session_id), limit](Database& database) {
          auto records = id.empty() ? all(Query(database, sql::kAuditOfAll, limit), audit_of)
                                    : all(Query(database, sql::kAudit, id, limit), audit_of);
          if (records) std::ranges::reverse(*records);
          return records;
        },
        std::move(done));
  }

  void counts(Done<Counts> done) override {
    look<Counts>(
        [](Database& database) {
          auto counts = one(
              Query(database, sql::kCounts),
              [](const Query& row) {
                return Counts{.sessions = row.number(0), .memories = row.number(1)};
              },
              "host");
          Query pages(database, sql::kPages);
          if (counts && pages.next()) {
            counts->free_bytes = pages.number(1) * pages.number(2);
            counts->bytes = pages.number(0) * pages.number(2);
          }
          return counts;
        },
        std::move(done));
  }

  Mail& mail() override { return *mail_; }

  void get_document(std::string space, std::string key, Done<Document> done) override {
    look<Document>(
        [space = std::move(space), key = std::move(key)](Database& database) {
          return one(Query(database, sql::kDocument, space, key), document_of, "document");
        },
        std::move(done));
  }

  void put_document(std::string space, std::string key, std::string value, std::uint64_t version,
                    Done<std::uint64_t> done) override {
    change<std::uint64_t>(
        [space = std::move(space), key = std::move(key), value = std::move(value),
         version](Database& database) -> Result<std::uint64_t> {
          const auto present = expect_version(database, space, key, version);
          if (!present) return present;
          const std::uint64_t next = *present + 1;
          auto put = database.execute(sql::kPutDocument, space, key, next, value);
          if (!put) return std::unexpected(put.error());
          return next;
        },
        std::move(done));
  }

  void remove_document(std::string space, std::string key, std::uint64_t version,
                       Done<> done) override {
    change<void>(
        [space = std::move(space), key = std::move(key), version](Database& database) -> Result<> {
          if (auto present = expect_version(database, space, key, version); !present)
            return std::unexpected(present.error());
          auto removed = database.execute(sql::kRemoveDocument, space, key);
          if (!removed) return std::unexpected(removed.error());
          return {};
        },
        std::move(done));
  }

  void scan_documents(std::string space, std::string from, std::string to, std::uint32_t limit,
                      Done<DocumentPage> done) override {
    look<DocumentPage>(
        [space = std::move(space), from = std::move(from), to = std::move(to),
         limit = std::max(limit, 1U)](Database& database) -> Result<DocumentPage> {
          auto found =
              all(Query(database, sql::kScanDocuments, space, from, to, std::uint64_t{limit} + 1),
                  document_of);
          if (!found) return std::unexpected(found.error());
          DocumentPage page{std::move(*found), false};
          if (page.documents.size() > limit) {
            page.documents.resize(limit);
            page.more = true;
          }
          return page;
        },
        std::move(done));
  }

  void add_memory(std::string owner, Memory memory, Done<Memory> done) override {
    change<Memory>([owner = std::move(owner), memory = std::move(memory)](
                       Database& database) { return add(database, owner, memory); },
                   std::move(done));
  }

  void find_memories(std::string owner, std::string query, std::uint32_t limit,
                     Done<std::vector<Memory>> done) override {
    look<std::vector<Memory>>(
        [owner = std::move(owner), query = std::move(query), limit](Database& database) {
          return search(database, owner, query, limit);
        },
        std::move(done));
  }

  void work_log(std::string owner, Done<std::string> done) override {
    look<std::string>(
        [owner = std::move(owner)](Database& database) -> Result<std::string> {
          auto found = one(
              Query(database, sql::kMemoryOwner, owner),
              [](const Query& row) { return row.text(2); }, "owner");
          if (!found && found.error().code == Errc::not_found) return "[]";
          return found;
        },
        std::move(done));
  }

  void set_work_log(std::string owner, std::string items, Done<> done) override {
    change<void>(
        [owner = std::move(owner), items = std::move(items)](Database& database) -> Result<> {
          auto set = database.execute(sql::kSetWorkLog, owner, items);
          if (!set) return std::unexpected(set.error());
          return {};
        },
        std::move(done));
  }

  void close() override {
    const std::lock_guard lock(closing_);
    reading_.finish();
    writing_.finish();
    if (!writer_) return;
    reader_.reset();
    if (auto done = writer_->checkpoint(true); !done)
      log_.warn("store could not be checkpointed at the end reason={}", done.error().message);
    writer_.reset();
    lock_.reset();
  }

 private:
  // [loop] The rest of a purge, step by step. Should it fail, the next start goes on.
  void remove_rest(std::string id, Done<> done) {
    change<bool>([id](Database& database) { return remove_rows(database, id); },
                 [this, alive = std::weak_ptr(alive_), id,
                  done = std::move(done)](Result<bool> more) mutable {
                   if (more && *more && !alive.expired())
                     return remove_rest(std::move(id), std::move(done));
                   if (!more && !alive.expired())
                     log_.warn("session is not yet removed altogether session={} reason={}", id,
                               more.error().message);
                   done({});
                 });
  }

  // What a host that died has left half written, or half removed.
  void remove_unfinished() {
    look<std::vector<std::string>>(
        [](Database& database) {
          return all(Query(database, sql::kUnfinished),
                     [](const Query& row) { return row.text(0); });
        },
        [this, alive = std::weak_ptr(alive_)](Result<std::vector<std::string>> left) {
          if (!left || alive.expired()) return;
          for (std::string& id : *left) {
            log_.info("rest of a session is removed session={}", id);
            remove_rest(std::move(id), [](Result<>) {});
          }
        });
  }

  template <class T, class Work>
  void change(Work work, Done<T> done) {
    push<T>(writing_, std::move(work), std::move(done));
  }
  template <class T, class Work>
  void look(Work work, Done<T> done) {
    push<T>(reading_, std::move(work), std::move(done));
  }
  template <class T, class Work>
  void push(Lane& lane, Work work, Done<T> done) {
    push(lane, std::make_unique<Call<T, Work>>(loop_, std::move(work), std::move(done)));
  }
  void push(Lane& lane, std::unique_ptr<Job> job) {
    if (lane.push(job)) return;
    job->fail(closed());
    loop_.post([job = std::move(job)] { job->answer(); });
  }

  // The present version, 0 for none; conflict when it is not the expected one.
  static Result<std::uint64_t> expect_version(Database& database, const std::string& space,
                                              const std::string& key, std::uint64_t version) {
    auto present = one(
        Query(database, sql::kDocument, space, key), [](const Query& row) { return row.number(1); },
        "document");
    if (!present && present.error().code == Errc::not_found) present = 0;
    if (present && version != kAnyVersion && *present != version)
      return fail(Errc::conflict,
                  fmt::format("'{}' is at version {}, not {}", key, *present, version));
    return present;
  }

  // [reading thread]
  void read(Jobs jobs) {
    for (auto& job : jobs) {
      // One snapshot for all that the job asks.
      const auto begun = reader_->execute("BEGIN");
      if (!begun)
        job->fail(begun.error());
      else
        job->run(*reader_);
      if (reader_->in_transaction()) (void)reader_->execute("COMMIT");
      if (reader_->damaged() && !reader_damaged_) {
        reader_damaged_ = true;
        log_.error("store is damaged reason={}", job->status().error().message);
      }
      loop_.post([job = std::move(job)] { job->answer(); });
    }
  }

  // [writing thread]
  void commit(Jobs jobs) {
    settle(jobs);
    loop_.post([jobs = std::move(jobs)] {
      for (const auto& job : jobs) job->answer();
    });
    checkpoint();
  }

  void settle(std::span<std::unique_ptr<Job>> jobs) {
    while (!jobs.empty()) jobs = jobs.subspan(transaction(jobs));
  }

  // One transaction of as many jobs as can share it; how many it settled. [writing thread]
  std::size_t transaction(std::span<std::unique_ptr<Job>> jobs) {
    if (auto begun = writer_->execute("BEGIN IMMEDIATE"); !begun) {
      refuse(jobs, begun.error());
      return jobs.size();
    }
    // A savepoint for each costs as much as what it does, and it is rare that one fails: first
    // without.
    if (std::ranges::all_of(jobs, [this](auto& job) { return job->run(*writer_); })) {
      commit_transaction(jobs);
      return jobs.size();
    }
    if (writer_->in_transaction()) (void)writer_->execute("ROLLBACK");
    return one_by_one(jobs);
  }

  // The same, so that a job that fails undoes its own changes only.
  std::size_t one_by_one(std::span<std::unique_ptr<Job>> jobs) {
    if (auto begun = writer_->execute("BEGIN IMMEDIATE"); !begun) {
      refuse(jobs, begun.error());
      return jobs.size();
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      auto saved = writer_->execute("SAVEPOINT job");
      if (!saved)
        jobs[i]->fail(saved.error());
      else if (jobs[i]->run(*writer_))
        saved = writer_->execute("RELEASE job");
      if (jobs[i]->status() && saved) continue;
      if (!saved) jobs[i]->fail(saved.error());
      const Error error = jobs[i]->status().error();
      if (error.code == Errc::unavailable) failing(error);
      if (!writer_->in_transaction()) {  // SQLite took everything back: once more, without this one
        settle(jobs.first(i));
        return i + 1;
      }
      (void)writer_->execute("ROLLBACK TO job");
      (void)writer_->execute("RELEASE job");
    }
    commit_transaction(jobs);
    return jobs.size();
  }

  void commit_transaction(std::span<std::unique_ptr<Job>> jobs) {
    if (auto committed = writer_->execute("COMMIT"); !committed) {
      if (writer_->in_transaction()) (void)writer_->execute("ROLLBACK");
      refuse(jobs, committed.error());
    } else if (failing_ &&
               std::ranges::any_of(jobs, [](auto& job) { return job->status().has_value(); })) {
      failing_ = false;
      log_.info("store takes changes again");
    }
  }

  void refuse(std::span<std::unique_ptr<Job>> jobs, const Error& error) {
    failing(error);
    for (auto& job : jobs) job->fail(error);
  }

  void failing(const Error& error) {
    if (!std::exchange(failing_, true))
      log_.error("store takes no changes reason={}", error.message);
  }

  // After the answers, so that nobody waits for it but those who come meanwhile. [writing thread]
  void checkpoint() {
    const int pages = writer_->log_pages();
    if (pages < checked_pages_) checked_pages_ = 0;  // the log began anew
    if (pages - checked_pages_ < kCheckpointPages) return;
    checked_pages_ = pages;
    auto done = writer_->checkpoint(pages >= kLongLogPages);
    if (!done && done.error().code != Errc::unavailable)
      log_.error("store cannot be checkpointed reason={}", done.error().message);
  }

  Loop& loop_;
  const Logger log_;
  std::optional<FileLock> lock_;
  const std::uint64_t epoch_;
  std::unique_ptr<Database> writer_;  // of the writing thread, while it runs
  std::unique_ptr<Database> reader_;  // of the reading thread
  const std::unique_ptr<SqliteMail> mail_;
  bool failing_ = false;
  bool reader_damaged_ = false;
  int checked_pages_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // what is asked of it
  std::mutex closing_;
  Lane writing_;
  Lane reading_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite(Loop& loop, SqliteOptions options, Logger log) {
  auto files = open_files(options, log);
  if (!files) return std::unexpected(files.error());
  auto mail = SqliteMail::make(loop, *files->writer, log);
  if (!mail) return std::unexpected(mail.error());
  return std::make_unique<SqliteStore>(loop, std::move(*files), std::move(*mail), std::move(log));
}

}  // namespace viaduct::store
