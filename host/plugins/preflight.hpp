// Tries plugin files in child processes, so that one that crashes or hangs while it is loaded takes
// down nobody else. Any thread; blocks.
#pragma once

#include "host/error.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace viaduct::plugins {

// A verdict for each file, in their order. One child tries all; after one that killed it, another
// goes on behind it. `limit` is for each file.
std::vector<Result<>> preflight_files(const std::string& executable,
                                      const std::vector<std::string>& files,
                                      std::chrono::milliseconds limit);

}  // namespace viaduct::plugins
