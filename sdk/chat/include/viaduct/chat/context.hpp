// What others said around a message, as the sessions service takes it. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace viaduct::chat {

// [{"author","text"}], the newest of `lines` that fit into `limit` bytes; empty: none.
struct EarlierLine {
  std::string author;
  std::string text;
};
std::string context_json(const std::vector<EarlierLine>& lines, std::size_t limit);

}  // namespace viaduct::chat
