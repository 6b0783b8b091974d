// Programs that an agent has the client run (terminal/*): their output, bounded, and their end. All
// end with the object. On the loop's thread; owned by a session.
#pragma once

#include "plugins/acp/config.hpp"
#include "plugins/acp/protocol.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <viaduct/net/child_process.hpp>
#include <viaduct/net/loop.hpp>

namespace viaduct::acp {

class Terminals {
 public:
  struct Output {
    std::string text;  // the last of it
    bool truncated = false;
    std::optional<TerminalExit> exit;
  };

  Terminals(net::Loop& loop, const Config& config) : loop_(loop), config_(config) {}
  ~Terminals();

  // Starts it in `folder`; the id of the terminal.
  net::Result<std::string> create(const CreateTerminal& request, const std::string& folder);
  // kNotFound: no such terminal, or it was released.
  net::Result<Output> output(const std::string& id) const;
  void wait(const std::string& id, std::function<void(net::Result<TerminalExit>)> done);
  net::Result<> kill(const std::string& id);
  net::Result<> release(const std::string& id);
  void clear();  // ends all

 private:
  struct Terminal;
  static net::Task<> follow(std::shared_ptr<Terminal> terminal);
  std::shared_ptr<Terminal> find(const std::string& id) const;

  net::Loop& loop_;
  const Config& config_;
  std::map<std::string, std::shared_ptr<Terminal>> terminals_;
  std::uint64_t last_ = 0;
};

}  // namespace viaduct::acp
