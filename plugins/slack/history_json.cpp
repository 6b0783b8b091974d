#include "plugins/slack/history.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::slack {

std::vector<std::string> history_events(std::string_view answer, std::string_view team,
                                        std::string_view app, std::string_view channel,
                                        std::string_view oldest) {
  using nlohmann::json;
  std::vector<std::string> events;
  const json page = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!page.is_object() || !page.contains("messages") || !page["messages"].is_array())
    return events;
  for (const json& message : page["messages"]) {
    if (!message.is_object() || !message.contains("ts") || !message["ts"].is_string()) continue;
    const std::string ts = message["ts"].get<std::string>();
    if (!is_ts(ts) || is_earlier(ts, oldest)) continue;
    json event = message;
    event["type"] = "message";
    event["channel"] = std::string(channel);
    if (channel.starts_with('D')) event["channel_type"] = "im";
    events.push_back(json{
        {"type", "event_callback"},
        {"team_id", std::string(team)},
        {"api_app_id", std::string(app)},
        {"event_id", "history-" + std::string(channel) + "-" + message["ts"].get<std::string>()},
        {"event", std::move(event)}}
                         .dump(-1, ' ', false, json::error_handler_t::replace));
  }
  return events;
}

}  // namespace viaduct::slack
