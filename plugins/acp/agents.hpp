// The agent processes of one backend: which one serves a session, when one is started, how often it
// may crash, and when it is stopped because nobody needs it. On the loop's thread; owned by the
// plugin.
#pragma once

#include "plugins/acp/agent.hpp"
#include "plugins/acp/process_records.hpp"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace viaduct::acp {

class Agents {
 public:
  using AgentPtr = std::shared_ptr<Agent>;
  using Got = std::function<void(net::Result<AgentPtr>)>;

  Agents(const sdk::Host& host, net::Loop& loop, const Config& config);

  // Ends what an earlier host left running; before anything else.
  void begin(std::function<void()> done) { records_.end_leftovers(std::move(done)); }
  // An agent for one more session: the shared one, or one of its own. Answered once, perhaps at
  // once.
  void acquire(Got got);
  // A session of it has gone: one that is not shared ends.
  void release(const AgentPtr& agent);
  // Ends all; the next acquire starts anew, whatever crashed before.
  void restart(const std::string& why);
  // Ends all, for good; `done` when no process is left.
  void stop(std::function<void()> done);

  // An agent has answered a turn: what crashed before was no loop.
  void worked() { crashes_.clear(); }
  // Why no agent is started at present; empty: one would be.
  std::string trouble();

 private:
  struct Starting {
    AgentPtr agent;
    std::vector<Got> waiting;
  };

  void start(std::shared_ptr<Starting> starting);
  void launch(const std::shared_ptr<Starting>& starting);
  void started(const std::shared_ptr<Starting>& starting, const net::Result<>& result);
  void ended(Agent& agent, const std::string& why, bool wanted);
  void watch_idle(const AgentPtr& agent);

  sdk::Host host_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  net::Loop& loop_;
  const Config& config_;
  ProcessRecords records_;
  std::list<AgentPtr> agents_;          // whose process may be there
  std::shared_ptr<Starting> starting_;  // the shared one, until it has shaken hands
  std::uint64_t generation_ = 0;
  struct Crash {
    std::chrono::steady_clock::time_point at;
    std::string why;
  };
  std::deque<Crash> crashes_;
  bool told_ = false;  // of the crash loop
  bool stopping_ = false;
  std::function<void()> stopped_;
};

}  // namespace viaduct::acp
