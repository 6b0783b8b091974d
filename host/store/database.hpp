// One connection to an SQLite file and its prepared statements. Used by one thread at a time; the
// store owns two of them.
#pragma once

#include "host/error.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

struct sqlite3;
struct sqlite3_stmt;

namespace viaduct::store {

class Database {
 public:
  // The file must be there (an empty one will do). Closing it does not checkpoint; see close().
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Several statements without results.
  Result<> script(const char* sql);
  // Runs one statement to its end; how many rows it changed. `sql` is a literal: statements are
  // kept by its address.
  template <class... Args>
  Result<std::int64_t> execute(const char* sql, Args&&... args);

  bool in_transaction() const;
  // Pages in the write-ahead log after the newest commit.
  int log_pages() const { return log_pages_; }
  // Moves what it can from the log into the file, without waiting; `truncate`: all of it, waiting
  // for readers a little.
  Result<> checkpoint(bool truncate);
  // A statement found the file malformed.
  bool damaged() const { return damaged_; }
  void mark_damaged() { damaged_ = true; }

 private:
  friend class Query;
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3_stmt* prepare(const char* sql, int& code);
  Error failure(int code);
  std::int64_t changes() const;

  sqlite3* handle_;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
  int log_pages_ = 0;
  bool damaged_ = false;
};

// One run of a prepared statement, until destroyed. Texts given to it are borrowed until then.
class Query {
 public:
  template <class... Args>
  Query(Database& database, const char* sql, Args&&... args) : Query(database, sql, Begin{}) {
    static_assert((!std::is_same_v<Args, std::string> && ...), "a text must outlive its query");
    int position = 0;
    (bind(++position, args), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // True: there is a row. False: at the end, or failed; status() tells which.
  bool next();
  Result<> status() const;

  std::int64_t integer(int column) const;
  std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  bool flag(int column) const { return integer(column) != 0; }
  std::string_view view(int column) const;  // until the next next()
  std::string text(int column) const { return std::string(view(column)); }

 private:
  struct Begin {};
  Query(Database& database, const char* sql, Begin);
  void bind(int position, std::string_view text);
  template <class T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  void bind(int position, T value) {
    bind_integer(position, static_cast<std::int64_t>(value));
  }
  void bind_integer(int position, std::int64_t value);

  Database& database_;
  int code_ = 0;
  sqlite3_stmt* statement_;  // its preparation may set code_
};

template <class... Args>
Result<std::int64_t> Database::execute(const char* sql, Args&&... args) {
  Query query(*this, sql, args...);
  while (query.next()) {
  }
  if (auto status = query.status(); !status) return std::unexpected(std::move(status.error()));
  return changes();
}

}  // namespace viaduct::store
