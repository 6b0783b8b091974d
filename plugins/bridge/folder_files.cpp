#include "plugins/bridge/folder_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace viaduct::bridge {

using net::Fd;

std::unexpected<FolderError> folder_error(FolderError::Kind kind, std::string message) {
  return std::unexpected(FolderError{kind, std::move(message)});
}

std::unexpected<FolderError> os_error(const std::string& what) {
  const int why = errno;
  const auto kind = why == ENOENT ? FolderError::Kind::kNotFound
                    : why == ELOOP || why == ENOTDIR || why == ENAMETOOLONG
                        ? FolderError::Kind::kRefused
                        : FolderError::Kind::kUnavailable;
  std::string words = why == ELOOP     ? "a symbolic link is in the way"
                      : why == ENOTDIR ? "something that is no folder is in the way"
                                       : std::generic_category().message(why);
  return folder_error(kind, what + ": " + words);
}

FolderResult<Fd> open_folder(int parent, const std::string& name, bool make) {
  if (make) {
    if (::mkdirat(parent, name.c_str(), 0700) == 0)
      ::fsync(parent);
    else if (errno != EEXIST)
      return os_error(name);
  }
  Fd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return os_error(name);
  return fd;
}

FolderResult<Fd> open_file(int folder, const char* name, struct stat* about) {
  Fd fd(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd || ::fstat(fd.get(), about) != 0) return os_error(name);
  if (!S_ISREG(about->st_mode))
    return folder_error(FolderError::Kind::kRefused,
                        std::string(name) + ": something that is no plain file is in the way");
  return fd;
}

bool read_file(int fd, std::size_t most, const std::function<bool(std::string_view)>& take) {
  std::string buffer(std::min<std::size_t>(most, 256 << 10), '\0');
  while (most > 0) {
    const ssize_t n = ::read(fd, buffer.data(), std::min(most, buffer.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) return true;
    if (!take({buffer.data(), static_cast<std::size_t>(n)})) return true;
    most -= static_cast<std::size_t>(n);
  }
  return true;
}

bool read_file(int fd, std::size_t most, std::string& text) {
  return read_file(fd, most, [&text](std::string_view piece) {
    text += piece;
    return true;
  });
}

std::string small_file(int folder, const char* name, std::size_t most) {
  struct stat about{};
  const auto fd = open_file(folder, name, &about);
  std::string text;
  if (!fd || static_cast<std::size_t>(about.st_size) > most || !read_file(fd->get(), most, text))
    return {};
  return text;
}

namespace {

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool copy_all(int from, int to, std::size_t size) {
  std::size_t copied = 0;
  if (::lseek(from, 0, SEEK_SET) < 0) return false;
  while (copied < size) {
    const ssize_t n = ::copy_file_range(from, nullptr, to, nullptr, size - copied, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    copied += static_cast<std::size_t>(n);
  }
  if (copied == size) return true;
  // A file system that cannot: by hand, from where it stopped.
  if (::lseek(from, static_cast<off_t>(copied), SEEK_SET) < 0) return false;
  bool is_written = true;
  return read_file(from, size - copied,
                   [&](std::string_view piece) { return is_written = write_all(to, piece); }) &&
         is_written;
}

}  // namespace

FolderResult<> replace_file(int folder, const char* name, std::string_view bytes, int old,
                            std::size_t kept) {
  const std::string part = "." + std::string(name) + ".part";
  ::unlinkat(folder, part.c_str(), 0);
  Fd fd(::openat(folder, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return os_error(name);
  if ((kept > 0 && !copy_all(old, fd.get(), kept)) || !write_all(fd.get(), bytes) ||
      ::fsync(fd.get()) != 0 || ::renameat(folder, part.c_str(), folder, name) != 0) {
    const auto why = os_error(name);
    ::unlinkat(folder, part.c_str(), 0);
    return why;
  }
  return {};
}

namespace {

constexpr int kDeepest = 100;  // folders in each other; each holds a descriptor

FolderResult<std::vector<std::string>> names_in(int folder) {
  // Of its own: reading moves a descriptor that others may hold.
  Fd own(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, int (*)(DIR*)> all(own ? ::fdopendir(own.get()) : nullptr, ::closedir);
  if (!all) return os_error("the folder");
  own.release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* one = ::readdir(all.get());
    if (one == nullptr && errno != 0) return os_error("the folder");
    if (one == nullptr) return names;
    if (const std::string_view name = one->d_name; name != "." && name != "..")
      names.emplace_back(name);
  }
}

FolderResult<> remove_below(int parent, const std::string& name, int depth) {
  if (depth > kDeepest)
    return folder_error(FolderError::Kind::kRefused, name + ": folders are nested without end");
  const auto folder = open_folder(parent, name, false);
  if (!folder) return std::unexpected(folder.error());
  const auto names = names_in(folder->get());
  if (!names) return std::unexpected(names.error());
  for (const std::string& one : *names) {
    if (::unlinkat(folder->get(), one.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR) return os_error(one);
    if (auto removed = remove_below(folder->get(), one, depth + 1); !removed) return removed;
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return os_error(name);
  return {};
}

}  // namespace

FolderResult<> remove_folder(int parent, const std::string& name) {
  return remove_below(parent, name, 0);
}

}  // namespace viaduct::bridge
