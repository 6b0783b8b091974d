// The database's versions: numbered, forward only. Used while the store is opened.
#pragma once

#include "host/error.hpp"
#include "host/store/database.hpp"
#include "host/telemetry/log.hpp"

#include <filesystem>
#include <span>

namespace viaduct::store {

// Step n (from 1) makes version n of version n - 1. Never change one that was released.
std::span<const char* const> migrations();

// Brings the file to the newest version; before each step it copies a file that was there already
// to `<file>.backup-v<version>`. Refuses a file of a newer version, and one of another program.
Result<> migrate(Database& database, const std::filesystem::path& file,
                 std::span<const char* const> steps, const Logger& log);

}  // namespace viaduct::store
