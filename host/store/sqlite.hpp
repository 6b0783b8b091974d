// The store in one SQLite file: a thread that writes and checkpoints, committing what many callers
// gave it in one transaction, and a thread that reads. Calls never wait for the disk; the queues
// are as long as what the callers have under way.
#pragma once

#include "host/error.hpp"
#include "host/store/store.hpp"
#include "host/telemetry/log.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace viaduct {
class Loop;
}

namespace viaduct::store {

struct SqliteOptions {
  std::filesystem::path path;   // its folder is made, 0700, if it is not there
  std::uint32_t max_pages = 0;  // of the file, 4 KiB each; 0: as many as the disk holds
};

// Blocks. Upgrades an older file, after copying it; a damaged one is set aside as
// `<path>.corrupt-<time>` and a new one begun, with an error in the log. failed_precondition when
// another host uses it, when it is newer than this program, or when it cannot be read.
Result<std::unique_ptr<Store>> open_sqlite(Loop& loop, SqliteOptions options, Logger log);

}  // namespace viaduct::store
