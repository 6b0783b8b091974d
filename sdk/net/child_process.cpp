#include "viaduct/net/child_process.hpp"

#include "event.hpp"
#include "spawn.hpp"
#include "watchdog.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <string_view>
#include <utility>

namespace viaduct::net {
namespace {

using detail::Event;
using detail::failure;
using detail::kAsTuple;
using detail::make_pipe;
using Descriptor = asio::posix::stream_descriptor;

constexpr std::size_t kReadAhead = 1 << 20;
constexpr std::size_t kReadAtOnce = 64 << 10;
constexpr std::size_t kErrorOutput = 8 << 10;
constexpr std::size_t kShownOfLongLine = 1 << 10;
constexpr std::size_t kLineCost = 64;  // of an empty line that waits

bool is_program(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

// Cuts output into lines, with bounded memory.
class Lines {
 public:
  explicit Lines(std::size_t max_line) : max_line_(max_line) {}
  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::string_view piece = bytes.substr(0, end);
      line_.size += piece.size();
      // One more for the CR that may be its end.
      if (!line_.too_long && line_.text.size() + piece.size() <= max_line_ + 1)
        line_.text += piece;
      else
        drop(piece);
      if (end == bytes.npos) return;
      bytes.remove_prefix(end + 1);
      push();
    }
  }
  void finish() {
    if (line_.size > 0) push();
  }
  bool empty() const { return lines_.empty(); }
  bool full() const { return cost_ >= kReadAhead; }  // enough for now
  ChildLine pop() {
    ChildLine line = std::move(lines_.front());
    lines_.pop_front();
    cost_ -= line.text.size() + kLineCost;
    return line;
  }

 private:
  void drop(std::string_view piece) {
    if (!std::exchange(line_.too_long, true)) {
      line_.text += piece.substr(0, kShownOfLongLine);
      line_.text.resize(std::min(line_.text.size(), kShownOfLongLine));
      line_.text.shrink_to_fit();
    }
  }
  void push() {
    if (!line_.too_long && line_.text.ends_with('\r')) {
      line_.text.pop_back();
      --line_.size;
    }
    if (!line_.too_long && line_.text.size() > max_line_) drop({});
    cost_ += line_.text.size() + kLineCost;
    lines_.push_back(std::exchange(line_, {}));
  }

  const std::size_t max_line_;
  ChildLine line_;
  std::deque<ChildLine> lines_;
  std::size_t cost_ = 0;
};

// Reads what is there, by way of `bytes`. False: the end. When the program has ended, what is in
// the pipe by then is the end: others may hold it open, and go on writing.
template <class Take>
Task<bool> read_some(Descriptor& from, std::string& bytes, const std::optional<ChildExit>& exit,
                     std::optional<std::size_t>& left, Take take) {
  for (;;) {
    if (exit && !left) {
      int there = 0;
      const bool known = ::ioctl(from.native_handle(), FIONREAD, &there) == 0 && there > 0;
      left = known ? static_cast<std::size_t>(there) : 0;
    }
    if (left && *left == 0) co_return false;
    const ssize_t size = ::read(from.native_handle(), bytes.data(),
                                left ? std::min(bytes.size(), *left) : bytes.size());
    if (size > 0) {
      if (left) *left -= static_cast<std::size_t>(size);
      take(std::string_view(bytes).substr(0, static_cast<std::size_t>(size)));
      co_await asio::post(asio::use_awaitable);  // others want to run, too
      co_return true;
    }
    if (size == 0) co_return false;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || left) co_return false;
    co_await from.async_wait(Descriptor::wait_read, kAsTuple);
  }
}

}  // namespace

std::vector<std::string> clean_environment(
    const std::vector<std::pair<std::string, std::string>>& named) {
  std::vector<std::string> environment;
  for (const char* name : {"PATH", "HOME", "LANG", "TERM", "TMPDIR"}) {
    const bool is_named =
        std::any_of(named.begin(), named.end(), [&](const auto& one) { return one.first == name; });
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0' && !is_named)
      environment.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : named)
    if (!value.empty()) environment.push_back(name + "=" + value);
  return environment;
}

