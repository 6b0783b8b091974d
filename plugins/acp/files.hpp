// Files for an agent, inside of one folder and nowhere else: symbolic links that lead out of it are
// not followed (openat2, RESOLVE_BENEATH). Blocks, for at most Config::max_file. Any thread.
#pragma once

#include "plugins/acp/protocol.hpp"

#include <cstddef>
#include <string>
#include <viaduct/net/loop.hpp>

namespace viaduct::acp {

// The path below `folder`, which is absolute: "a/b". kPermissionDenied: it lies elsewhere.
net::Result<std::string> path_below(const std::string& folder, const std::string& path);
// The real path of the folder `path`, which is `folder` (as an empty one is) or lies below it when
// symbolic links have been followed. kNotFound, kPermissionDenied.
net::Result<std::string> folder_below(const std::string& folder, const std::string& path);

// kNotFound, kPermissionDenied, kInvalidArgument (no text, too large), kUnavailable.
net::Result<std::string> read_file(const std::string& folder, const ReadFile& request,
                                   std::size_t most);
// Whole or not at all; a new file is readable by the user alone.
net::Result<> write_file(const std::string& folder, const WriteFile& request, std::size_t most);

}  // namespace viaduct::acp
