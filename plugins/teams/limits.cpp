#include "plugins/teams/limits.hpp"

#include <array>
#include <chrono>

namespace viaduct::teams {
namespace {

using namespace std::chrono_literals;
using chat::Budget;

// Each keeps, in every window, burst + window / each below what the service allows.
constexpr Budget::Pace kSend{540ms, 4};       // 7 in 1 s, 8 in 2 s, 60 in 30 s
constexpr Budget::Pace kSendHour{4s, 900};    // 1800 in an hour
constexpr Budget::Pace kRead{270ms, 8};       // 14 in 1 s, 16 in 2 s, 120 in 30 s
constexpr Budget::Pace kReadHour{2s, 1800};   // 3600 in an hour
constexpr Budget::Pace kTenant{40ms, 25};     // 50 in 1 s
constexpr Budget::Pace kReaction{1000ms, 1};  // 2 in 1 s, everywhere
constexpr Budget::Pace kStream{1200ms, 1};    // 1 in 1 s, on a network that is not exact

Budget::Lane lane(std::string_view kind, std::string_view of, Budget::Pace pace) {
  return {std::string(kind) + " " + std::string(of), pace};
}

}  // namespace

std::vector<Budget::Lane> lanes_of(CallKind kind, std::string_view tenant,
                                   std::string_view conversation) {
  // The first is what a 429 is most likely about.
  std::vector<Budget::Lane> lanes;
  switch (kind) {
    case CallKind::kStream: lanes.push_back(lane("stream", conversation, kStream)); [[fallthrough]];
    case CallKind::kSend:
      lanes.push_back(lane("send", conversation, kSend));
      lanes.push_back(lane("sends in an hour", conversation, kSendHour));
      break;
    case CallKind::kRead:
      lanes.push_back(lane("read", conversation, kRead));
      lanes.push_back(lane("reads in an hour", conversation, kReadHour));
      break;
    case CallKind::kReaction: lanes.push_back(lane("reactions", "", kReaction)); break;
  }
  lanes.push_back(lane("tenant", tenant, kTenant));
  return lanes;
}

const Budget::Lane& refused_lane(const std::vector<Budget::Lane>& lanes) {
  return lanes.front();
}

}  // namespace viaduct::teams
