#include "spawn.hpp"

#include <fcntl.h>
#include <spawn.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace viaduct::net::detail {
namespace {

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setflags(
        &attributes_,
        static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    sigset_t signals;
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

sdk::Status failure(const std::string& what, int error) {
  const bool lack = error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM;
  return {lack ? sdk::Code::kUnavailable : sdk::Code::kFailedPrecondition,
          what + ": " + std::generic_category().message(error)};
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(failure("pipe", errno));
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  for (Fd* fd : {&pipe.reads, &pipe.writes}) {
    if (fd->get() > 2) continue;
    Fd higher(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 3));
    if (!higher) return std::unexpected(failure("pipe", errno));
    *fd = std::move(higher);
  }
  return pipe;
}

int spawn(pid_t& pid, const std::string& program, std::vector<std::string>& arguments,
          std::vector<std::string>& environment, const std::string& folder, int in, int out,
          int err) {
  FileActions actions;
  const SpawnAttributes attributes;
  int wrong = posix_spawn_file_actions_adddup2(actions.get(), in, 0);
  if (wrong == 0) wrong = posix_spawn_file_actions_adddup2(actions.get(), out, 1);
  if (wrong == 0) wrong = posix_spawn_file_actions_adddup2(actions.get(), err, 2);
  if (wrong == 0) wrong = posix_spawn_file_actions_addclosefrom_np(actions.get(), 3);
  if (wrong == 0 && !folder.empty())
    wrong = posix_spawn_file_actions_addchdir_np(actions.get(), folder.c_str());
  if (wrong != 0) return wrong;
  return posix_spawn(&pid, program.c_str(), actions.get(), attributes.get(),
                     pointers(arguments).data(), pointers(environment).data());
}

}  // namespace viaduct::net::detail
