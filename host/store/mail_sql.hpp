// The statements of inbox.cpp and outbox.cpp. Here, so that a test can ask SQLite how it would run
// them.
#pragma once

namespace viaduct::store::sql {

// ---- inbox

// Keys of the log that are not in the index. It is rolled back with everything else.
inline constexpr char kMakeRecent[] =
    "CREATE TEMP TABLE recent (hash INTEGER PRIMARY KEY, event INTEGER NOT NULL, "
    "id INTEGER NOT NULL) STRICT; "
    "INSERT OR IGNORE INTO temp.recent SELECT hash, event, id FROM key_log ORDER BY id";
inline constexpr char kLastOfInbox[] =
    "SELECT max(coalesce((SELECT max(number) FROM inbox), 0), "
    "coalesce((SELECT event FROM key_log ORDER BY id DESC LIMIT 1), 0)), "
    "coalesce((SELECT max(id) FROM key_log), 0)";
inline constexpr char kRecentKey[] = "SELECT event FROM temp.recent WHERE hash = ?";
inline constexpr char kKnownKey[] = "SELECT event FROM known_keys WHERE hash = ?";
inline constexpr char kLogKey[] = "INSERT INTO key_log (id, hash, event) VALUES (?, ?, ?)";
inline constexpr char kAddRecent[] = "INSERT INTO temp.recent (hash, event, id) VALUES (?, ?, ?)";
inline constexpr char kAddEvent[] =
    "INSERT INTO inbox (number, space, key, payload, at) VALUES (?, ?, ?, ?, ?)";
inline constexpr char kRemoveEvent[] = "DELETE FROM inbox WHERE number = ?";
inline constexpr char kUnhandled[] =
    "SELECT number, key, payload, at FROM inbox WHERE space = ?1 AND number > ?2 ORDER BY number";
inline constexpr char kKeysInLog[] =
    "SELECT coalesce((SELECT max(id) FROM key_log) - (SELECT min(id) FROM key_log) + 1, 0)";
inline constexpr char kForgetKeys[] =
    "DELETE FROM known_keys WHERE hash BETWEEN ?1 AND ?2 AND event < ?3";
inline constexpr char kSortInKeys[] =
    "INSERT OR IGNORE INTO known_keys (hash, event) SELECT hash, event FROM temp.recent "
    "WHERE hash BETWEEN ?1 AND ?2 AND id <= ?3 ORDER BY hash";
inline constexpr char kForgetRecent[] =
    "DELETE FROM temp.recent WHERE hash BETWEEN ?1 AND ?2 AND id <= ?3";
inline constexpr char kShortenLog[] =
    "DELETE FROM key_log WHERE id <= min(?1, (SELECT min(id) FROM key_log) + ?2)";

// ---- outbox; states are ParcelState's

#define VIADUCT_PARCEL_COLUMNS                                                             \
  "number, space, key, target, edit, payload, state, result, reason, attempt, posted_at, " \
  "due_at, expires_at, changed_at, host, host_epoch"

inline constexpr char kAddParcel[] =
    "INSERT INTO outbox (space, key, target, edit, payload, state, result, reason, attempt, "
    "posted_at, due_at, expires_at, changed_at, renewed, dropped, host, host_epoch) "
    "VALUES (?, ?, ?, ?, ?, 0, '', '', 0, ?, ?, ?, ?, 0, 0, '', 0)";
inline constexpr char kParcelByKey[] =
    "SELECT " VIADUCT_PARCEL_COLUMNS " FROM outbox WHERE space = ? AND key = ?";
inline constexpr char kParcel[] = "SELECT " VIADUCT_PARCEL_COLUMNS " FROM outbox WHERE number = ?";
inline constexpr char kRenewParcel[] =
    "UPDATE outbox SET payload = ?2, expires_at = ?3, renewed = (state = 1) WHERE number = ?1";
inline constexpr char kRemoveParcel[] = "DELETE FROM outbox WHERE number = ?";
inline constexpr char kOpenTargets[] =
    "SELECT DISTINCT target FROM outbox INDEXED BY outbox_open "
    "WHERE space = ?1 AND state < 2 AND target > ?2 ORDER BY target LIMIT ?3";
inline constexpr char kNextParcel[] =
    "SELECT " VIADUCT_PARCEL_COLUMNS
    " FROM outbox INDEXED BY outbox_open WHERE space = ? AND target = ? AND state < 2 "
    "ORDER BY number LIMIT 1";
inline constexpr char kExpireParcel[] =
    "UPDATE outbox SET state = 5, reason = ?2, changed_at = ?3 WHERE number = ?1";
inline constexpr char kClaimParcel[] =
    "UPDATE outbox SET state = 1, attempt = attempt + ?2, changed_at = ?3, renewed = 0, "
    "host = '', host_epoch = ?4 WHERE number = ?1";
inline constexpr char kParcelIsRenewed[] =
    "SELECT renewed FROM outbox WHERE number = ? AND state = 1 AND host_epoch = ?";
inline constexpr char kSettleParcel[] =
    "UPDATE outbox SET state = ?2, result = ?3, reason = ?4, due_at = ?5, changed_at = ?6, "
    "renewed = 0, attempt = iif(renewed, 0, attempt), payload = iif(?2 = 2, '', payload) "
    "WHERE number = ?1";
// ?1: the space, or empty.
inline constexpr char kParcelsOfState[] =
    "SELECT " VIADUCT_PARCEL_COLUMNS
    " FROM outbox INDEXED BY outbox_for_people WHERE state = ?2 AND state <> 2 AND number < ?3 "
    "AND (?1 = '' OR space = ?1) AND dropped = 0 ORDER BY number DESC LIMIT ?4";
inline constexpr char kParcelsSent[] =
    "SELECT " VIADUCT_PARCEL_COLUMNS
    " FROM outbox WHERE state = ?2 AND number < ?3 AND (?1 = '' OR space = ?1) "
    "ORDER BY number DESC LIMIT ?4";
inline constexpr char kRetryParcel[] =
    "UPDATE outbox SET state = 0, reason = '', due_at = ?2, changed_at = ?2, expires_at = ?3, "
    "dropped = 0 WHERE number = ?1";
inline constexpr char kDropParcel[] =
    "UPDATE outbox SET state = 4, reason = ?2, changed_at = ?3, dropped = 1, payload = '' "
    "WHERE number = ?1";
inline constexpr char kMailWaiting[] =
    "SELECT space, state, count(*), min(posted_at) FROM outbox INDEXED BY outbox_for_people "
    "WHERE state <> 2 AND dropped = 0 GROUP BY space, state UNION ALL "
    "SELECT space, -1, count(*), min(at) FROM inbox GROUP BY space";
// What was sent or dropped before ?1, and everything that was done with before ?2.
inline constexpr char kForgetParcels[] =
    "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox INDEXED BY outbox_done "
    "WHERE state >= 2 AND changed_at < ?1 AND (state = 2 OR dropped = 1 OR changed_at < ?2) "
    "LIMIT ?3)";

}  // namespace viaduct::store::sql