std::string find_program(const std::string& name, const std::vector<std::string>& environment) {
  if (name.find('/') != name.npos) return is_program(name) ? name : std::string();
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& variable : environment)
    if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
  for (;;) {
    const std::size_t end = path.find(':');
    const std::string_view folder = path.substr(0, end);
    // An empty or relative entry would mean whatever folder this is.
    if (folder.starts_with('/'))
      if (std::string one = std::string(folder) + "/" + name; is_program(one)) return one;
    if (end == path.npos) return {};
    path.remove_prefix(end + 1);
  }
}

// Kept alive by the coroutines that watch the program.
struct ChildProcess::State {
  State(Loop& of, const ChildOptions& options)
      : loop(of),
        by_lines(options.lines),
        lines(options.max_line),
        changed(of.context()),
        room(of.context()) {}
  ~State() {
    if (pid < 0 || exit) return;
    // The loop has gone before the program: there is nobody else to bury it.
    ::kill(-pid, SIGKILL);
    constexpr int kPatience = 2000;
    pollfd ended{pidfd.native_handle(), POLLIN, 0};
    if (::poll(&ended, 1, kPatience) > 0) bury();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void kill(int signal) const {
    if (!exit) ::kill(-pid, signal);
  }
  void bury() const {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
  }
  static void close(Descriptor& descriptor) {
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }
  void close_in() {
    close(in);
    changed.notify();
  }
  // Of a program that has ended: what is still in the pipe, if nobody else reads from it.
  void count_never_read() {
    pollfd reader{in.is_open() ? in.native_handle() : -1, 0, 0};
    int there = 0;
    if (::poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) != 0 &&
        ::ioctl(reader.fd, FIONREAD, &there) == 0 && there > 0)
      never_read = static_cast<std::uint64_t>(there);
  }

  static Task<> watch_exit(std::shared_ptr<State> self);
  static Task<> watch_out(std::shared_ptr<State> self);
  static Task<> watch_err(std::shared_ptr<State> self);
  static Task<Result<>> write(std::shared_ptr<State> self, std::string bytes);
  static Task<Result<std::optional<ChildLine>>> read_line(std::shared_ptr<State> self);
  static Task<Result<std::string>> read(std::shared_ptr<State> self);
  bool has_output() const { return !lines.empty() || !raw.empty(); }
  bool full() const { return lines.full() || raw.size() >= kReadAhead; }
  static Task<Result<ChildExit>> wait(std::shared_ptr<State> self);
  static Task<Result<ChildExit>> stop(std::shared_ptr<State> self, std::chrono::milliseconds grace);

  Loop& loop;
  pid_t pid = -1;
  Descriptor pidfd{loop.context()};
  Descriptor in{loop.context()}, out{loop.context()}, err{loop.context()};
  std::optional<ChildExit> exit;

  bool writing = false;
  bool close_after_write = false;
  std::uint64_t written = 0, never_read = 0;
  const bool by_lines;
  Lines lines;
  std::string raw;                                // of what is not read by lines
  std::optional<std::size_t> out_left, err_left;  // since it has ended
  bool out_ended = false, err_ended = false;
  bool abandoned = false;  // nobody reads
  std::string error_output;
  Event changed;  // exit, lines, …_ended, writing
  Event room;     // a line was taken
};

ChildProcess::ChildProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}

