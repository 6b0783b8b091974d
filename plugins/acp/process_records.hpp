// Which agent processes this backend has started, on disk: what a killed host left behind is ended
// at the next start, told by pid and start time. (The watchdog of sdk/net ends them as a rule; this
// is for when that was killed, too.) On the loop's thread; owned by Agents.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/sdk/host.hpp>

namespace viaduct::acp {

struct ProcessRecord {
  pid_t pid = 0;
  std::uint64_t started = 0;
  std::string boot;  // of the machine: pids and times mean nothing after another one
};

class ProcessRecords {
 public:
  explicit ProcessRecords(const sdk::Host& host) : log_(host), documents_(host) {}

  void add(pid_t pid);
  void remove(pid_t pid);
  // Kills the groups of the recorded processes that still run, and forgets them all.
  void end_leftovers(std::function<void()> done);

 private:
  void end(const ProcessRecord& record);

  sdk::Log log_;
  sdk::Documents documents_;
};

// Since when a process runs, in clock ticks since boot; nothing: it does not.
std::optional<std::uint64_t> start_time(pid_t pid);

// host_json.cpp
std::string to_json(const ProcessRecord& record);
// Of what a scan of the documents answers.
std::vector<ProcessRecord> parse_records(std::string_view documents_json);

}  // namespace viaduct::acp
