// JSON text of the memory service, as viaduct_memory in abi.h says. Any thread.
#pragma once

#include "host/error.hpp"
#include "host/memory/memory.hpp"
#include "host/store/store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace viaduct::memory {

std::string memory_json(const store::Memory& memory);
std::string matches_json(const std::vector<store::Memory>& matches);
// `result` is JSON.
std::string reply_json(std::string_view response, Action action, std::string_view result);
std::string items_json(std::string_view items);

// The items of a work log, whole: a status that is missing is "pending", a time that is missing is
// `now`. What is wrong is named.
Result<std::string> parse_work_log(std::string_view items, store::Micros now);

}  // namespace viaduct::memory
