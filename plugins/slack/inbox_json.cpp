#include "plugins/slack/inbox.hpp"

#include <algorithm>
#include <viaduct/chat/value.hpp>
#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {

std::string kept_json(bool is_http, std::string_view source, std::string_view text) {
  return std::string(R"({"via":)") + (is_http ? R"("http")" : R"("socket")") + R"(,"source":)" +
         sdk::json_string(source) + R"(,"text":)" + sdk::json_string(text) + "}";
}

bool is_too_long(const std::vector<std::string>& keys) {
  constexpr std::size_t kLongest = 400;  // bytes
  return std::ranges::any_of(keys, [](const std::string& key) { return key.size() > kLongest; });
}

std::expected<Request, std::string> parse_kept(std::string_view json) {
  const chat::Value kept = chat::Value::parsed(json);
  return kept.text("via") == "http" ? parse_http(kept.text("source"), kept.text("text"))
                                    : parse_envelope(kept.text("source"), kept.text("text"));
}

}  // namespace viaduct::slack
