#include "plugins/bridge/cli_check.hpp"

#include "plugins/bridge/cli_places.hpp"
#include "plugins/bridge/cli_verdict.hpp"

#include <algorithm>
#include <chrono>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

constexpr std::chrono::milliseconds kCheckLimit{10'000};
constexpr std::size_t kLongestWords = 200;

}  // namespace

std::string CliCheck::program() const {
  return find_program(cli_.program.empty() ? preset_.program : cli_.program, environment_);
}
std::string CliCheck::missing() const {
  std::string text =
      "The program " + (cli_.program.empty() ? preset_.program : cli_.program) + " was not found";
  if (!preset_.install.empty()) text += "; install it: " + preset_.install;
  return text;
}

Check CliCheck::look_for_program() const {
  const std::string file = program();
  if (file.empty())
    return {"program", false, missing() + ", or correct `program` of this backend",
            sdk::Code::kFailedPrecondition};
  return {"program", true, file, sdk::Code::kOk};
}

net::Task<std::vector<Check>> CliCheck::look() {
  std::vector<Check> checks{look_for_program()};
  if (checks.front().ok && !preset_.version.empty()) {
    auto [ok, said] = co_await ask(preset_.version);
    checks.push_back({"version", ok, ok ? said : preset_.name + " does not start: " + said,
                      ok ? sdk::Code::kOk : sdk::Code::kFailedPrecondition});
  }
  if (checks.back().ok && !preset_.login.empty()) {
    auto [ok, said] = co_await ask(preset_.login);
    std::string words = "logged in";
    if (!ok)
      words = preset_.login_hint.empty() ? "not logged in: " + said
                                         : "not logged in: " + preset_.login_hint;
    // Not every program's check looks at keys.
    for (const auto& [name, value] : cli_.env)
      if (!ok && !value.empty() && std::ranges::find(preset_.keys, name) != preset_.keys.end()) {
        ok = true;
        words = "not logged in, but `env` has " + name;
      }
    checks.push_back({"login", ok, words, ok ? sdk::Code::kOk : sdk::Code::kFailedPrecondition});
  }
  co_return checks;
}

// Whether it exits with 0, and the first line that it says.
net::Task<std::pair<bool, std::string>> CliCheck::ask(std::vector<std::string> how) {
  const auto run = std::make_shared<CliRun>(loop_, nothing_);
  programs_.insert(run);
  CliStart start{{program()}, environment_, variable(environment_, "HOME"), "", kCheckLimit};
  start.command.insert(start.command.end(), how.begin(), how.end());
  const auto end =
      co_await run->go(std::move(start), [](const Said&) { return CliRun::Next::kGoOn; });
  programs_.erase(run);
  if (!end) co_return std::pair(false, end.error().message);
  const bool ok = end->code == 0 && end->signal == 0 && !end->silent;
  std::string said = tidy(run->output().noise(secrets_));
  if (said.empty()) said = tidy(end->errors);
  if (end->silent) said = "it said nothing for " + in_words(kCheckLimit);
  co_return std::pair(ok, net::one_line(net::redacted(std::move(said), secrets_), kLongestWords));
}

}  // namespace viaduct::bridge
