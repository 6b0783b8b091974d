// The files of a session's folder: opened without following links, read within limits, replaced as
// a whole. Blocks; any thread, one at a time for each folder.
#pragma once

#include "plugins/bridge/transcript_folders.hpp"

#include <sys/stat.h>
#include <cstddef>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <viaduct/net/fd.hpp>

namespace viaduct::bridge {

std::unexpected<FolderError> folder_error(FolderError::Kind kind, std::string message);
// By errno. Only what is certainly not there is not found.
std::unexpected<FolderError> os_error(const std::string& what);

// A folder below another one, never through a link.
FolderResult<net::Fd> open_folder(int parent, const std::string& name, bool make);
// A plain file, never through a link.
FolderResult<net::Fd> open_file(int folder, const char* name, struct stat* about);

// At most `most` bytes of a file, in pieces, until `take` says that it has enough. False: it could
// not be read (errno).
bool read_file(int fd, std::size_t most, const std::function<bool(std::string_view)>& take);
bool read_file(int fd, std::size_t most, std::string& text);  // appends to it
// What a file of at most `most` bytes has; nothing where it is not there or cannot be read.
std::string small_file(int folder, const char* name, std::size_t most);

// Replaces the file by one that has the first `kept` bytes of `old` and these. What is on disk is
// the old or the new one at any moment, but for the folder's own fsync.
FolderResult<> replace_file(int folder, const char* name, std::string_view bytes, int old = -1,
                            std::size_t kept = 0);

// Removes a folder with all that is in it, never through a link.
FolderResult<> remove_folder(int parent, const std::string& name);

}  // namespace viaduct::bridge
