// The files that a subcommand of a plugin hands to the command line, which alone runs where the
// person is. Any thread; blocks.
#pragma once

#include "host/error.hpp"

#include <string>
#include <vector>

namespace viaduct::cli {

struct ToolFile {
  std::string path;
  std::string base64;
};

// Writes all of them, each whole or not at all, with mode 0644. Only to what the person named as
// the value of an option, "--out FILE" or "--out=FILE", letter by letter: with any other path among
// them nothing is written.
Result<> write_files(const std::vector<ToolFile>& files, const std::vector<std::string>& arguments);

}  // namespace viaduct::cli