ChildProcess::~ChildProcess() {
  state_->abandoned = true;
  state_->kill(SIGKILL);
  state_->room.notify();
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(Loop& loop, ChildOptions options) {
  if (options.arguments.empty())
    return std::unexpected(sdk::Status{sdk::Code::kInvalidArgument, "no program is given"});
  for (const auto* texts : {&options.arguments, &options.environment})
    for (const std::string& text : *texts)
      if (text.find('\0') != text.npos)
        return std::unexpected(
            sdk::Status{sdk::Code::kInvalidArgument, "an argument contains a NUL"});
  if (!options.working_dir.empty()) {
    struct stat folder{};
    const int wrong = ::stat(options.working_dir.c_str(), &folder) != 0 ? errno
                      : S_ISDIR(folder.st_mode)                         ? 0
                                                                        : ENOTDIR;
    if (wrong != 0)
      return std::unexpected(failure("the working folder " + options.working_dir, wrong));
  }
  const std::string& name = options.arguments.front();
  const bool is_path = name.find('/') != name.npos;
  const std::string program = is_path ? name : find_program(name, options.environment);
  if (program.empty())
    return std::unexpected(sdk::Status{sdk::Code::kFailedPrecondition,
                                       "the program " + name + " was not found on the PATH"});
  auto in = make_pipe();
  if (!in) return std::unexpected(in.error());
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto err = make_pipe();
  if (!err) return std::unexpected(err.error());
  for (const Fd* own : {&in->writes, &out->reads, &err->reads})
    if (::fcntl(own->get(), F_SETFL, O_NONBLOCK) != 0)
      return std::unexpected(failure("pipe", errno));

  auto state = std::make_shared<State>(loop, options);
  pid_t pid = -1;
  const int wrong =
      detail::spawn(pid, program, options.arguments, options.environment, options.working_dir,
                    in->reads.get(), out->writes.get(), err->writes.get());
  if (wrong != 0) return std::unexpected(failure("cannot start " + program, wrong));
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int error = errno;
    ::kill(-pid, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
    return std::unexpected(failure("pidfd_open", error));
  }
  loop.watchdog().add(pid);
  state->pid = pid;
  state->pidfd.assign(pidfd.release());
  state->in.assign(in->writes.release());
  state->out.assign(out->reads.release());
  state->err.assign(err->reads.release());
  asio::co_spawn(loop.context(), State::watch_exit(state), asio::detached);
  asio::co_spawn(loop.context(), State::watch_out(state), asio::detached);
  asio::co_spawn(loop.context(), State::watch_err(state), asio::detached);
  return std::unique_ptr<ChildProcess>(new ChildProcess(std::move(state)));
}

// ---------------------------------------------------------------- what goes on beside its owner

Task<> ChildProcess::State::watch_exit(std::shared_ptr<State> self) {
  siginfo_t info{};
  for (;;) {
    co_await self->pidfd.async_wait(Descriptor::wait_read, kAsTuple);
    info = {};
    // Only looks: until it is buried, its group is nobody else's.
    const int wrong =
        ::waitid(P_PID, static_cast<id_t>(self->pid), &info, WEXITED | WNOHANG | WNOWAIT);
    if (wrong == 0 ? info.si_pid != 0 : errno != EINTR) break;
  }
  ChildExit exit{.code = 255};  // when somebody else has waited for it
  if (info.si_pid != 0) {
    const bool exited = info.si_code == CLD_EXITED;
    exit = {.code = exited ? info.si_status : 0, .signal = exited ? 0 : info.si_status};
    ::kill(-self->pid, SIGKILL);  // what it left behind
  }
  self->loop.watchdog().remove(self->pid);
  self->bury();
  self->exit = exit;
  close(self->pidfd);
  boost::system::error_code ignored;
  if (self->out.is_open()) self->out.cancel(ignored);  // somebody else may hold them open
  if (self->err.is_open()) self->err.cancel(ignored);
  self->count_never_read();
  self->close_in();
}

Task<> ChildProcess::State::watch_out(std::shared_ptr<State> self) {
  const auto take = [&state = *self](std::string_view bytes) {
    if (state.by_lines)
      state.lines.feed(bytes);
    else
      state.raw += bytes;
    if (state.has_output()) state.changed.notify();
  };
  std::string bytes(kReadAtOnce, '\0');
  for (;;) {
    while (self->full() && !self->abandoned) co_await self->room.wait();
    if (self->abandoned) break;
    if (!co_await read_some(self->out, bytes, self->exit, self->out_left, take)) break;
  }
  self->lines.finish();
  self->out_ended = true;
  close(self->out);
  self->changed.notify();
}

Task<> ChildProcess::State::watch_err(std::shared_ptr<State> self) {
  const auto keep = [&kept = self->error_output](std::string_view bytes) {
    kept += bytes.substr(bytes.size() - std::min(bytes.size(), kErrorOutput));
    if (kept.size() > kErrorOutput) kept.erase(0, kept.size() - kErrorOutput);
  };
  std::string bytes(kReadAtOnce, '\0');
  while (co_await read_some(self->err, bytes, self->exit, self->err_left, keep)) {
  }
  close(self->err);
  self->err_ended = true;
  self->changed.notify();
}

// ---------------------------------------------------------------- what its owner asks for

Task<Result<>> ChildProcess::State::write(std::shared_ptr<State> self, std::string bytes) {
  while (self->writing)
    if (!co_await self->changed.wait()) co_return std::unexpected(detail::cancelled());
  struct Writing {
    State& state;
    explicit Writing(State& of) : state(of) { state.writing = true; }
    ~Writing() {
      state.writing = false;
      if (state.close_after_write) state.close_in();
      state.changed.notify();
    }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
  };
  const Writing writing(*self);
  std::string_view rest = bytes;
  while (self->in.is_open()) {
    if (rest.empty()) co_return Result<>{};
    const ssize_t size = ::write(self->in.native_handle(), rest.data(), rest.size());
    if (size >= 0) {
      self->written += static_cast<std::uint64_t>(size);
      rest.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno == EAGAIN) {
      co_await self->in.async_wait(Descriptor::wait_write, kAsTuple);
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none)
        co_return std::unexpected(detail::cancelled());
    } else if (errno != EINTR) {
      break;
    }
  }
  co_return std::unexpected(
      sdk::Status{sdk::Code::kUnavailable, "the program does not read its input any more"});
}

