#include "plugins/acp/files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <viaduct/net/fd.hpp>

namespace viaduct::acp {
namespace {

std::unexpected<sdk::Status> failed(const std::string& path) {
  const int error = errno;
  const sdk::Code code = error == ENOENT || error == ENOTDIR ? sdk::Code::kNotFound
                         : error == EXDEV || error == EACCES || error == EPERM || error == ELOOP
                             ? sdk::Code::kPermissionDenied
                             : sdk::Code::kUnavailable;
  const char* words = error == EXDEV ? "it leads out of the working folder" : std::strerror(error);
  return std::unexpected(sdk::Status{code, path + ": " + words});
}
std::unexpected<sdk::Status> invalid(const std::string& path, const std::string& why) {
  return std::unexpected(sdk::Status{sdk::Code::kInvalidArgument, path + ": " + why});
}

int open_below(int folder, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how));
}

net::Result<net::Fd> open_folder(const std::string& folder) {
  net::Fd fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return failed(folder);
  return fd;
}

std::string temporary_name() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number))
    number = static_cast<std::uint64_t>(::getpid());
  return ".viaduct-" + std::to_string(number);
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string some_lines(std::string_view text, std::int64_t line, std::int64_t limit) {
  for (std::int64_t skipped = 1; skipped < line && !text.empty(); ++skipped) {
    const std::size_t end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  if (limit < 0) return std::string(text);
  std::size_t size = 0;
  for (std::int64_t taken = 0; taken < limit && size < text.size(); ++taken)
    size = std::min(text.find('\n', size), text.size() - 1) + 1;
  return std::string(text.substr(0, size));
}

}  // namespace

namespace {

std::unexpected<sdk::Status> outside(const std::string& folder, const std::string& path) {
  return std::unexpected(
      sdk::Status{sdk::Code::kPermissionDenied, path + ": not in the working folder " + folder});
}

// As path_below, and "." for the folder itself.
net::Result<std::string> relative_path(const std::string& folder, const std::string& path) {
  namespace fs = std::filesystem;
  if (!path.starts_with('/') || path.find('\0') != std::string::npos)
    return invalid(path, "not an absolute path");
  std::error_code ignored;
  // The agent may know the folder by its real name.
  for (const fs::path& root : {fs::path(folder), fs::canonical(folder, ignored)}) {
    if (root.empty()) continue;
    const fs::path below =
        fs::path(path).lexically_normal().lexically_relative(root.lexically_normal());
    if (!below.empty() && *below.begin() != "..") return below.string();
  }
  return outside(folder, path);
}

}  // namespace

net::Result<std::string> path_below(const std::string& folder, const std::string& path) {
  auto below = relative_path(folder, path);
  if (below && *below == ".") return outside(folder, path);
  return below;
}

net::Result<std::string> folder_below(const std::string& folder, const std::string& path) {
  const auto below = relative_path(folder, path.empty() ? folder : path);
  if (!below) return below;
  const auto root = open_folder(folder);
  if (!root) return std::unexpected(root.error());
  const net::Fd found(open_below(root->get(), *below, O_PATH | O_DIRECTORY));
  if (found.get() < 0) return failed(path);
  std::error_code error;
  const auto real =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(found.get()), error);
  if (error)
    return std::unexpected(sdk::Status{sdk::Code::kUnavailable, path + ": " + error.message()});
  return real.string();
}

net::Result<std::string> read_file(const std::string& folder, const ReadFile& request,
                                   std::size_t most) {
  const auto below = path_below(folder, request.path);
  if (!below) return std::unexpected(below.error());
  const auto root = open_folder(folder);
  if (!root) return std::unexpected(root.error());
  // Not to hang on a pipe that somebody put there.
  const net::Fd file(open_below(root->get(), *below, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return failed(request.path);
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return failed(request.path);
  if (!S_ISREG(found.st_mode)) return invalid(request.path, "not a file");
  if (static_cast<std::uint64_t>(found.st_size) > most)
    return invalid(request.path, "larger than " + std::to_string(most) + " bytes");
  std::string text;
  for (;;) {
    char piece[64 << 10];
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(request.path);
    if (got == 0) break;
    text.append(piece, static_cast<std::size_t>(got));
    if (text.size() > most) return invalid(request.path, "grows while it is read");
  }
  return some_lines(text, request.line, request.limit);
}

net::Result<> write_file(const std::string& folder, const WriteFile& request, std::size_t most) {
  if (request.content.size() > most)
    return invalid(request.path, "more than " + std::to_string(most) + " bytes");
  const auto below = path_below(folder, request.path);
  if (!below) return std::unexpected(below.error());
  const auto root = open_folder(folder);
  if (!root) return std::unexpected(root.error());
  const std::filesystem::path path(*below);
  const std::string parent = path.has_parent_path() ? path.parent_path().string() : ".";
  const net::Fd where(open_below(root->get(), parent, O_PATH | O_DIRECTORY));
  if (where.get() < 0) return failed(request.path);
  const std::string name = path.filename().string();

  mode_t mode = 0600;
  struct stat present{};
  if (::fstatat(where.get(), name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISREG(present.st_mode)) return invalid(request.path, "not a file");
    mode = present.st_mode & 0777;
  }
  const std::string temporary = temporary_name();
  const net::Fd file(::openat(where.get(), temporary.c_str(),
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) return failed(request.path);
  if (write_all(file.get(), request.content) && ::fchmod(file.get(), mode) == 0 &&
      ::fsync(file.get()) == 0 &&
      ::renameat(where.get(), temporary.c_str(), where.get(), name.c_str()) == 0)
    return {};
  const auto why = failed(request.path);
  ::unlinkat(where.get(), temporary.c_str(), 0);
  return why;
}

}  // namespace viaduct::acp
