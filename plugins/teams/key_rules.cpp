#include "plugins/teams/key_rules.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::teams {

bool KeyRules::may_ask(Time now) {
  if (asked_at_ && now - *asked_at_ < kAskedFor) return false;
  asked_at_ = now;
  return true;
}

void KeyRules::fetched(KeySet keys, Time begun, Time now) {
  for (auto& [id, key] : keys) {
    const auto before = keys_.find(id);
    if (before != keys_.end() && before->second->json == key->json) key = before->second;
  }
  keys_ = std::move(keys);
  fetched_at_ = begun;
  due_ = now + kRefresh;
  retry_ = kFirstRetry;
}

void KeyRules::failed(Time now) {
  due_ = now + retry_;
  retry_ = std::min<std::chrono::seconds>(retry_ * 2, kLongestRetry);
}

std::shared_ptr<const SigningKey> KeyRules::find(std::string_view id, Time now) const {
  if (count(now) == 0) return nullptr;
  const auto found = keys_.find(id);
  return found == keys_.end() ? nullptr : found->second;
}

std::size_t KeyRules::count(Time now) const {
  const auto old = age(now);
  return old && *old < kTrusted ? keys_.size() : 0;
}

std::optional<Uptime::duration> KeyRules::age(Time now) const {
  if (!fetched_at_) return std::nullopt;
  return now - *fetched_at_;
}

}  // namespace viaduct::teams
