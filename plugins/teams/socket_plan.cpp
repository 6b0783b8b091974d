#include "plugins/teams/socket_plan.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::teams {
namespace {

using Kind = SocketAction::Kind;
using std::chrono::milliseconds;

std::string seconds(SocketPlan::Time::duration time) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

SocketPlan::Actions SocketPlan::next(const SocketEvent& event, Time now) {
  using Event = SocketEvent::Kind;
  Actions actions;
  if (event.kind == Event::kStart) {
    stopped_ = false;
    open(actions, now);
    return actions;
  }
  if (event.kind == Event::kStop) {
    stopped_ = true;
    retry_at_.reset();
    for (const auto& [id, link] : links_) actions.push_back({Kind::kClose, id});
    return actions;
  }
  if (event.kind == Event::kTick) {
    if (!stopped_) tick(actions, now);
    return actions;
  }
  const auto found = links_.find(event.link);
  if (found == links_.end()) return actions;
  const bool is_end = event.kind == Event::kLost || event.kind == Event::kFailed;
  if (stopped_) {
    if (is_end)
      links_.erase(found);
    else
      actions.push_back({Kind::kClose, event.link});
  } else if (is_end) {
    ended(actions, event, now);
  } else if (event.kind == Event::kReady) {
    ready(actions, event.link, now);
  } else {
    Link& link = found->second;
    link = {State::kGreeting, now, now, now, std::nullopt, false, false};
    // Not at once again, however short it lives.
    if (event.expires_in.count() > 0)
      link.renew = now + std::max(event.expires_in - times_.renew, event.expires_in / 2);
  }
  return actions;
}

void SocketPlan::heard(int link, Time at) {
  const auto found = links_.find(link);
  if (found != links_.end()) found->second.heard = std::max(found->second.heard, at);
}

bool SocketPlan::has_fresh_link() const {
  return std::ranges::any_of(links_, [](const auto& one) {
    return one.second.state != State::kLeaving && !one.second.is_replaced;
  });
}

bool SocketPlan::is_connected() const {
  return std::ranges::any_of(links_, [](const auto& one) { return one.second.was_ready; });
}

void SocketPlan::open(Actions& actions, Time now) {
  retry_at_.reset();
  const int id = ++last_link_;
  links_[id] = {State::kOpening, now, now, now, std::nullopt, false, false};
  actions.push_back({Kind::kOpen, id});
}

// Any time up to what doubles with each failure: those that lost their connections together do not
// come back together.
milliseconds SocketPlan::backoff() {
  milliseconds most = times_.first_wait;
  for (int i = 1; i < failures_ && most < times_.longest_wait; ++i) most *= 2;
  most = std::min(most, times_.longest_wait);
  return std::chrono::duration_cast<milliseconds>(most * chance_());
}

void SocketPlan::ready(Actions& actions, int id, Time now) {
  Link& link = links_[id];
  if (link.state != State::kGreeting) return;
  link.state = State::kReady;
  link.since = now;
  link.was_ready = true;
  trouble_.clear();
  const std::string missed = uncovered_since_
                                 ? " after " + seconds(now - *uncovered_since_) +
                                       " without; what was said meanwhile may not have come"
                                 : "";
  actions.push_back({uncovered_since_ ? Kind::kWarn : Kind::kInfo, id,
                     "Socket Mode: connected to " + name_ + missed});
  uncovered_since_.reset();
  // What is here already still delivers what is under way.
  for (auto& [other, old] : links_)
    if (other != id && old.state == State::kReady) {
      old.state = State::kLeaving;
      old.since = now;
    }
}

void SocketPlan::ended(Actions& actions, const SocketEvent& event, Time now) {
  const auto found = links_.find(event.link);
  const Link link = found->second;
  links_.erase(found);
  if (link.was_ready && !is_connected()) uncovered_since_ = link.heard;
  if (link.state == State::kLeaving) return;
  const bool was_stable = link.state == State::kReady && now - link.since >= times_.stable;
  failures_ = was_stable ? 1 : failures_ + 1;
  trouble_ = event.text;
  const bool was_open = link.state == State::kReady;
  actions.push_back({event.is_final ? Kind::kError
                     : was_open     ? Kind::kInfo
                                    : Kind::kWarn,
                     event.link,
                     "Socket Mode: " + (was_open ? "the connection to " + name_ + " has ended (" +
                                                       event.text + ")"
                                                 : name_ + ": " + event.text)});
  if (has_fresh_link()) return;
  const milliseconds least =
      event.is_final ? times_.refused_wait : event.retry_after.value_or(milliseconds(0));
  retry_at_ = now + std::max(backoff(), least);
}

void SocketPlan::tick(Actions& actions, Time now) {
  std::vector<std::pair<int, std::string>> over;
  bool renews = false;
  for (auto& [id, link] : links_) {
    if (link.state == State::kOpening) continue;  // each of its steps has a limit of its own
    if (link.state == State::kLeaving && now - link.since >= times_.leaving) {
      over.emplace_back(id, "replaced");
    } else if (link.state == State::kGreeting && now - link.since >= times_.ready) {
      over.emplace_back(id, "Teams did not say that it is ready");
    } else if (now - link.heard >= times_.silence) {
      over.emplace_back(id, "nothing came for " + seconds(now - link.heard));
    } else {
      if (now - link.pinged >= times_.ping) {
        link.pinged = now;
        actions.push_back({Kind::kPing, id});
      }
      if (link.state == State::kReady && !link.is_replaced && link.renew && now >= *link.renew) {
        link.is_replaced = true;
        renews = true;
      }
    }
  }
  for (const auto& [id, why] : over) {
    actions.push_back({Kind::kClose, id});
    ended(actions, {.kind = SocketEvent::Kind::kLost, .link = id, .text = why}, now);
  }
  const bool due = renews || (retry_at_ && now >= *retry_at_);
  if (due && !has_fresh_link()) open(actions, now);
}

std::optional<SocketPlan::Time> SocketPlan::wake() const {
  if (stopped_) return std::nullopt;
  std::optional<Time> first = retry_at_;
  const auto also = [&](Time at) { first = first ? std::min(*first, at) : at; };
  for (const auto& [id, link] : links_) {
    if (link.state == State::kOpening) continue;
    if (link.state == State::kLeaving) also(link.since + times_.leaving);
    if (link.state == State::kGreeting) also(link.since + times_.ready);
    if (link.state == State::kReady && !link.is_replaced && link.renew) also(*link.renew);
    also(link.heard + times_.silence);
    also(link.pinged + times_.ping);
  }
  return first;
}

std::string SocketPlan::words(Time now) const {
  if (is_connected()) {
    Time last = Time::min();
    for (const auto& [id, link] : links_)
      if (link.was_ready) last = std::max(last, link.heard);
    return "connected to " + name_ + ", last heard of " + seconds(now - last) + " ago";
  }
  std::string text = "not connected to " + name_;
  if (!trouble_.empty()) text += ": " + trouble_;
  if (retry_at_)
    text += "; tried again in " + seconds(std::max(*retry_at_ - now, Time::duration::zero()));
  return text;
}

}  // namespace viaduct::teams
