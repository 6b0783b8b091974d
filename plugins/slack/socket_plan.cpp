#include "plugins/slack/socket_plan.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::slack {
namespace {

using Kind = SocketAction::Kind;
using std::chrono::milliseconds;

constexpr std::chrono::minutes kStillCounted{1};
constexpr std::chrono::minutes kLately{10};
constexpr std::size_t kOften = 25;
constexpr int kMostLeaving = 3;  // Slack allows 10 connections, and other processes have some

void forget_old(std::vector<SocketPlan::Time>& times, SocketPlan::Time now,
                std::chrono::minutes age) {
  std::erase_if(times, [&](SocketPlan::Time at) { return now - at > age; });
}

std::string seconds(milliseconds time) {
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
  if (stopped_) {
    if (event.kind == Event::kLost || event.kind == Event::kFailed)
      links_.erase(found);
    else
      actions.push_back({Kind::kClose, event.link});
    return actions;
  }
  switch (event.kind) {
    case Event::kOpened:
      found->second = {State::kGreeting, now, now, std::nullopt, now, false};
      break;
    case Event::kFailed: {
      auto wait = event.retry_after;
      if (event.is_final) wait = times_.disabled_wait;
      actions.push_back(
          {event.is_final ? Kind::kError : Kind::kWarn, event.link, "Socket Mode: " + event.text});
      ended(actions, event.link, event.text, now, wait);
      break;
    }
    case Event::kHello: hello(actions, event.link, event.connections, now); break;
    case Event::kDisconnect: disconnect(actions, event.link, event.text, now); break;
    case Event::kLost: ended(actions, event.link, event.text, now); break;
    default: break;
  }
  return actions;
}

void SocketPlan::heard(int link, Time at) {
  const auto found = links_.find(link);
  if (found == links_.end() || at <= found->second.heard) return;
  found->second.heard = at;
  found->second.asked.reset();
}

bool SocketPlan::has_fresh_link() const {
  return std::ranges::any_of(links_,
                             [](const auto& one) { return one.second.state != State::kLeaving; });
}

bool SocketPlan::was_stable(const Link& link, Time now) const {
  return link.state == State::kReady &&
         (now - link.since >= times_.stable || greeted_.size() <= kOften);
}

bool SocketPlan::is_connected() const {
  return std::ranges::any_of(links_, [](const auto& one) { return one.second.was_ready; });
}

void SocketPlan::open(Actions& actions, Time now) {
  retry_at_.reset();
  const int id = ++last_link_;
  links_[id] = {State::kOpening, now, now, std::nullopt, now, false};
  actions.push_back({Kind::kOpen, id});
}

milliseconds SocketPlan::backoff() {
  if (failures_ <= 1) return milliseconds(0);
  milliseconds wait = times_.first_wait;
  for (int i = 2; i < failures_ && wait < times_.longest_wait; ++i) wait *= 2;
  wait = std::min(wait, times_.longest_wait);
  // Those that lost their connections together do not come back together.
  return std::chrono::duration_cast<milliseconds>(wait * (0.5 + chance_() / 2));
}

void SocketPlan::try_again(Actions& actions, Time now, std::optional<milliseconds> at_least) {
  if (has_fresh_link() || retry_at_) return;
  const milliseconds wait = std::max(backoff(), at_least.value_or(milliseconds(0)));
  if (wait.count() == 0)
    open(actions, now);
  else
    retry_at_ = now + wait;
}

void SocketPlan::ended(Actions& actions, int id, const std::string& why, Time now,
                       std::optional<milliseconds> at_least) {
  const auto found = links_.find(id);
  const Link link = found->second;
  links_.erase(found);
  if (link.state != State::kOpening) {
    forget_old(lost_, now, kStillCounted);
    lost_.push_back(now);
  }
  if (link.was_ready && !is_connected()) uncovered_since_ = link.heard;
  if (link.state == State::kLeaving) return try_again(actions, now, at_least);
  failures_ = was_stable(link, now) ? 1 : failures_ + 1;
  trouble_ = why;
  if (link.state != State::kOpening)
    actions.push_back({Kind::kInfo, id, "Socket Mode: the connection has ended (" + why + ")"});
  try_again(actions, now, at_least);
}

void SocketPlan::hello(Actions& actions, int id, int connections, Time now) {
  Link& link = links_[id];
  if (link.state != State::kGreeting) return;
  link.state = State::kReady;
  link.since = now;
  link.was_ready = true;
  trouble_.clear();
  if (uncovered_since_) {
    actions.push_back({Kind::kGap, id, {}, *uncovered_since_});
    uncovered_since_.reset();
  }
  actions.push_back({Kind::kInfo, id, "Socket Mode: connected"});
  forget_old(lost_, now, kStillCounted);
  forget_old(greeted_, now, kLately);
  greeted_.push_back(now);
  const auto ours = static_cast<int>(
      lost_.size() + static_cast<std::size_t>(std::ranges::count_if(links_, [](const auto& one) {
        return one.second.state != State::kOpening;
      })));
  others_ = std::max(0, connections - ours);
  if (others_ > 0)
    actions.push_back(
        {Kind::kError, id,
         "Socket Mode: Slack counts " + std::to_string(connections) +
             " connections of this app, and " + std::to_string(others_) +
             " of them belong to another process with the same app_token: it gets a part of the "
             "events; stop it, or give it an app of its own"});
}

void SocketPlan::disconnect(Actions& actions, int id, const std::string& reason, Time now) {
  Link& link = links_[id];
  if (reason == "link_disabled" || reason == "too_many_websockets") {
    const bool disabled = reason == "link_disabled";
    const std::string why =
        disabled ? "Socket Mode is switched off in the app's settings; switch it on there, or set "
                   "mode: http"
                 : "the app has more than 10 connections; stop other processes with its app_token";
    actions.push_back({Kind::kError, id, "Socket Mode: " + why});
    actions.push_back({Kind::kClose, id});
    // What comes of closing it must not try at once.
    retry_at_ = now + (disabled ? times_.disabled_wait : times_.crowded_wait);
    trouble_ = why;
    link.state = State::kLeaving;
    link.since = now;
    if (std::exchange(link.was_ready, false) && !is_connected()) uncovered_since_ = link.heard;
    return;
  }
  if (link.state == State::kLeaving) return;
  failures_ = was_stable(link, now) ? 1 : failures_ + 1;
  link.state = State::kLeaving;
  link.since = now;
  trouble_ = "Slack is replacing the connection";
  actions.push_back(
      {Kind::kInfo, id, "Socket Mode: Slack replaces the connection (" + reason + ")"});
  int leaving = 0;
  for (auto one = links_.rbegin(); one != links_.rend(); ++one)
    if (one->second.state == State::kLeaving && ++leaving > kMostLeaving)
      actions.push_back({Kind::kClose, one->first});
  try_again(actions, now, std::nullopt);
}

void SocketPlan::tick(Actions& actions, Time now) {
  std::vector<std::pair<int, std::string>> over;
  for (auto& [id, link] : links_) {
    if (link.state == State::kOpening) continue;  // each of its steps has a limit of its own
    if (link.state == State::kLeaving && now - link.since >= times_.leaving) {
      over.emplace_back(id, "replaced");
    } else if (link.state == State::kGreeting && now - link.since >= times_.hello) {
      over.emplace_back(id, "Slack said no hello");
    } else if (link.asked && now - link.heard >= times_.dead &&
               now - *link.asked >= times_.answer) {
      over.emplace_back(id,
                        "nothing came for " +
                            seconds(std::chrono::duration_cast<milliseconds>(now - link.heard)) +
                            ", not even the answer to a ping");
    } else if (now - std::max(link.heard, link.last_ping) >= times_.ping) {
      if (!link.asked) link.asked = now;
      link.last_ping = now;
      actions.push_back({Kind::kPing, id});
    }
  }
  for (const auto& [id, why] : over) {
    actions.push_back({Kind::kClose, id});
    ended(actions, id, why, now);
  }
  if (retry_at_ && now >= *retry_at_) open(actions, now);
}

std::optional<SocketPlan::Time> SocketPlan::wake() const {
  if (stopped_) return std::nullopt;
  std::optional<Time> first = retry_at_;
  const auto also = [&](Time at) { first = first ? std::min(*first, at) : at; };
  for (const auto& [id, link] : links_) {
    if (link.state == State::kOpening) continue;
    if (link.state == State::kLeaving) also(link.since + times_.leaving);
    if (link.state == State::kGreeting) also(link.since + times_.hello);
    if (link.asked) also(std::max(link.heard + times_.dead, *link.asked + times_.answer));
    also(std::max(link.heard, link.last_ping) + times_.ping);
  }
  return first;
}

std::string SocketPlan::words(Time now) const {
  std::string text;
  if (is_connected()) {
    Time heard = Time::min();
    for (const auto& [id, link] : links_)
      if (link.was_ready) heard = std::max(heard, link.heard);
    text = "connected by Socket Mode, last heard of " +
           seconds(std::chrono::duration_cast<milliseconds>(now - heard)) + " ago";
  } else {
    text = "not connected by Socket Mode";
    if (!trouble_.empty()) text += ": " + trouble_;
    if (retry_at_)
      text += "; tried again in " +
              seconds(std::chrono::duration_cast<milliseconds>(std::max(*retry_at_ - now, {})));
  }
  if (others_ > 0)
    text += "; " + std::to_string(others_) +
            " connections belong to another process with the same app_token, which gets a part of "
            "the events";
  return text;
}

}  // namespace viaduct::slack
