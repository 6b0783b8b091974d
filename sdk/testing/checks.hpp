// The checks of the validator: each is a function that looks at one plugin with a Probe. Internal.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <viaduct/testing/check.hpp>
#include <viaduct/testing/fake_host.hpp>

namespace viaduct::testing {

struct Verdict {
  Outcome outcome = Outcome::kPassed;
  std::string text;
};

// What a check works with. fail and skip do not return: they throw the Verdict.
class Probe {
 public:
  // `leave` is told the verdict where fail or skip is called, before anything is unwound (a plugin
  // that hangs would hang that, too); it need not return.
  Probe(const CheckOptions& options, std::function<void(const Verdict&)> leave)
      : options_(options), leave_(std::move(leave)) {}

  [[noreturn]] void fail(std::string text) const { end({Outcome::kFailed, std::move(text)}); }
  [[noreturn]] void skip(std::string text) const { end({Outcome::kSkipped, std::move(text)}); }
  void require(bool holds, std::string text) const {
    if (!holds) fail(std::move(text));
  }
  void warn(std::string text) { warnings_.push_back(std::move(text)); }
  const std::vector<std::string>& warnings() const { return warnings_; }

  const std::string& file() const { return options_.file; }
  milliseconds patience() const { return options_.patience; }
  std::string config(const FakeHost& host) const {
    return options_.config.empty() ? host.plugin()->config_example : options_.config;
  }
  // The answer came and is OK.
  void require_ok(const Answer& answer, std::string_view what) const;
  void require_answered(const Answer& answer, std::string_view what) const;

  std::unique_ptr<FakeHost> loaded(HostOptions host_options = {}) const;
  std::unique_ptr<FakeHost> running(HostOptions host_options = {}) const;
  // Stopped, destroyed, and without a fault.
  void finish(FakeHost& host) const;
  void no_faults(const FakeHost& host) const;
  // None of these; the others have checks of their own.
  void no_faults_of(const FakeHost& host, const std::vector<std::string_view>& ids) const;
  [[noreturn]] void pass() const { end({Outcome::kPassed, ""}); }

 private:
  [[noreturn]] void end(Verdict verdict) const {
    if (leave_) leave_(verdict);
    throw verdict;
  }

  const CheckOptions& options_;
  std::function<void(const Verdict&)> leave_;
  std::vector<std::string> warnings_;
};

enum class For { kAll, kBackend, kSurface };
struct CheckEntry {
  const char* id;
  const char* group;
  const char* description;
  For kind;
  bool gate;  // without it, what follows says nothing
  void (*run)(Probe& probe);
};

void add_library_checks(std::vector<CheckEntry>& checks);
void add_process_check(std::vector<CheckEntry>& checks);
void add_instance_checks(std::vector<CheckEntry>& checks);
void add_backend_checks(std::vector<CheckEntry>& checks);
void add_surface_checks(std::vector<CheckEntry>& checks);

// Threads and descriptors of this process.
std::size_t count_threads();
std::size_t count_descriptors();

// What the child has written to its standard output and error so far (nothing in_process).
std::string captured_output();

}  // namespace viaduct::testing
