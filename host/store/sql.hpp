// The statements of sqlite.cpp. Here, so that a test can ask SQLite how it would run them.
#pragma once

namespace viaduct::store::sql {

#define VIADUCT_SESSION_COLUMNS                                                          \
  "id, owner, surface, user_id, create_key, backend, agent_type, native_id, "            \
  "previous_native_id, native_at, native_dead, failures, context_pending, working_dir, " \
  "project_id, title, description, options, created_at, last_active, ended, last_seq, "  \
  "last_entry, last_turn, host, host_epoch, folder_id"
#define VIADUCT_TURN_COLUMNS "session, number, key, message_entry, state, stop_reason, error"

// ?1: the time. A number that was ever used is not used again, also not when an older copy of the
// file is put back: a viewer's cursor must not fit into another life.
inline constexpr char kNextEpoch[] = "UPDATE host SET epoch = max(epoch + 1, ?1) RETURNING epoch";
inline constexpr char kCounts[] = "SELECT sessions, memories FROM host";

// Owner and creation key never change in practice: so their index is left alone.
inline constexpr char kUpdateSession[] =
    "UPDATE sessions SET surface = ?3, user_id = ?4, backend = ?6, agent_type = ?7, "
    "native_id = ?8, previous_native_id = ?9, native_at = ?10, native_dead = ?11, "
    "failures = ?12, context_pending = ?13, working_dir = ?14, project_id = ?15, title = ?16, "
    "description = ?17, options = ?18, created_at = ?19, last_active = ?20, ended = ?21, "
    "last_seq = ?22, last_entry = ?23, last_turn = ?24, host = ?25, host_epoch = ?26, folder_id = "
    "?27 "
    "WHERE id = ?1 AND owner = ?2 AND create_key = ?5";
inline constexpr char kPutSession[] =
    "INSERT INTO sessions (" VIADUCT_SESSION_COLUMNS
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, "
    "?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27) ON CONFLICT (id) DO UPDATE SET owner = ?2, "
    "surface = ?3, user_id = ?4, create_key = ?5, backend = ?6, agent_type = ?7, "
    "native_id = ?8, previous_native_id = ?9, native_at = ?10, native_dead = ?11, "
    "failures = ?12, context_pending = ?13, working_dir = ?14, project_id = ?15, title = ?16, "
    "description = ?17, options = ?18, created_at = ?19, last_active = ?20, ended = ?21, "
    "last_seq = ?22, last_entry = ?23, last_turn = ?24, host = ?25, host_epoch = ?26, folder_id = "
    "?27";
inline constexpr char kSession[] = "SELECT " VIADUCT_SESSION_COLUMNS " FROM sessions WHERE id = ?";
inline constexpr char kSessionByKey[] =
    "SELECT " VIADUCT_SESSION_COLUMNS
    " FROM sessions WHERE owner = ? AND create_key = ? AND create_key <> ''";
inline constexpr char kSessionsOfOwner[] =
    "SELECT " VIADUCT_SESSION_COLUMNS
    " FROM sessions INDEXED BY sessions_by_owner WHERE owner = ? AND ended = ? AND "
    "(last_active, id) < (?, ?) ORDER BY last_active DESC, id DESC LIMIT ?";
inline constexpr char kSessionsOfAll[] =
    "SELECT " VIADUCT_SESSION_COLUMNS
    " FROM sessions INDEXED BY sessions_by_time WHERE ended = ? AND "
    "(last_active, id) < (?, ?) ORDER BY last_active DESC, id DESC LIMIT ?";

// ?2 and ?3: the prefix, and what is behind all that begins with it.
inline constexpr char kSessionsByPrefix[] =
    "SELECT " VIADUCT_SESSION_COLUMNS
    " FROM sessions WHERE id >= ?2 AND id < ?3 AND (+owner = ?1 OR ?1 = '') "
    "ORDER BY id LIMIT ?4";
inline constexpr char kIdsOfSessions[] =
    "SELECT id, native_id, previous_native_id, create_key, backend = ?1 FROM sessions";
inline constexpr char kRivalOfSession[] =
    "SELECT id FROM sessions INDEXED BY sessions_by_native_id "
    "WHERE backend = ?1 AND native_id = ?2 AND native_id <> '' AND id <> ?3 LIMIT 1";
inline constexpr char kSessionBytes[] =
    "SELECT coalesce((SELECT sum(length(CAST(data AS BLOB)) + length(CAST(text AS BLOB))) "
    "FROM entries WHERE session = ?1), 0) + coalesce((SELECT sum(length(CAST(text AS BLOB))) "
    "FROM pieces WHERE session = ?1), 0)";

inline constexpr char kBeginSession[] = "INSERT OR IGNORE INTO unfinished (session) VALUES (?)";
inline constexpr char kFinishSession[] = "DELETE FROM unfinished WHERE session = ?";
inline constexpr char kUnfinished[] = "SELECT session FROM unfinished";
inline constexpr char kRemoveSession[] = "DELETE FROM sessions WHERE id = ?";
// Some of what is left of a session, ?2 at a time.
inline constexpr const char* kRemoveRows[] = {
    "DELETE FROM pieces WHERE session = ?1 AND (entry, position) IN "
    "(SELECT entry, position FROM pieces WHERE session = ?1 LIMIT ?2)",
    "DELETE FROM entries WHERE session = ?1 AND number IN "
    "(SELECT number FROM entries WHERE session = ?1 LIMIT ?2)",
    "DELETE FROM turns WHERE session = ?1 AND number IN "
    "(SELECT number FROM turns WHERE session = ?1 LIMIT ?2)",
    "DELETE FROM audit WHERE id IN "
    "(SELECT id FROM audit WHERE session = ?1 AND event <> 'purged' LIMIT ?2)"};
inline constexpr char kPages[] =
    "SELECT (SELECT page_count FROM pragma_page_count), "
    "(SELECT freelist_count FROM pragma_freelist_count), "
    "(SELECT page_size FROM pragma_page_size)";

inline constexpr char kAddEntry[] =
    "INSERT INTO entries (session, number, seq, turn, type, complete, at, data, text) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
// The piece carries the entry's seq, so that the entry itself is left alone.
inline constexpr char kAppendText[] =
    "INSERT INTO pieces (session, entry, position, seq, text) SELECT ?1, ?2, ?3, ?4, ?5 "
    "WHERE EXISTS (SELECT 1 FROM entries WHERE session = ?1 AND number = ?2 AND complete = 0)";
inline constexpr char kPieces[] =
    "SELECT seq, text FROM pieces WHERE session = ? AND entry = ? ORDER BY position";
inline constexpr char kRemovePieces[] = "DELETE FROM pieces WHERE session = ? AND entry = ?";
inline constexpr char kEntryText[] = "SELECT text FROM entries WHERE session = ? AND number = ?";
inline constexpr char kSetEntry[] =
    "UPDATE entries SET seq = ?3, complete = ?4, data = ?5 WHERE session = ?1 AND number = ?2";
inline constexpr char kSetEntryAndText[] =
    "UPDATE entries SET seq = ?3, complete = ?4, data = ?5, text = ?6 "
    "WHERE session = ?1 AND number = ?2";
inline constexpr char kEntries[] =
    "SELECT number, seq, turn, type, complete, at, data, text FROM entries "
    "WHERE session = ? AND number < ? ORDER BY number DESC LIMIT ?";

inline constexpr char kUpdateTurn[] =
    "UPDATE turns SET message_entry = ?4, state = ?5, stop_reason = ?6, error = ?7 "
    "WHERE session = ?1 AND number = ?2 AND key = ?3";
inline constexpr char kPutTurn[] =
    "INSERT INTO turns (" VIADUCT_TURN_COLUMNS
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (session, number) DO UPDATE SET "
    "key = ?3, message_entry = ?4, state = ?5, stop_reason = ?6, error = ?7";
inline constexpr char kTurn[] =
    "SELECT " VIADUCT_TURN_COLUMNS " FROM turns WHERE session = ? AND number = ?";
inline constexpr char kTurnByKey[] =
    "SELECT " VIADUCT_TURN_COLUMNS " FROM turns WHERE session = ? AND key = ? AND key <> ''";
inline constexpr char kOpenTurns[] =
    "SELECT " VIADUCT_TURN_COLUMNS
    " FROM turns INDEXED BY turns_open WHERE state < 2 ORDER BY session, number";
inline constexpr char kOpenTurnsOfSession[] =
    "SELECT " VIADUCT_TURN_COLUMNS
    " FROM turns INDEXED BY turns_open WHERE state < 2 AND session = ? ORDER BY number";

inline constexpr char kAddAudit[] =
    "INSERT INTO audit (session, at, event, detail) VALUES (?, ?, ?, ?)";
inline constexpr char kAudit[] =
    "SELECT session, at, event, detail FROM audit WHERE session = ? ORDER BY id DESC LIMIT ?";
inline constexpr char kAuditOfAll[] =
    "SELECT session, at, event, detail FROM audit ORDER BY id DESC LIMIT ?";

inline constexpr char kDocument[] =
    "SELECT key, version, value FROM documents WHERE space = ? AND key = ?";
inline constexpr char kPutDocument[] =
    "INSERT INTO documents (space, key, version, value) VALUES (?1, ?2, ?3, ?4) "
    "ON CONFLICT (space, key) DO UPDATE SET version = ?3, value = ?4";
inline constexpr char kRemoveDocument[] = "DELETE FROM documents WHERE space = ? AND key = ?";
inline constexpr char kScanDocuments[] =
    "SELECT key, version, value FROM documents WHERE space = ?1 AND key >= ?2 AND "
    "(?3 = '' OR key < ?3) ORDER BY key LIMIT ?4";

inline constexpr char kMemoryOwner[] =
    "SELECT id, newest, work_log FROM memory_owners WHERE owner = ?";
inline constexpr char kCountMemory[] =
    "INSERT INTO memory_owners (owner, newest) VALUES (?, 1) "
    "ON CONFLICT (owner) DO UPDATE SET newest = newest + 1 RETURNING id, newest";
inline constexpr char kAddMemory[] =
    "INSERT INTO memories (scope, name, at, category, content, tags) VALUES (?, ?, ?, ?, ?, ?)";
inline constexpr char kFindMemories[] =
    "SELECT m.name, m.at, m.category, m.content, m.tags FROM memory_index "
    "JOIN memories m ON m.id = memory_index.rowid WHERE memory_index MATCH ? "
    "ORDER BY bm25(memory_index, 0.0, 1.0, 1.0, 1.0), m.id DESC LIMIT ?";
inline constexpr char kSetWorkLog[] =
    "INSERT INTO memory_owners (owner, work_log) VALUES (?1, ?2) "
    "ON CONFLICT (owner) DO UPDATE SET work_log = ?2";

#undef VIADUCT_SESSION_COLUMNS
#undef VIADUCT_TURN_COLUMNS

}  // namespace viaduct::store::sql
