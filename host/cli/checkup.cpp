#include "host/cli/checkup.hpp"

#include "host/cli/changes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace viaduct::cli {
namespace {

// Each instance's in its place, whoever answers first.
struct Round {
  std::vector<std::vector<Finding>> findings;
  std::vector<std::string> failed;
  bool readable = true;
  std::size_t left = 1;
  Done<std::string> done;

  void one() {
    if (--left > 0) return;
    std::vector<Finding> all;
    for (auto& some : findings) std::ranges::move(some, std::back_inserter(all));
    done(to_json(all, failed, readable));
  }
};

Finding state_of(const plugins::InstanceStatus& instance, bool outdated) {
  if (instance.state != plugins::InstanceState::running)
    return {instance.name, false,
            "does not run" + (instance.error ? ": " + instance.error->message : "")};
  if (instance.error) return {instance.name, false, instance.error->message};
  return {instance.name, true,
          outdated ? "running, with the configuration that it had before" : "running"};
}

}  // namespace

Comparison compare(const std::string& file, const Running& running, const config::Loaded& now) {
  std::error_code error;
  if (!std::filesystem::equivalent(file, running.file, error))
    return {{"host", false, "running, but with another configuration: " + running.file}, {}, false};
  const std::string refused =
      running.refused.empty() ? "" : "; the last `viaduct reload` was refused: " + running.refused;
  if (!now.diagnostics.empty())
    return {{"host", false, "running with what its file had before: now that has errors" + refused},
            {},
            false};
  const auto [reload, restart] = changes(running.config, now.config);
  if (reload.empty() && restart.empty()) return {{"host", true, "running"}, {}};
  std::string message = "running, but its file has changed since";
  if (!reload.empty())
    message += fmt::format("; `viaduct reload` takes up {}", fmt::join(reload, ", "));
  if (!restart.empty()) message += fmt::format("; a restart takes up {}", fmt::join(restart, ", "));
  return {{"host", false, message + refused}, reload};
}

void look_around(plugins::Plugins& plugins, delivery::Delivery& delivery, const Redactor& redactor,
                 Comparison comparison, Done<std::string> done) {
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  round->readable = comparison.readable;
  round->findings.push_back({std::move(comparison.host)});
  round->findings.emplace_back();  // of the deliveries
  ++round->left;
  delivery.measure([round, &delivery] {
    if (const auto missing = delivery.missing(); missing > 0)
      round->findings[1].push_back({"deliveries", false, missing_in_words(missing)});
    round->one();
  });
  for (const auto& instance : plugins.status()) {
    const bool outdated = std::ranges::count(comparison.outdated, instance.name) != 0;
    round->findings.push_back({state_of(instance, outdated)});
    if (instance.state != plugins::InstanceState::running) {
      round->failed.push_back(instance.name);
      continue;
    }
    ++round->left;
    plugins.tool_doctor(instance.name,
                        [&redactor, round, name = instance.name,
                         at = round->findings.size() - 1](Result<std::string> answer) {
                          std::vector<Finding> found;
                          if (answer)
                            found = parse_findings(*answer);
                          else if (answer.error().code != Errc::unsupported)
                            found = {{"doctor", false, answer.error().message}};
                          for (Finding& finding : found) {
                            finding.name = name + ": " + finding.name;
                            finding.message = redactor.apply(finding.message);
                            round->findings[at].push_back(std::move(finding));
                          }
                          round->one();
                        });
  }
  round->one();
}

}  // namespace viaduct::cli