Task<Result<std::optional<ChildLine>>> ChildProcess::State::read_line(std::shared_ptr<State> self) {
  for (;;) {
    if (!self->lines.empty()) {
      ChildLine line = self->lines.pop();
      self->room.notify();
      co_return std::optional<ChildLine>(std::move(line));
    }
    if (self->out_ended) co_return std::optional<ChildLine>();
    if (!co_await self->changed.wait()) co_return std::unexpected(detail::cancelled());
  }
}

Task<Result<std::string>> ChildProcess::State::read(std::shared_ptr<State> self) {
  while (self->raw.empty() && !self->out_ended)
    if (!co_await self->changed.wait()) co_return std::unexpected(detail::cancelled());
  self->room.notify();
  co_return std::exchange(self->raw, {});
}

Task<Result<ChildExit>> ChildProcess::State::wait(std::shared_ptr<State> self) {
  while (!self->exit || !self->err_ended)
    if (!co_await self->changed.wait()) co_return std::unexpected(detail::cancelled());
  co_return *self->exit;
}

Task<Result<ChildExit>> ChildProcess::State::stop(std::shared_ptr<State> self,
                                                  std::chrono::milliseconds grace) {
  using namespace asio::experimental::awaitable_operators;
  self->kill(SIGTERM);
  asio::steady_timer timer(self->loop.context(), grace);
  co_await (wait(self) || timer.async_wait(kAsTuple));
  self->kill(SIGKILL);
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    co_return std::unexpected(detail::cancelled());
  co_return co_await wait(self);
}

pid_t ChildProcess::pid() const {
  return state_->pid;
}
Task<Result<>> ChildProcess::write(std::string bytes) {
  return State::write(state_, std::move(bytes));
}
void ChildProcess::close_input() {
  if (state_->writing)
    state_->close_after_write = true;
  else
    state_->close_in();
}
std::uint64_t ChildProcess::input_read() const {
  return state_->written - state_->never_read;
}
Task<Result<std::optional<ChildLine>>> ChildProcess::read_line() {
  return State::read_line(state_);
}
Task<Result<std::string>> ChildProcess::read() {
  return State::read(state_);
}
Task<Result<ChildExit>> ChildProcess::wait() {
  return State::wait(state_);
}
Task<Result<ChildExit>> ChildProcess::stop(std::chrono::milliseconds grace) {
  return State::stop(state_, grace);
}
void ChildProcess::kill(int signal) {
  state_->kill(signal);
}
std::string ChildProcess::error_output() const {
  return state_->error_output;
}

}  // namespace viaduct::net
