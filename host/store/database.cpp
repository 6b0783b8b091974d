#include "host/store/database.hpp"

#include "host/store/wal_file.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <limits>
#include <utility>

namespace viaduct::store {

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, collecting_vfs());
  std::unique_ptr<Database> database(new Database(handle));
  if (code != SQLITE_OK) return std::unexpected(database->failure(code));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // Replaces the automatic checkpoint: the one who writes says when.
  sqlite3_wal_hook(
      handle,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Database*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      database.get());
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Result<> Database::script(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(failure(code));
  return {};
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_) == 0;
}

Result<> Database::checkpoint(bool truncate) {
  int left = 0;
  const int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  const int code = sqlite3_wal_checkpoint_v2(handle_, nullptr, mode, &left, nullptr);
  if (code == SQLITE_BUSY) return {};  // a reader is in the way: next time
  if (code != SQLITE_OK) return std::unexpected(failure(code));
  log_pages_ = 0;
  return {};
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(handle_);
}

sqlite3_stmt* Database::prepare(const char* sql, int& code) {
  auto& statement = statements_[sql];
  if (statement == nullptr)
    code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  return statement;
}

Error Database::failure(int code) {
  const auto told = [&](Errc errc, std::string_view words) {
    return Error{errc, fmt::format("{} ({}, SQLite {})", words,
                                   handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code), code)};
  };
  if (handle_ != nullptr && (code & 0xFF) == SQLITE_IOERR &&
      sqlite3_system_errno(handle_) == ENOSPC)
    return told(Errc::unavailable, "the disk of the store is full");
  switch (code & 0xFF) {
    case SQLITE_FULL: return told(Errc::unavailable, "the disk of the store is full");
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_UNIQUE)
        return told(Errc::conflict, "the store has one with this key already");
      return told(Errc::internal, "the store cannot take this");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      damaged_ = true;
      return told(Errc::unavailable, "the store's file is damaged");
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_NOMEM: return told(Errc::unavailable, "the store cannot use its file");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return told(Errc::unavailable, "another program keeps the store's file locked");
    default: return told(Errc::internal, "the store failed");
  }
}

Query::Query(Database& database, const char* sql, Begin)
    : database_(database), statement_(database.prepare(sql, code_)) {}

Query::~Query() {
  sqlite3_reset(statement_);
}

void Query::bind(int position, std::string_view text) {
  if (code_ != SQLITE_OK) return;
  // A null pointer would be NULL, not an empty text.
  code_ = sqlite3_bind_text64(statement_, position, text.data() ? text.data() : "", text.size(),
                              SQLITE_STATIC, SQLITE_UTF8);
}

void Query::bind_integer(int position, std::int64_t value) {
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_, position, value);
}

bool Query::next() {
  if (code_ != SQLITE_OK && code_ != SQLITE_ROW) return false;
  code_ = sqlite3_step(statement_);
  return code_ == SQLITE_ROW;
}

Result<> Query::status() const {
  if (code_ == SQLITE_OK || code_ == SQLITE_ROW || code_ == SQLITE_DONE) return {};
  return std::unexpected(database_.failure(code_));
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Query::view(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace viaduct::store
