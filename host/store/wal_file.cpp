#include "host/store/wal_file.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <new>
#include <vector>

namespace viaduct::store {
namespace {

constexpr std::size_t kMostCollected = 1 << 20;
constexpr int kMostAtOnce = 64 << 10;     // SQLite's own VFS cannot write 128 KiB in one call
constexpr std::size_t kKept = 256 << 10;  // of the memory, for the next commit

// What lies in the memory that SQLite gives for a log, before the file of the default VFS.
struct LogFile {
  sqlite3_file base;  // first: SQLite sees this
  sqlite3_file* real;
  std::vector<char>* collected;
  sqlite3_int64 begin;  // where `collected` goes
};

LogFile& log_file(sqlite3_file* file) {
  return *reinterpret_cast<LogFile*>(file);
}

int write_collected(LogFile& log) {
  int code = SQLITE_OK;
  const auto size = static_cast<int>(log.collected->size());
  for (int at = 0; at < size && code == SQLITE_OK; at += kMostAtOnce)
    code = log.real->pMethods->xWrite(log.real, log.collected->data() + at,
                                      std::min(kMostAtOnce, size - at), log.begin + at);
  log.collected->clear();
  if (log.collected->capacity() > kKept) log.collected->shrink_to_fit();
  return code;
}

int close(sqlite3_file* file) {
  LogFile& log = log_file(file);
  const int written = write_collected(log);
  const int closed = log.real->pMethods->xClose(log.real);
  delete log.collected;
  return written != SQLITE_OK ? written : closed;
}

int read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  LogFile& log = log_file(file);
  if (const int code = write_collected(log); code != SQLITE_OK) return code;
  return log.real->pMethods->xRead(log.real, data, size, offset);
}

int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  LogFile& log = log_file(file);
  auto& collected = *log.collected;
  const auto end = log.begin + static_cast<sqlite3_int64>(collected.size());
  if (!collected.empty() && (offset != end || collected.size() >= kMostCollected)) {
    if (const int code = write_collected(log); code != SQLITE_OK) return code;
  }
  try {
    if (collected.empty()) log.begin = offset;
    const auto* bytes = static_cast<const char*>(data);
    collected.insert(collected.end(), bytes, bytes + size);
  } catch (const std::bad_alloc&) {
    return SQLITE_IOERR_NOMEM;
  }
  return SQLITE_OK;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  LogFile& log = log_file(file);
  if (const int code = write_collected(log); code != SQLITE_OK) return code;
  return log.real->pMethods->xTruncate(log.real, size);
}

int sync(sqlite3_file* file, int flags) {
  LogFile& log = log_file(file);
  if (const int code = write_collected(log); code != SQLITE_OK) return code;
  return log.real->pMethods->xSync(log.real, flags);
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  LogFile& log = log_file(file);
  if (const int code = write_collected(log); code != SQLITE_OK) return code;
  return log.real->pMethods->xFileSize(log.real, size);
}

int lock(sqlite3_file* file, int kind) {
  return log_file(file).real->pMethods->xLock(log_file(file).real, kind);
}
int unlock(sqlite3_file* file, int kind) {
  return log_file(file).real->pMethods->xUnlock(log_file(file).real, kind);
}
int check_reserved(sqlite3_file* file, int* result) {
  return log_file(file).real->pMethods->xCheckReservedLock(log_file(file).real, result);
}
int control(sqlite3_file* file, int what, void* argument) {
  LogFile& log = log_file(file);
  if (const int code = write_collected(log); code != SQLITE_OK) return code;
  return log.real->pMethods->xFileControl(log.real, what, argument);
}
int sector_size(sqlite3_file* file) {
  return log_file(file).real->pMethods->xSectorSize(log_file(file).real);
}
int characteristics(sqlite3_file* file) {
  return log_file(file).real->pMethods->xDeviceCharacteristics(log_file(file).real);
}

// Version 1: a log has neither shared memory nor a mapping of its own.
constexpr sqlite3_io_methods kMethods{.iVersion = 1,
                                      .xClose = close,
                                      .xRead = read,
                                      .xWrite = write,
                                      .xTruncate = truncate,
                                      .xSync = sync,
                                      .xFileSize = file_size,
                                      .xLock = lock,
                                      .xUnlock = unlock,
                                      .xCheckReservedLock = check_reserved,
                                      .xFileControl = control,
                                      .xSectorSize = sector_size,
                                      .xDeviceCharacteristics = characteristics,
                                      .xShmMap = nullptr,
                                      .xShmLock = nullptr,
                                      .xShmBarrier = nullptr,
                                      .xShmUnmap = nullptr,
                                      .xFetch = nullptr,
                                      .xUnfetch = nullptr};

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* opened) {
  sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
  (void)vfs;
  if ((flags & SQLITE_OPEN_WAL) == 0) return real->xOpen(real, name, file, flags, opened);
  LogFile& log = log_file(file);
  log.base.pMethods = nullptr;
  log.real = reinterpret_cast<sqlite3_file*>(&log + 1);
  log.begin = 0;
  const int code = real->xOpen(real, name, log.real, flags, opened);
  if (code != SQLITE_OK) return code;
  log.collected = new (std::nothrow) std::vector<char>();
  if (log.collected == nullptr) {
    log.real->pMethods->xClose(log.real);
    return SQLITE_NOMEM;
  }
  log.base.pMethods = &kMethods;
  return SQLITE_OK;
}

}  // namespace

const char* collecting_vfs() {
  static constexpr const char* kName = "viaduct";
  // SQLite keeps one list of them for the process.
  static sqlite3_vfs ours = [] {
    sqlite3_vfs vfs = *sqlite3_vfs_find(nullptr);
    vfs.szOsFile += static_cast<int>(sizeof(LogFile));
    vfs.zName = kName;
    vfs.pNext = nullptr;
    vfs.xOpen = open;
    return vfs;
  }();
  static const bool registered = sqlite3_vfs_register(&ours, 0) == SQLITE_OK;
  return registered ? kName : nullptr;
}

}  // namespace viaduct::store
