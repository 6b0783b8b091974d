// The database's versions: numbered, forward only. Used while the store is opened.
#pragma once

#include "host/error.hpp"
#include "host/store/database.hpp"
#include "host/telemetry/log.hpp"

#include <cstdint>
#include <filesystem>
#include <span>

namespace viaduct::store {

// Step n (from 1) makes version n of version n - 1. Never change one that was released.
std::span<const char* const> migrations();

// The file's version, 0 for an empty one, without touching it. failed_precondition: it is newer
// than `newest`, or of another program.
Result<std::int64_t> version_of(Database& database, std::int64_t newest);

// Brings the file to the newest version; before each step it copies a file that was there already
// to `<file>.backup-v<version>`. Refuses what version_of refuses.
Result<> migrate(Database& database, const std::filesystem::path& file,
                 std::span<const char* const> steps, const Logger& log);

}  // namespace viaduct::store
