#include "plugins/acp/content.hpp"

#include "plugins/acp/look_up.hpp"
#include "plugins/acp/protocol.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

namespace viaduct::acp {
namespace {

using nlohmann::json;

constexpr std::size_t kMostCalls = 64;
constexpr std::size_t kMostWaiting = 16 << 20;  // bytes of images of all of them

std::string plain_base64(const std::string& given) {
  std::string plain;
  plain.reserve(given.size() + 2);
  for (const char c : given) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    plain += c == '-' ? '+' : c == '_' ? '/' : c;
  }
  if (!plain.ends_with('='))
    while (plain.size() % 4 != 0) plain += '=';
  return plain;
}

std::string unescaped(std::string_view text) {
  const auto digit = [](char c) {
    const std::string_view kDigits = "0123456789abcdef";
    const std::size_t at = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? kLetters[three >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// "data:image/png;base64,AAAA"
void take_apart(std::string_view uri, Content& into) {
  uri.remove_prefix(std::string_view("data:").size());
  const std::size_t comma = uri.find(',');
  if (comma == std::string_view::npos) return;
  std::string_view head = uri.substr(0, comma);
  const std::string_view rest = uri.substr(comma + 1);
  const std::string_view kBase64 = ";base64";
  const bool encoded = head.ends_with(kBase64);
  if (encoded) head.remove_suffix(kBase64.size());
  if (into.mime_type.empty()) into.mime_type = head.substr(0, head.find(';'));
  into.data = encoded ? unescaped(rest) : base64(unescaped(rest));
}

// By how its bytes begin, where the agent does not say.
std::string guessed_type(const Content& content) {
  if (content.type == "resource") return {};
  if (content.type == "audio") {
    for (const auto& [begin, type] :
         {std::pair{"SUQz", "audio/mpeg"}, {"//", "audio/mpeg"}, {"T2dn", "audio/ogg"}})
      if (content.data.starts_with(begin)) return type;
    return "audio/wav";
  }
  for (const auto& [begin, type] : {std::pair{"/9j/", "image/jpeg"},
                                    {"R0lG", "image/gif"},
                                    {"UklGR", "image/webp"},
                                    {"PHN2Z", "image/svg+xml"},
                                    {"PD94b", "image/svg+xml"}})
    if (content.data.starts_with(begin)) return type;
  return "image/png";
}

}  // namespace

std::string block_json(Content given) {
  if (given.data.starts_with("data:")) take_apart(std::exchange(given.data, ""), given);
  if (given.uri.starts_with("data:")) {
    const std::string uri = std::exchange(given.uri, "");
    if (given.data.empty() && given.text.empty()) take_apart(uri, given);
  }
  given.data = plain_base64(given.data);
  if (given.data.empty() && given.text.empty()) return {};
  if (given.mime_type.empty()) given.mime_type = guessed_type(given);
  if (given.type != "resource") {
    json block{{"type", given.type},
               {"data", std::move(given.data)},
               {"mimeType", std::move(given.mime_type)}};
    if (!given.uri.empty()) block["uri"] = std::move(given.uri);
    return dump(block);
  }
  json resource{{"uri", std::move(given.uri)}};
  if (!given.mime_type.empty()) resource["mimeType"] = std::move(given.mime_type);
  if (given.data.empty())
    resource["text"] = std::move(given.text);
  else
    resource["blob"] = std::move(given.data);
  return dump(json{{"type", "resource"}, {"resource", std::move(resource)}});
}

std::vector<Update> ToolImages::due(Update& update) {
  const auto known = calls_.find(update.item);
  if (update.also.empty() && known == calls_.end() && update.status != "completed") return {};
  if (update.status == "failed") {
    calls_.erase(update.item);
    return {};
  }
  if (known == calls_.end() && calls_.size() >= kMostCalls) calls_.erase(calls_.begin());
  Call& call = calls_[update.item];
  call.completed = call.completed || update.status == "completed";
  if (!update.also.empty()) call.images = std::exchange(update.also, {});
  if (call.completed) return std::exchange(call.images, {});
  std::size_t bytes = 0;
  for (const auto& [item, waiting] : calls_)
    for (const Update& one : waiting.images) bytes += one.json.size();
  if (bytes > kMostWaiting) call.images.clear();  // it may still tell them when it completes
  return {};
}

}  // namespace viaduct::acp
