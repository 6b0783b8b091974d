// A program that the plugin runs: in a session and process group of its own, with exactly the given
// environment, no descriptor but 0, 1 and 2, and default signals. It never outlives its owner: its
// whole group is killed when the object goes, when the program itself ends, and (within moments, by
// a small watchdog process) when the host is killed. On the loop's thread; must not outlive the
// Loop, and no function is called after that has quit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <viaduct/net/loop.hpp>

namespace viaduct::net {

struct ChildOptions {
  // The first is the program; without a slash it is looked for in the PATH of `environment`.
  std::vector<std::string> arguments{};
  std::vector<std::string> environment{};  // "NAME=value"; nothing else is there
  std::string working_dir{};               // empty: the host's
  std::size_t max_line = 64 << 20;         // bytes of one line of its output
  bool lines = true;                       // read by read_line; false: by read
};

// The environment of a child process by the names that the host's own may give it (PATH, HOME,
// LANG, TERM, TMPDIR) and by `named`, name and value; those with an empty value are left out.
std::vector<std::string> clean_environment(
    const std::vector<std::pair<std::string, std::string>>& named);

// The program's file, with a name without a slash looked for in the PATH of that environment;
// empty: there is none that can be run.
std::string find_program(const std::string& name, const std::vector<std::string>& environment);

struct ChildExit {
  int code = 0;    // meaningful when signal is 0
  int signal = 0;  // that ended it, or 0
  bool ok() const { return signal == 0 && code == 0; }
};

struct ChildLine {
  std::string text;      // without its end (LF or CR LF)
  std::size_t size = 0;  // bytes of the line
  // Longer than max_line: the text is only its first KiB, the rest was dropped.
  bool too_long = false;
};

class ChildProcess {
 public:
  // kFailedPrecondition: no such program or folder; the message names it.
  static Result<std::unique_ptr<ChildProcess>> start(Loop& loop, ChildOptions options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const;

  // Done when all is in the pipe, which waits for the program to read. Writes come one after the
  // other. kUnavailable: it reads no more, or has ended. When cancelled, a part may be written.
  Task<Result<>> write(std::string bytes);
  // The end of its input, behind what is being written.
  void close_input();
  // How much of what was written it may have read: all of it, unless it has ended, and nobody has
  // read the rest nor ever will.
  std::uint64_t input_read() const;

  // The next line of its output; nothing: that has ended, since the program has, or closed it.
  // Reads ahead at most 1 MiB beyond the line, then the program waits. A process that it left
  // behind with the same output is not waited for. One at a time.
  Task<Result<std::optional<ChildLine>>> read_line();

  // The same without lines: what is there, as it came; empty: its output has ended. Either this or
  // read_line, for the whole life of the program.
  Task<Result<std::string>> read();

  // The end of the program, when its error output is whole; any number may wait. Its output may
  // still have lines.
  Task<Result<ChildExit>> wait();
  // Ends the whole group: TERM, after `grace` KILL. When cancelled, KILL at once.
  Task<Result<ChildExit>> stop(std::chrono::milliseconds grace);
  // A signal to the whole group, while the program lives.
  void kill(int signal);

  // The last 8 KiB that it wrote to its standard error.
  std::string error_output() const;

 private:
  struct State;
  explicit ChildProcess(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace viaduct::net
