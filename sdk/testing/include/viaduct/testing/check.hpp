// The validator behind `viaduct plugin check FILE.so`: exercises the whole contract of abi.h on one
// plugin in a scratch host. Each check runs in a child process with a time limit, so that a crash
// is a result. Call it while the process has one thread: it forks.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

namespace viaduct::testing {

enum class Outcome { kPassed, kFailed, kCrashed, kSkipped, kWarning };
const char* outcome_name(Outcome outcome);

struct CheckOptions {
  std::string file;
  std::string config;              // JSON; empty: the example of the descriptor
  bool json = false;               // one JSON object instead of the table
  bool only_failed = false;        // leaves out of the table what passed or was skipped
  std::vector<std::string> tests;  // ids; empty: all
  bool in_process = false;         // for a debugger: no children, so the first crash ends it
  // How long the plugin may take for one answer. A check may take ten times as long.
  std::chrono::milliseconds patience{10'000};
};

struct CheckResult {
  std::string id;
  std::string description;
  Outcome outcome = Outcome::kSkipped;
  std::string text;  // why, for a person
  std::chrono::milliseconds took{0};
};

struct CheckInfo {
  std::string id, group, description;
};
// All checks, in the order in which they run.
std::vector<CheckInfo> list_checks();

std::vector<CheckResult> check_plugin(const CheckOptions& options);

// Runs the checks and prints the results. 0: nothing failed; 1: something failed or crashed; 2: no
// such file, or an unknown id.
int check_main(const CheckOptions& options, std::ostream& out);

}  // namespace viaduct::testing
