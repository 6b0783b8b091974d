#include "plugins/acp/replay.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::acp {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kQuiet{250};           // without a piece: that was all
constexpr std::chrono::seconds kLongest{10};  // after the answer
constexpr milliseconds kProlonged{500};       // often enough

}  // namespace

void Replay::load(Agents::AgentPtr agent, std::string_view params, milliseconds handshake,
                  Clock::time_point limit, bool patient, std::function<void(CallResult)> done) {
  agent_ = agent;
  handshake_ = handshake;
  limit_ = limit;
  prolonged_ = Clock::now();
  agent->begin();
  call_ = agent->request(
      "session/load", params,
      [self = shared_from_this(), agent, patient, done = std::move(done)](CallResult answer) {
        agent->finish();
        self->call_ = 0;
        self->answered(agent);
        if (!answer || (!patient && self->in_order())) return done(std::move(answer));
        self->when_quiet([done, answer = std::move(answer)] { done(answer); });
      });
}

void Replay::answered(Agents::AgentPtr agent) {
  agent_ = std::move(agent);
  answered_ = Clock::now();
  has_answer_ = true;
}

// An agent that has told what it said itself has told all. One that has told nothing, or only what
// people said, may have begun in time and answered too early.
bool Replay::in_order() const {
  return pieces_ > 0 && !ends_with_user_ && !agent_->replays_late();
}

void Replay::came(Update::Kind kind) {
  last_ = Clock::now();
  ++pieces_;
  ends_with_user_ = kind == Update::Kind::kUserText;
  if (has_answer_) {
    late_ = true;
    agent_->note_late_replay();
  } else if (call_ != 0 && last_ - prolonged_ > kProlonged && last_ < limit_) {
    prolonged_ = last_;
    const auto left = std::chrono::ceil<milliseconds>(limit_ - last_);
    agent_->connection().prolong(call_, std::min(handshake_, left));
  }
}

bool Replay::is_over() const {
  return has_answer_ && Clock::now() > answered_ + kLongest;
}

void Replay::when_quiet(std::function<void()> then) {
  const auto quiet = std::max(last_, answered_) + kQuiet;
  if (Clock::now() >= std::min(quiet, answered_ + kLongest)) return then();
  auto timer = std::make_shared<asio::steady_timer>(loop_.context());
  timer->expires_at(quiet);
  timer->async_wait([self = shared_from_this(), timer, then = std::move(then)](
                        boost::system::error_code) { self->when_quiet(then); });
}

}  // namespace viaduct::acp
