#include "host/sessions/ladder.hpp"

#include <algorithm>

namespace viaduct::sessions {

bool is_transient(Errc code) {
  return code == Errc::unavailable || code == Errc::timeout || code == Errc::busy;
}

Ladder::Action Ladder::present() const {
  switch (rung_) {
    case Rung::native: return {Step::restore, {}, {}};
    case Rung::transcript: return {Step::inject, {}, {}};
    case Rung::fresh: return {Step::open, {}, {}};
  }
  return {};
}

Ladder::Action Ladder::begin() {
  if (!facts_.policy.enabled)
    return enter_fresh("restoring is turned off for this backend", "turned_off");
  if (!facts_.can_restore)
    return enter_transcript("the backend keeps no sessions of its own", "cannot_restore");
  if (!facts_.has_native) return enter_transcript("the backend has no id of this session", "no_id");
  if (!facts_.native_refused.empty())
    return enter_transcript(facts_.native_refused, facts_.refused_cause);
  return present();
}

Ladder::Action Ladder::again() {
  return present();
}

Ladder::Action Ladder::enter_transcript(std::string reason, const char* cause) {
  if (!facts_.policy.enabled || !facts_.has_transcript)
    return enter_fresh(std::move(reason), cause);
  rung_ = Rung::transcript;
  attempt_ = 0;
  reason_ = std::move(reason);
  cause_ = cause;
  return present();
}

Ladder::Action Ladder::enter_fresh(std::string reason, const char* cause) {
  reason_ = std::move(reason);
  cause_ = cause;
  rung_ = Rung::fresh;
  attempt_ = 0;
  if (facts_.has_transcript && !facts_.policy.fresh_on_loss)
    return {
        Step::fail, {}, {Errc::session_dead, "The conversation cannot be restored: " + reason_}};
  return present();
}

Ladder::Action Ladder::failed(const Error& error) {
  if (error.code == Errc::failed_precondition || error.code == Errc::cancelled) {
    cause_ = "operator";
    return {Step::fail, {}, error};
  }

  if (is_transient(error.code)) {
    if (++attempt_ < std::max(1u, facts_.policy.attempts)) {
      const auto doublings = std::min(attempt_ - 1, 6u);
      return {Step::wait, facts_.policy.backoff * (1 << doublings), {}};
    }
    if (rung_ == Rung::native && ++failures_ >= facts_.policy.give_up_after) {
      native_given_up_ = true;
      return enter_transcript(
          "restoring failed " + std::to_string(failures_) + " times: " + error.message, "given_up");
    }
    cause_ = "transient";
    return {Step::fail, {}, {Errc::unavailable, error.message}};
  }

  switch (rung_) {
    case Rung::native: return enter_transcript(error.message, "refused");
    case Rung::transcript: return enter_fresh(error.message, "refused");
    case Rung::fresh: break;
  }
  cause_ = "refused";
  return {Step::fail, {}, {Errc::session_dead, error.message}};
}

std::string Ladder::rung() const {
  switch (rung_) {
    case Rung::native: return "native";
    case Rung::transcript: return "transcript";
    case Rung::fresh: return "fresh";
  }
  return "fresh";
}

}  // namespace viaduct::sessions
