// Finds, checks, upgrades and locks the files of the store, before its threads begin.
#pragma once

#include "host/error.hpp"
#include "host/store/database.hpp"
#include "host/store/sqlite.hpp"
#include "host/telemetry/log.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>

namespace viaduct::store {

// Held for as long as the store is open; the kernel lets go of it when the process ends.
class FileLock {
 public:
  static Result<FileLock> take(const std::filesystem::path& file);
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

struct OpenFiles {
  FileLock lock;
  std::unique_ptr<Database> writer;  // the only one that writes and checkpoints
  std::unique_ptr<Database> reader;
  std::uint64_t epoch = 0;
};
Result<OpenFiles> open_files(SqliteOptions options, const Logger& log);

}  // namespace viaduct::store
