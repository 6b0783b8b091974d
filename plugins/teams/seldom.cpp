#include "plugins/teams/seldom.hpp"

#include <utility>

namespace viaduct::teams {

std::optional<std::uint64_t> Seldom::now(std::string_view kind, Clock::time_point at) {
  auto found = kinds_.find(kind);
  if (found == kinds_.end()) {
    if (kinds_.size() >= kMostKinds)
      std::erase_if(kinds_, [&](const auto& one) { return at - one.second.since >= window_; });
    if (kinds_.size() >= kMostKinds) kinds_.clear();
    found = kinds_.emplace(std::string(kind), Kind{at}).first;
  }
  Kind& one = found->second;
  if (at - one.since >= window_) {
    one.since = at;
    one.passed = 0;
  }
  if (one.passed >= most_) {
    ++one.left_out;
    return std::nullopt;
  }
  ++one.passed;
  return std::exchange(one.left_out, 0);
}

std::optional<std::string> Seldom::line(std::string_view kind, std::string line,
                                        Clock::time_point at) {
  const auto more = now(kind, at);
  if (!more) return std::nullopt;
  if (*more > 0) line += " more_before=" + std::to_string(*more);
  return line;
}

}  // namespace viaduct::teams
