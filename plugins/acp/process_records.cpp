#include "plugins/acp/process_records.hpp"

#include <signal.h>

#include <charconv>
#include <fstream>
#include <iterator>

namespace viaduct::acp {
namespace {

constexpr std::uint32_t kMost = 1000;

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::string key(pid_t pid) {
  return "process/" + std::to_string(pid);
}

}  // namespace

std::optional<std::uint64_t> start_time(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // The name, the second field, may hold anything: what counts comes behind its last bracket.
  std::size_t at = text.rfind(')');
  if (at == std::string::npos) return std::nullopt;
  constexpr int kField = 22;  // starttime, proc(5)
  for (int field = 2; field < kField; ++field) {
    at = text.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  std::uint64_t ticks = 0;
  const auto [end, error] = std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks);
  if (error != std::errc{}) return std::nullopt;
  return ticks;
}

void ProcessRecords::add(pid_t pid) {
  const auto started = start_time(pid);
  if (!started) return;
  documents_.put(key(pid), to_json(ProcessRecord{pid, *started, boot_id()}),
                 sdk::Documents::kAnyVersion, [](const sdk::Answer&) {});
}

void ProcessRecords::remove(pid_t pid) {
  if (pid == 0) return;
  documents_.remove(key(pid), sdk::Documents::kAnyVersion, [](const sdk::Answer&) {});
}

void ProcessRecords::end_leftovers(std::function<void()> done) {
  documents_.scan("process/", "process0", kMost,
                  [this, done = std::move(done)](const sdk::Answer& answer) {
                    if (answer.ok())
                      for (const ProcessRecord& record : parse_records(answer.result)) end(record);
                    done();
                  });
}

void ProcessRecords::end(const ProcessRecord& record) {
  if (record.boot == boot_id() && record.pid > 1 && start_time(record.pid) == record.started) {
    log_.warn("an agent that an earlier host left is ended pid=" + std::to_string(record.pid));
    ::kill(-record.pid, SIGKILL);
  }
  remove(record.pid);
}

}  // namespace viaduct::acp
