// What a shared library exports, read from the file without loading it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace viaduct::testing {

struct Exports {
  std::vector<std::string> defined;  // global or weak, visible
  std::vector<std::string> unique;   // STB_GNU_UNIQUE
};

// Nothing for what is no 64-bit ELF file of this machine's byte order; `why` says so.
std::optional<Exports> read_exports(const std::string& path, std::string& why);

}  // namespace viaduct::testing
