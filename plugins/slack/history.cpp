#include "plugins/slack/history.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace viaduct::slack {
namespace {

constexpr std::size_t kMostPlaces = 100;  // that are asked about, the newest
constexpr std::chrono::seconds kPatience{60};

std::string oldest_of(std::chrono::system_clock::time_point since) {
  return std::to_string(
             std::chrono::duration_cast<std::chrono::seconds>(since.time_since_epoch()).count()) +
         ".000000";
}

}  // namespace

net::Task<> fill_gap(chat::World& world, WebApi& api, const Installations& installations,
                     Inbound& inbound, Inbox& inbox, std::chrono::system_clock::time_point since) {
  std::vector<chat::Place> places;
  std::set<std::string> seen;
  auto bound = world.bindings.all_active();
  std::ranges::reverse(bound);
  for (const chat::Binding& one : bound) {
    if (places.size() >= kMostPlaces) break;
    const chat::Place channel{one.place.team, one.place.channel, ""};
    if (!one.place.thread.empty() && seen.insert(one.place.key()).second)
      places.push_back(one.place);
    if (seen.insert(channel.key()).second) places.push_back(channel);
  }
  std::size_t found = 0;
  for (const chat::Place& place : places) {
    const Installation* installation = installations.find(place.team);
    if (installation == nullptr) continue;
    const Installation one = *installation;
    std::string args = R"({"channel":)" + sdk::json_string(place.channel) + R"(,"oldest":")" +
                       oldest_of(since) + R"(","limit":100)";
    if (!place.thread.empty()) args += R"(,"ts":)" + sdk::json_string(place.thread);
    args += "}";
    const ApiResult answer =
        co_await api.call(place.thread.empty() ? "conversations.history" : "conversations.replies",
                          args, one.token, kPatience);
    if (!answer) {
      world.log.warn("what was said meanwhile cannot be read channel=" + place.channel +
                     " reason=" + answer.error().message);
      continue;
    }
    auto events = history_events(*answer, one.team, one.app_id, place.channel);
    if (place.thread.empty()) std::ranges::reverse(events);  // history has the newest first
    for (const std::string& payload : events) {
      auto request = parse_envelope("events_api", payload);
      if (!request || inbound.is_nothing(*request)) continue;
      const auto keys = inbound.keys(*request);
      ++found;
      inbox.receive(*std::move(request), keys, kept_json(false, "events_api", payload),
                    [](const sdk::Status&) {});
    }
  }
  if (found > 0)
    world.log.info("messages of the time without a connection messages=" + std::to_string(found));
}

}  // namespace viaduct::slack
