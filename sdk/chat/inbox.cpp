#include <viaduct/chat/inbox.hpp>

#include <viaduct/chat/value.hpp>

namespace viaduct::chat {

KeptPage parse_kept(std::string_view answer) {
  const Value page = Value::parsed(answer);
  KeptPage found;
  for (const Value& event : page.at("events").items())
    found.events.push_back({event.number("number"), event.text("key"), event.at("payload").json(),
                            std::chrono::milliseconds(event.number("age_ms"))});
  found.more = page.yes("more");
  return found;
}

}  // namespace viaduct::chat
