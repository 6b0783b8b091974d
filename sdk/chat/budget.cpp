#include <viaduct/chat/budget.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace viaduct::chat {

Budget::State& Budget::state_of(const Lane& lane, Time now) {
  const auto [found, is_new] = lanes_.try_emplace(lane.name);
  if (is_new) found->second = {lane.pace, static_cast<double>(lane.pace.burst), now};
  return found->second;
}

double Budget::room_at(const State& lane, Time now) {
  if (now < lane.at) return 0;
  if (lane.pace.each.count() <= 0) return lane.pace.burst;
  const double since = std::chrono::duration<double, std::milli>(now - lane.at).count();
  return std::min<double>(lane.pace.burst,
                          lane.room + since / static_cast<double>(lane.pace.each.count()));
}

Budget::Ticket Budget::enter(std::vector<Lane> lanes, Rank rank, Time now, Ticket again) {
  if (lanes_.size() > kManyLanes) forget_idle_lanes(now);
  Waiting waiting{{}, rank};
  for (Lane& lane : lanes) {
    state_of(lane, now);
    waiting.lanes.push_back(std::move(lane.name));
  }
  const Ticket ticket = again != 0 ? again : ++last_;
  line_.insert_or_assign(ticket, std::move(waiting));
  return ticket;
}

bool Budget::is_ahead(const std::pair<const Ticket, Waiting>& one,
                      const std::pair<const Ticket, Waiting>& of, const std::string& lane) const {
  if (one.second.rank != of.second.rank) {
    if (one.second.rank == Rank::kPassing) return false;
  } else if (one.first >= of.first) {
    return false;
  }
  return std::ranges::find(one.second.lanes, lane) != one.second.lanes.end();
}

std::optional<Budget::Time> Budget::look(Ticket ticket, Time now) {
  const auto self = line_.find(ticket);
  if (self == line_.end()) return std::nullopt;
  Time again = now;
  for (const std::string& name : self->second.lanes) {
    const State& lane = lanes_.find(name)->second;
    const auto ahead =
        std::ranges::count_if(line_, [&](const auto& one) { return is_ahead(one, *self, name); });
    const int reserve = self->second.rank == Rank::kPassing ? lane.pace.burst / 4 : 0;
    const double wanted =
        std::min<double>(lane.pace.burst, 1 + static_cast<double>(ahead + reserve));
    const double room = room_at(lane, now);
    if (room >= wanted) continue;
    const double missing = now < lane.at ? wanted - lane.room : wanted - room;
    const auto wait = std::chrono::duration<double, std::milli>(
        std::max(0.0, missing) * static_cast<double>(lane.pace.each.count()));
    again = std::max(again,
                     std::max(now, lane.at) + std::chrono::ceil<std::chrono::milliseconds>(wait));
    // Even if nothing seems missing: never at once, or it would be looked at without end.
    again = std::max(again, now + std::chrono::milliseconds(1));
  }
  if (again > now) return again;
  for (const std::string& name : self->second.lanes) {
    State& lane = lanes_.find(name)->second;
    lane.room = room_at(lane, now) - 1;
    lane.at = now;
  }
  line_.erase(self);
  return std::nullopt;
}

void Budget::leave(Ticket ticket) {
  line_.erase(ticket);
}

void Budget::pause(const Lane& lane, Time until) {
  State& state = state_of(lane, until);
  if (state.at > until) return;
  state.room = 1;
  state.at = until;
}

void Budget::forget_idle_lanes(Time now) {
  std::erase_if(lanes_, [&](const auto& lane) {
    return room_at(lane.second, now) >= lane.second.pace.burst &&
           std::ranges::none_of(line_, [&](const auto& one) {
             return std::ranges::find(one.second.lanes, lane.first) != one.second.lanes.end();
           });
  });
}

}  // namespace viaduct::chat
