#include <viaduct/chat/value.hpp>
#include "plugins/slack/inbox.hpp"

#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {

std::string kept_json(bool is_http, std::string_view source, std::string_view text) {
  return std::string(R"({"via":)") + (is_http ? R"("http")" : R"("socket")") + R"(,"source":)" +
         sdk::json_string(source) + R"(,"text":)" + sdk::json_string(text) + "}";
}

KeptPage parse_kept(std::string_view answer) {
  const chat::Value page = chat::Value::parsed(answer);
  KeptPage found;
  for (const chat::Value& event : page.at("events").items()) {
    const chat::Value payload = event.at("payload");
    found.events.push_back({event.number("number"), event.text("key"),
                            payload.text("via") == "http", payload.text("source"),
                            payload.text("text"),
                            std::chrono::milliseconds(event.number("age_ms"))});
  }
  found.more = page.yes("more");
  return found;
}

}  // namespace viaduct::slack
