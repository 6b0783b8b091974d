#include <viaduct/testing/check.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iomanip>
#include <ostream>

#include <viaduct/testing/json.hpp>

#include "checks.hpp"

namespace viaduct::testing {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<CheckEntry> all_checks() {
  std::vector<CheckEntry> checks;
  add_library_checks(checks);
  add_instance_checks(checks);
  add_backend_checks(checks);
  add_surface_checks(checks);
  return checks;
}

Verdict run_here(const CheckEntry& check, const CheckOptions& options,
                 std::function<void(const Verdict&)> leave = nullptr) {
  Probe probe(options, std::move(leave));
  try {
    if (check.kind != For::kAll) {
      const auto host = probe.loaded();
      const bool surface = host->plugin()->kind == VIADUCT_KIND_SURFACE;
      if (surface != (check.kind == For::kSurface)) {
        probe.skip(surface ? "it is a surface" : "it is a backend");
      }
    }
    check.run(probe);
  } catch (const Verdict& verdict) {
    return verdict;
  }
  Verdict verdict;
  for (const auto& warning : probe.warnings()) {
    verdict.outcome = Outcome::kWarning;
    if (!verdict.text.empty()) verdict.text += "; ";
    verdict.text += warning;
  }
  return verdict;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_output(int fd) {
  constexpr std::size_t kMost = 2000;
  char buffer[kMost];
  const auto size = ::pread(fd, buffer, sizeof buffer, 0);
  return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : std::string();
}

[[noreturn]] void child(const CheckEntry& check, const CheckOptions& options, int result,
                        int output) {
  ::setsid();
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  const auto leave = [result](const Verdict& verdict) {
    write_all(result, std::string(1, static_cast<char>('0' + static_cast<int>(verdict.outcome))) +
                          verdict.text);
    ::_exit(0);
  };
  leave(run_here(check, options, leave));
  ::_exit(0);
}

Verdict judge(int status, std::string_view result, const std::string& output) {
  const std::string said =
      output.empty() ? ""
                     : "; its last words: " + output.substr(0, output.find_last_not_of("\n") + 1);
  if (!result.empty() && result[0] >= '0' && result[0] <= '4') {
    return {static_cast<Outcome>(result[0] - '0'), std::string(result.substr(1))};
  }
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    return {Outcome::kCrashed, std::string("SIG") + (name == nullptr ? "?" : name) + said};
  }
  return {Outcome::kCrashed,
          "it ended the process with exit code " + std::to_string(WEXITSTATUS(status)) + said};
}

Verdict run_in_child(const CheckEntry& check, const CheckOptions& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {Outcome::kFailed, "pipe failed"};
  const int output = ::memfd_create("output", MFD_CLOEXEC);
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    child(check, options, ends[1], output);
  }
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    ::close(output);
    return {Outcome::kFailed, "fork failed"};
  }
  const int ended = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  constexpr int kChecksMayTake = 10;
  const auto deadline = Clock::now() + options.patience * kChecksMayTake;
  std::string result;
  bool late = false;
  for (bool open = true; open;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      late = true;
      break;
    }
    pollfd waits[] = {{ends[0], POLLIN, 0}, {ended, POLLIN, 0}};
    ::poll(waits, 2, static_cast<int>(std::min<long long>(left, 1000)));
    if (waits[0].revents != 0) {
      char buffer[4096];
      const auto size = ::read(ends[0], buffer, sizeof buffer);
      if (size > 0) result.append(buffer, static_cast<std::size_t>(size));
      if (size == 0) open = false;
    } else if (waits[1].revents != 0) {
      open = false;  // all that it wrote has been read
    }
  }
  // Whatever it has started goes with it.
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  const std::string said = read_output(output);
  ::close(ended);
  ::close(ends[0]);
  ::close(output);
  if (late && result.empty()) {
    return {Outcome::kFailed, "it hung: no result within " +
                                  std::to_string((options.patience * kChecksMayTake).count()) +
                                  " ms"};
  }
  return judge(status, result, said);
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) safe += c;
  }
  if (!is_utf8(safe)) {
    std::replace_if(safe.begin(), safe.end(), [](char c) { return c < 0; }, '?');
  }
  return safe;
}

}  // namespace

