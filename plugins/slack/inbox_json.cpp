#include "plugins/slack/inbox.hpp"

#include <viaduct/chat/value.hpp>
#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {

std::string kept_json(bool is_http, std::string_view source, std::string_view text) {
  return std::string(R"({"via":)") + (is_http ? R"("http")" : R"("socket")") + R"(,"source":)" +
         sdk::json_string(source) + R"(,"text":)" + sdk::json_string(text) + "}";
}

std::expected<Request, std::string> parse_kept(std::string_view json) {
  const chat::Value kept = chat::Value::parsed(json);
  return kept.text("via") == "http" ? parse_http(kept.text("source"), kept.text("text"))
                                    : parse_envelope(kept.text("source"), kept.text("text"));
}

}  // namespace viaduct::slack
