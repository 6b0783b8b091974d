// Whether an agent program works, as `viaduct doctor` shows it: it is asked for its version and
// whether it is logged in. On the loop's thread.
#pragma once

#include "plugins/bridge/cli_run.hpp"
#include "plugins/bridge/config.hpp"
#include "plugins/bridge/driver.hpp"
#include "plugins/bridge/preset.hpp"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace viaduct::bridge {

class CliCheck {
 public:
  // All outlive it. What it starts is in `programs` while it runs.
  CliCheck(net::Loop& loop, const Preset& preset, const Cli& cli,
           const std::vector<std::string>& environment, const std::vector<std::string>& secrets,
           std::set<std::shared_ptr<CliRun>>& programs)
      : loop_(loop),
        preset_(preset),
        cli_(cli),
        environment_(environment),
        secrets_(secrets),
        programs_(programs) {}

  std::string program() const;  // its file, or empty
  std::string missing() const;  // in words, what to do where there is none
  Check look_for_program() const;
  net::Task<std::vector<Check>> look();

 private:
  net::Task<std::pair<bool, std::string>> ask(std::vector<std::string> how);

  net::Loop& loop_;
  const Preset& preset_;
  const Preset nothing_{};  // without rules
  const Cli& cli_;
  const std::vector<std::string>& environment_;
  const std::vector<std::string>& secrets_;
  std::set<std::shared_ptr<CliRun>>& programs_;
};

}  // namespace viaduct::bridge
