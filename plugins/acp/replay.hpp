// What an agent tells again of a session that is loaded or copied: how long the answer may take
// while it still comes, and when all of it is there. On the loop's thread; owned by who loads, and
// kept alive by its own waits.
#pragma once

#include "plugins/acp/agents.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace viaduct::acp {

class Replay : public std::enable_shared_from_this<Replay> {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Replay(net::Loop& loop) : loop_(loop) {}

  // session/load. The answer may take the handshake's time, and longer while pieces come, up to
  // `limit`. `done` is told it once: where the protocol's order was kept (all of it before the
  // answer), at once, else, and if `patient`, when nothing more has come for a while.
  void load(Agents::AgentPtr agent, std::string_view params, std::chrono::milliseconds handshake,
            Clock::time_point limit, bool patient, std::function<void(CallResult)> done);
  // All that comes from now on came too late, as of an answer that was given.
  void answered(Agents::AgentPtr agent);

  void came(Update::Kind kind);  // a piece of it
  bool is_late() const { return late_; }
  // What comes so long after the answer is none.
  bool is_over() const;
  void when_quiet(std::function<void()> then);

 private:
  bool in_order() const;

  net::Loop& loop_;
  Agents::AgentPtr agent_;
  std::uint64_t call_ = 0;  // while it is not answered
  std::chrono::milliseconds handshake_{0};
  Clock::time_point limit_, prolonged_, last_, answered_;
  std::size_t pieces_ = 0;
  bool ends_with_user_ = false;
  bool has_answer_ = false;
  bool late_ = false;
};

}  // namespace viaduct::acp
