#include "plugins/acp/agents.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::acp {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::minutes kCrashWindow{5};
constexpr std::size_t kMostCrashes = 4;  // in the window; then it is not started again
constexpr milliseconds kFirstBackoff{250};
constexpr milliseconds kOneCause{200};  // less than the first backoff

}  // namespace

Agents::Agents(const sdk::Host& host, net::Loop& loop, const Config& config)
    : host_(host), log_(host), metrics_(host), loop_(loop), config_(config), records_(host) {}

void Agents::acquire(Got got) {
  if (stopping_)
    return got(std::unexpected(sdk::Status{sdk::Code::kUnavailable, "The backend is stopping"}));
  if (config_.share) {
    if (starting_) return starting_->waiting.push_back(std::move(got));
    for (const AgentPtr& agent : agents_)
      if (agent->usable()) return got(agent);
  }
  auto starting = std::make_shared<Starting>();
  starting->waiting.push_back(std::move(got));
  if (config_.share) starting_ = starting;
  start(std::move(starting));
}

std::string Agents::trouble() {
  while (!crashes_.empty() && steady_clock::now() - crashes_.front().at > kCrashWindow)
    crashes_.pop_front();
  if (crashes_.size() < kMostCrashes) return {};
  return config_.command.front() + " has crashed " + std::to_string(crashes_.size()) +
         " times within 5 minutes and is not started for now (viaduct " + host_.name() +
         " restart tries again). Last: " + crashes_.back().why;
}

void Agents::start(std::shared_ptr<Starting> starting) {
  if (const std::string words = trouble(); !words.empty()) {
    if (!std::exchange(told_, true)) log_.error("crash loop: " + words);
    return started(starting, std::unexpected(sdk::Status{sdk::Code::kFailedPrecondition, words}));
  }
  told_ = false;
  if (crashes_.empty()) return launch(starting);
  // After a crash: at once only if the last one is long enough ago.
  const auto wait = kFirstBackoff * (1 << (crashes_.size() - 1));
  auto timer = std::make_shared<asio::steady_timer>(loop_.context());
  timer->expires_at(crashes_.back().at + wait);
  timer->async_wait([this, timer, starting](boost::system::error_code) {
    if (stopping_)
      return started(starting, std::unexpected(sdk::Status{sdk::Code::kUnavailable,
                                                           "The backend is stopping"}));
    launch(starting);
  });
}

void Agents::launch(const std::shared_ptr<Starting>& starting) {
  starting->agent = std::make_shared<Agent>(
      host_, loop_, config_, ++generation_,
      [this](Agent& agent, const std::string& why, bool wanted) { ended(agent, why, wanted); });
  agents_.push_back(starting->agent);
  metrics_.gauge("agents", static_cast<double>(agents_.size()));
  metrics_.count("agent_starts_total");
  const auto began = steady_clock::now();
  starting->agent->start([this, starting, began](const net::Result<>& result) {
    if (result) metrics_.observe("agent_start_seconds", steady_clock::now() - began);
    started(starting, result);
  });
  if (const pid_t pid = starting->agent->pid(); pid != 0) records_.add(pid);
}

void Agents::started(const std::shared_ptr<Starting>& starting, const net::Result<>& result) {
  if (starting_ == starting) starting_ = nullptr;
  const AgentPtr agent = starting->agent;
  if (result) {
    watch_idle(agent);
  } else if (agent && agent->pid() == 0) {  // there was no process at all
    std::erase(agents_, agent);
    metrics_.gauge("agents", static_cast<double>(agents_.size()));
  }
  for (Got& got : std::exchange(starting->waiting, {})) {
    if (result)
      got(agent);
    else
      got(std::unexpected(result.error()));
  }
}

void Agents::release(const AgentPtr& agent) {
  const bool last = agent->usable() && !agent->has_sessions();  // a copy lives at the same agent
  if (!config_.share && last) agent->stop("The session was closed");
}

void Agents::watch_idle(const AgentPtr& agent) {
  if (config_.idle_timeout.count() == 0) return;
  auto timer = std::make_shared<asio::steady_timer>(loop_.context());
  const std::weak_ptr<Agent> weak = agent;
  const auto arm = [this, timer, weak] {
    timer->expires_after(config_.idle_timeout);
    timer->async_wait([this, timer, weak](boost::system::error_code error) {
      const AgentPtr idle = weak.lock();
      if (error || !idle || !idle->usable() || idle->busy()) return;
      log_.info("agent stopped because it was idle pid=" + std::to_string(idle->pid()));
      metrics_.count("agent_idle_stops_total");
      idle->stop("The agent was stopped because it was idle");
    });
  };
  agent->on_idle(arm);
  arm();
}

void Agents::ended(Agent& agent, const std::string& why, bool wanted) {
  records_.remove(agent.pid());
  std::erase_if(agents_, [&](const AgentPtr& one) { return one.get() == &agent; });
  metrics_.gauge("agents", static_cast<double>(agents_.size()));
  if (!wanted) {
    metrics_.count("agent_crashes_total");
    log_.warn("agent ended by itself reason=" + why);
    // Several that died of one cause are one crash.
    const auto now = steady_clock::now();
    if (!config_.share && !crashes_.empty() && now - crashes_.back().at < kOneCause)
      crashes_.pop_back();
    crashes_.push_back({now, why});
  }
  if (stopping_ && agents_.empty())
    if (const auto done = std::exchange(stopped_, nullptr)) done();
}

void Agents::restart(const std::string& why) {
  crashes_.clear();
  for (const AgentPtr& agent : std::list(agents_)) agent->stop(why);
}

void Agents::stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  for (const AgentPtr& agent : std::list(agents_)) agent->stop("The backend was stopped");
  if (agents_.empty())
    if (const auto told = std::exchange(stopped_, nullptr)) told();
}

}  // namespace viaduct::acp