std::string captured_output() {
  std::fflush(nullptr);
  return read_output(STDOUT_FILENO);
}

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed: return "passed";
    case Outcome::kFailed: return "failed";
    case Outcome::kCrashed: return "crashed";
    case Outcome::kSkipped: return "skipped";
    case Outcome::kWarning: return "warning";
  }
  return "?";
}

std::vector<CheckInfo> list_checks() {
  std::vector<CheckInfo> result;
  for (const auto& check : all_checks())
    result.push_back({check.id, check.group, check.description});
  return result;
}

std::vector<CheckResult> check_plugin(const CheckOptions& given) {
  CheckOptions options = given;
  std::error_code error;
  const auto path = std::filesystem::absolute(options.file, error);
  if (!error) options.file = path.string();
  std::vector<CheckResult> results;
  std::string closed;  // the gate that did not hold
  for (const auto& check : all_checks()) {
    const bool chosen =
        options.tests.empty() ||
        std::find(options.tests.begin(), options.tests.end(), check.id) != options.tests.end();
    if (!chosen) continue;
    CheckResult result{check.id, check.description, Outcome::kSkipped, "", milliseconds(0)};
    if (!closed.empty()) {
      result.text = closed + " did not hold";
    } else {
      const auto begun = Clock::now();
      Verdict verdict =
          options.in_process ? run_here(check, options) : run_in_child(check, options);
      result.outcome = verdict.outcome;
      result.text = one_line(std::move(verdict.text));
      result.took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
      if (check.gate && options.tests.empty() &&
          (result.outcome == Outcome::kFailed || result.outcome == Outcome::kCrashed)) {
        closed = check.id;
      }
    }
    results.push_back(std::move(result));
  }
  return results;
}

int check_main(const CheckOptions& options, std::ostream& out) {
  const auto known = list_checks();
  std::string wrong;
  for (const auto& id : options.tests) {
    if (std::none_of(known.begin(), known.end(), [&](const auto& one) { return one.id == id; })) {
      wrong = "unknown check: " + id;
    }
  }
  std::error_code error;
  if (!std::filesystem::is_regular_file(options.file, error)) {
    wrong = options.file + ": no such file";
  }
  if (!wrong.empty()) {
    if (options.json) {
      out << Json::object({{"error", one_line(wrong)}}).dump() << '\n';
    } else {
      out << one_line(wrong) << '\n';
    }
    return 2;
  }

  const auto results = check_plugin(options);
  std::size_t counts[5] = {};
  for (const auto& result : results) ++counts[static_cast<std::size_t>(result.outcome)];
  const auto count = [&](Outcome outcome) { return counts[static_cast<std::size_t>(outcome)]; };
  const bool bad = count(Outcome::kFailed) + count(Outcome::kCrashed) > 0;
  if (options.json) {
    Json list = Json::array();
    for (const auto& result : results) {
      list.push_back(Json::object({{"id", result.id},
                                   {"description", result.description},
                                   {"outcome", outcome_name(result.outcome)},
                                   {"text", result.text},
                                   {"milliseconds", result.took.count()}}));
    }
    Json whole = Json::object({{"file", options.file}, {"ok", !bad}});
    for (const auto outcome : {Outcome::kPassed, Outcome::kFailed, Outcome::kCrashed,
                               Outcome::kSkipped, Outcome::kWarning}) {
      whole.set(outcome_name(outcome), count(outcome));
    }
    whole.set("checks", std::move(list));
    out << whole.dump() << '\n';
    return bad ? 1 : 0;
  }
  std::size_t width = 0;
  for (const auto& result : results) width = std::max(width, result.id.size());
  for (const auto& result : results) {
    if (options.only_failed &&
        (result.outcome == Outcome::kPassed || result.outcome == Outcome::kSkipped)) {
      continue;
    }
    out << std::left << std::setw(9) << outcome_name(result.outcome)
        << std::setw(static_cast<int>(width) + 2) << result.id
        << (result.text.empty() ? result.description : result.text) << '\n';
  }
  out << options.file << ": " << count(Outcome::kPassed) << " passed, " << count(Outcome::kFailed)
      << " failed, " << count(Outcome::kCrashed) << " crashed, " << count(Outcome::kWarning)
      << " warnings, " << count(Outcome::kSkipped) << " skipped\n";
  return bad ? 1 : 0;
}

}  // namespace viaduct::testing
