#include "host/store/migrations.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace viaduct::store {
namespace {

constexpr int kApplicationId = 0x56494144;  // "VIAD"

// Numbers that JSON knows as names are these here: turns.state 0 queued, 1 running, 2 ended.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE host (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  sessions INTEGER NOT NULL,
  memories INTEGER NOT NULL
) STRICT;
INSERT INTO host VALUES (1, 0, 0, 0);

CREATE TABLE sessions (
  id TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  surface TEXT NOT NULL,
  user_id TEXT NOT NULL,
  create_key TEXT NOT NULL,
  backend TEXT NOT NULL,
  agent_type TEXT NOT NULL,
  native_id TEXT NOT NULL,
  previous_native_id TEXT NOT NULL,
  native_at INTEGER NOT NULL,
  native_dead INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  context_pending INTEGER NOT NULL,
  working_dir TEXT NOT NULL,
  project_id TEXT NOT NULL,
  folder_id TEXT NOT NULL,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  options TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_active INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  last_entry INTEGER NOT NULL,
  last_turn INTEGER NOT NULL,
  host TEXT NOT NULL,
  host_epoch INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_by_key ON sessions (owner, create_key) WHERE create_key <> '';
CREATE INDEX sessions_by_owner ON sessions (owner, ended, last_active, id);
CREATE INDEX sessions_by_time ON sessions (ended, last_active, id);
CREATE TRIGGER sessions_more AFTER INSERT ON sessions BEGIN
  UPDATE host SET sessions = sessions + 1;
END;
CREATE TRIGGER sessions_fewer AFTER DELETE ON sessions BEGIN
  UPDATE host SET sessions = sessions - 1;
END;

CREATE TABLE entries (
  session TEXT NOT NULL,
  number INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  type TEXT NOT NULL,
  complete INTEGER NOT NULL,
  at INTEGER NOT NULL,
  data TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

-- What a text has grown by since its entry was written.
CREATE TABLE pieces (
  session TEXT NOT NULL,
  entry INTEGER NOT NULL,
  position INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (session, entry, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE turns (
  session TEXT NOT NULL,
  number INTEGER NOT NULL,
  key TEXT NOT NULL,
  message_entry INTEGER NOT NULL,
  state INTEGER NOT NULL,
  stop_reason TEXT NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX turns_by_key ON turns (session, key) WHERE key <> '';
CREATE INDEX turns_open ON turns (session, number) WHERE state < 2;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  session TEXT NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_session ON audit (session, id);

CREATE TABLE documents (
  space TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_owners (
  id INTEGER PRIMARY KEY,
  owner TEXT NOT NULL UNIQUE,
  newest INTEGER NOT NULL DEFAULT 0,
  work_log TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE TABLE memories (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,      -- one word that stands for the owner in the index: 'o' and memory_owners.id
  name TEXT NOT NULL,
  at INTEGER NOT NULL,
  category TEXT NOT NULL,
  content TEXT NOT NULL,
  tags TEXT NOT NULL,       -- one on a line
  UNIQUE (scope, name)
) STRICT;
CREATE VIRTUAL TABLE memory_index USING fts5 (
  scope, category, content, tags,
  content = 'memories', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER memories_more AFTER INSERT ON memories BEGIN
  INSERT INTO memory_index (rowid, scope, category, content, tags)
    VALUES (new.id, new.scope, new.category, new.content, new.tags);
  UPDATE host SET memories = memories + 1;
END;
CREATE TRIGGER memories_fewer AFTER DELETE ON memories BEGIN
  INSERT INTO memory_index (memory_index, rowid, scope, category, content, tags)
    VALUES ('delete', old.id, old.scope, old.category, old.content, old.tags);
  UPDATE host SET memories = memories - 1;
END;
)sql";

// Sessions of which rows are being written, or removed, in several steps.
constexpr const char* kVersion2 = R"sql(
CREATE TABLE unfinished (
  session TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
)sql";

// Who else has a native id is asked whenever one changes.
constexpr const char* kVersion3 = R"sql(
CREATE INDEX sessions_by_native_id ON sessions (backend, native_id) WHERE native_id <> '';
)sql";

// Mail. outbox.state: 0 ready, 1 sending, 2 sent, 3 ambiguous, 4 failed, 5 expired.
constexpr const char* kVersion4 = R"sql(
-- What was received and not yet handled.
CREATE TABLE inbox (
  number INTEGER PRIMARY KEY,
  space TEXT NOT NULL,
  key TEXT NOT NULL,        -- the first
  payload TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
-- Hashes of keys, and the number of the event that came with them: new ones in the order in which
-- they came, the others sorted.
CREATE TABLE key_log (
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,
  event INTEGER NOT NULL
) STRICT;
CREATE TABLE known_keys (
  hash INTEGER PRIMARY KEY,
  event INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  space TEXT NOT NULL,
  key TEXT NOT NULL,
  target TEXT NOT NULL,
  edit INTEGER NOT NULL,
  payload TEXT NOT NULL,    -- empty once it was sent or dropped
  state INTEGER NOT NULL,
  result TEXT NOT NULL,
  reason TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  posted_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  renewed INTEGER NOT NULL, -- replaced while it was being sent
  dropped INTEGER NOT NULL, -- by a person
  host TEXT NOT NULL,       -- who sends it
  host_epoch INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_by_key ON outbox (space, key);
CREATE INDEX outbox_open ON outbox (space, target, number) WHERE state < 2;
CREATE INDEX outbox_for_people ON outbox (state, number) WHERE state <> 2;
CREATE INDEX outbox_done ON outbox (changed_at) WHERE state >= 2;
)sql";

constexpr const char* kMigrations[] = {kVersion1, kVersion2, kVersion3, kVersion4};

Result<std::int64_t> value(Database& database, const char* sql) {
  Query query(database, sql);
  if (query.next()) return query.integer(0);
  if (auto status = query.status(); !status) return std::unexpected(status.error());
  return 0;
}

Result<> back_up(Database& database, const std::filesystem::path& file) {
  // Under another name until it is whole; SQLite writes into an empty file, which is nobody
  // else's to read.
  const std::string part = file.string() + ".part";
  std::error_code ignored;
  std::filesystem::remove(part, ignored);
  const int created = ::open(part.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (created < 0)
    return fail(Errc::failed_precondition, part + ": cannot be made: " + std::strerror(errno));
  ::close(created);
  if (auto copied = database.execute("VACUUM INTO ?", part); !copied)
    return std::unexpected(copied.error());
  const int written = ::open(part.c_str(), O_RDONLY | O_CLOEXEC);
  const bool kept =
      written >= 0 && ::fsync(written) == 0 && std::rename(part.c_str(), file.c_str()) == 0;
  const int error = errno;
  if (written >= 0) ::close(written);
  if (!kept) return fail(Errc::failed_precondition, file.string() + ": " + std::strerror(error));
  return {};
}

}  // namespace

std::span<const char* const> migrations() {
  return kMigrations;
}

Result<std::int64_t> version_of(Database& database, std::int64_t newest) {
  const auto application = value(database, "PRAGMA application_id");
  if (!application) return application;
  const auto tables = value(database, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables;
  if (*application != kApplicationId && (*application != 0 || *tables != 0))
    return fail(Errc::failed_precondition,
                "it is the database of another program; give the store a file of its own");
  auto version = value(database, "PRAGMA user_version");
  if (version && *version > newest)
    return fail(Errc::failed_precondition,
                fmt::format("it was written by a newer Viaduct (version {} of the store; this one "
                            "knows up to {}); start the newer one, or bring back a backup",
                            *version, newest));
  return version;
}

Result<> migrate(Database& database, const std::filesystem::path& file,
                 std::span<const char* const> steps, const Logger& log) {
  const auto newest = static_cast<std::int64_t>(steps.size());
  auto version = version_of(database, newest);
  if (!version) return std::unexpected(version.error());
  const bool empty = *version == 0;
  for (; *version < newest; ++*version) {
    if (!empty) {
      const auto backup = fmt::format("{}.backup-v{}", file.string(), *version);
      if (auto done = back_up(database, backup); !done)
        return fail(done.error().code,
                    "the backup before an upgrade of the store failed: " + done.error().message);
      log.info("store is upgraded from={} to={} backup={}", *version, *version + 1, backup);
    }
    const auto step = fmt::format(
        "BEGIN IMMEDIATE; {}; PRAGMA application_id = {}; PRAGMA user_version = {}; "
        "COMMIT;",
        steps[static_cast<std::size_t>(*version)], kApplicationId, *version + 1);
    if (auto done = database.script(step.c_str()); !done) {
      if (database.in_transaction()) (void)database.script("ROLLBACK");
      return fail(done.error().code, fmt::format("the upgrade of the store to version {} "
                                                 "failed: {}",
                                                 *version + 1, done.error().message));
    }
  }
  return {};
}

}  // namespace viaduct::store
