#include "host/store/opening.hpp"

#include "host/store/migrations.hpp"
#include "host/store/sql.hpp"
#include "host/store/words.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace viaduct::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kSmallFile = 4 << 20;  // checked whole when opened, in a few milliseconds

fs::path beside(const fs::path& file, std::string_view ending) {
  return file.string() + std::string(ending);
}

Result<> prepare_folder(const fs::path& file) {
  const auto folder = file.parent_path();
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return {};
  if (auto made = prepare_folder(folder); !made) return made;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(Errc::failed_precondition,
                folder.string() + ": cannot be made: " + std::strerror(errno));
  return {};
}

// For the owner's eyes only; SQLite gives its other files the mode of this one.
Result<> prepare_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const bool fine = descriptor >= 0 && ::fchmod(descriptor, 0600) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!fine)
    return fail(Errc::failed_precondition,
                file.string() + ": cannot be opened: " + std::strerror(error));
  for (const auto* ending : {"-wal", "-shm"}) (void)::chmod(beside(file, ending).c_str(), 0600);
  return {};
}

bool is_database(const fs::path& file) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  std::string head(kMagic.size(), '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  return stream.gcount() == 0 || head == kMagic;
}

struct Writer {
  std::unique_ptr<Database> database;
  std::uint64_t epoch = 0;
};

Result<std::uint64_t> begin_writing(Database& database, const SqliteOptions& options,
                                    const Logger& log) {
  const auto newest = static_cast<std::int64_t>(migrations().size());
  if (auto version = version_of(database, newest); !version)
    return std::unexpected(version.error());
  {
    Query mode(database, "PRAGMA journal_mode = WAL");
    const bool row = mode.next();
    if (auto status = mode.status(); !status) return std::unexpected(status.error());
    if (!row || mode.view(0) != "wal")
      return fail(Errc::failed_precondition,
                  "its file system cannot hold a database with a write-ahead log");
  }
  if (auto done = database.script("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; "
                                  "PRAGMA cache_size = -8000; PRAGMA cell_size_check = ON; "
                                  "PRAGMA journal_size_limit = 67108864");
      !done)
    return std::unexpected(done.error());
  std::error_code ignored;
  if (fs::file_size(options.path, ignored) <= kSmallFile) {
    Query check(database, "PRAGMA quick_check(1)");
    const bool row = check.next();
    if (auto status = check.status(); !status) return std::unexpected(status.error());
    if (!row || check.view(0) != "ok") {
      database.mark_damaged();
      return fail(Errc::unavailable, check.text(0));
    }
  }
  if (options.max_pages != 0)
    if (auto done =
            database.script(fmt::format("PRAGMA max_page_count = {}", options.max_pages).c_str());
        !done)
      return std::unexpected(done.error());
  if (auto done = migrate(database, options.path, migrations(), log); !done)
    return std::unexpected(done.error());
  std::uint64_t epoch = 0;
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  Query next(database, sql::kNextEpoch, now.count());
  while (next.next()) epoch = next.number(0);
  if (auto status = next.status(); !status) return std::unexpected(status.error());
  return epoch;
}

// Moves the file and what belongs to it out of the way, under a name that is free.
Result<> set_aside(const fs::path& file, std::string_view why, const Logger& log) {
  const auto now =
      std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  auto aside = beside(file, fmt::format(".corrupt-{:%Y%m%dT%H%M%SZ}", fmt::gmtime(now)));
  std::error_code error;
  for (int n = 2; fs::exists(aside, error); ++n)
    aside = beside(file, fmt::format(".corrupt-{:%Y%m%dT%H%M%SZ}-{}", fmt::gmtime(now), n));
  for (const auto* ending : {"-wal", "-shm", "-journal", ""}) {
    const auto from = beside(file, ending);
    if (!fs::exists(from, error)) continue;
    fs::rename(from, beside(aside, ending), error);
    if (error)
      return fail(Errc::failed_precondition,
                  fmt::format("{} is damaged ({}) and cannot be set aside: {}", file.string(), why,
                              error.message()));
  }
  log.error(
      "store is damaged and was set aside, a new and empty one is begun file={} kept_as={} "
      "reason={}",
      file.string(), aside.string(), why);
  return {};
}

Result<Writer> open_writer(const SqliteOptions& options, const Logger& log) {
  for (const bool again : {false, true}) {
    if (auto prepared = prepare_file(options.path); !prepared)
      return std::unexpected(prepared.error());
    std::string why = "it is not an SQLite database";
    if (is_database(options.path)) {
      auto database = Database::open(options.path);
      if (!database) return std::unexpected(database.error());
      auto epoch = begin_writing(**database, options, log);
      if (epoch) return Writer{std::move(*database), *epoch};
      if (again || !(*database)->damaged())
        return fail(Errc::failed_precondition,
                    options.path.string() + ": " + epoch.error().message);
      why = epoch.error().message;
    }
    if (auto moved = set_aside(options.path, why, log); !moved)
      return std::unexpected(moved.error());
  }
  return fail(Errc::internal, options.path.string() + ": a new store cannot be begun");
}

Result<std::unique_ptr<Database>> open_reader(const fs::path& file) {
  auto database = Database::open(file);
  if (!database) return database;
  if (auto done = (*database)->script("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; "
                                      "PRAGMA cache_size = -4000; PRAGMA cell_size_check = ON");
      !done)
    return std::unexpected(done.error());
  return database;
}

}  // namespace

Result<FileLock> FileLock::take(const std::filesystem::path& file) {
  const auto path = beside(file, ".lock");
  FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (lock.descriptor_ < 0)
    return fail(Errc::failed_precondition,
                path.string() + ": cannot be opened: " + std::strerror(errno));
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> pid{};
    const auto size = std::max<ssize_t>(::pread(lock.descriptor_, pid.data(), pid.size(), 0), 0);
    const auto by = trim({pid.data(), static_cast<std::size_t>(size)});
    return fail(Errc::failed_precondition,
                fmt::format("{} is in use by another viaduct (process {}); stop that one, or "
                            "give this one a store of its own",
                            file.string(), by.empty() ? "unknown" : by));
  }
  const auto pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.descriptor_, 0) != 0 ||
      ::pwrite(lock.descriptor_, pid.data(), pid.size(), 0) < 0) {
    // The number is for people only: on a full disk the lock holds all the same.
  }
  return lock;
}
FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<OpenFiles> open_files(SqliteOptions options, const Logger& log) {
  if (auto prepared = prepare_folder(options.path); !prepared)
    return std::unexpected(prepared.error());
  // The lock lies beside the file itself, whatever links lead to it.
  std::error_code error;
  if (auto real = fs::weakly_canonical(options.path, error); !error) options.path = std::move(real);
  auto lock = FileLock::take(options.path);
  if (!lock) return std::unexpected(lock.error());
  auto writer = open_writer(options, log);
  if (!writer) return std::unexpected(writer.error());
  auto reader = open_reader(options.path);
  if (!reader) return std::unexpected(reader.error());
  return OpenFiles{std::move(*lock), std::move(writer->database), std::move(*reader),
                   writer->epoch};
}

}  // namespace viaduct::store
