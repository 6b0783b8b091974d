#include <viaduct/chat/value.hpp>

#include <nlohmann/json.hpp>
#include <optional>
#include <viaduct/net/text.hpp>

namespace viaduct::chat {
namespace {

using Json = nlohmann::json;

const Json* as_json(const void* node) {
  return static_cast<const Json*>(node);
}

// The number of an escape \uXXXX that `text` begins with.
std::optional<unsigned> escape(std::string_view text) {
  if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(2, 4)) {
    const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                           : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                  : 16;
    if (digit == 16) return std::nullopt;
    value = value * 16 + digit;
  }
  return value;
}

std::string with_whole_pairs(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    const auto unit = escape(text.substr(i));
    if (!unit) {
      out += text.substr(i, 2);
      i += 2;
      continue;
    }
    const bool is_half = *unit >= 0xD800 && *unit <= 0xDFFF;
    const auto next = is_half && *unit < 0xDC00 ? escape(text.substr(i + 6)) : std::nullopt;
    const bool is_pair = next && *next >= 0xDC00 && *next <= 0xDFFF;
    const std::size_t size = is_pair ? 12 : 6;
    out += is_half && !is_pair ? std::string_view("\\ufffd") : text.substr(i, size);
    i += size;
  }
  return out;
}

}  // namespace

Value Value::parsed(std::string_view text) {
  if (net::too_complex(text)) return {};
  auto document = std::make_shared<Json>(Json::parse(text, nullptr, /*allow_exceptions=*/false));
  if (document->is_discarded())
    *document = Json::parse(with_whole_pairs(text), nullptr, /*allow_exceptions=*/false);
  if (document->is_discarded()) return {};
  const void* const node = document.get();
  return {std::move(document), node};
}

Value Value::at(std::string_view name) const {
  if (!is_object()) return {};
  const auto found = as_json(node_)->find(name);
  if (found == as_json(node_)->end()) return {};
  return {document_, &*found};
}

std::vector<Value> Value::items() const {
  std::vector<Value> all;
  if (!is_list()) return all;
  for (const Json& one : *as_json(node_)) all.push_back({document_, &one});
  return all;
}

std::vector<std::pair<std::string, Value>> Value::members() const {
  std::vector<std::pair<std::string, Value>> all;
  if (!is_object()) return all;
  for (const auto& [name, one] : as_json(node_)->items())
    all.emplace_back(name, Value(document_, &one));
  return all;
}

std::string Value::text() const {
  const bool is_text = node_ != nullptr && as_json(node_)->is_string();
  return is_text ? as_json(node_)->get<std::string>() : std::string();
}

std::uint64_t Value::number() const {
  const bool is_number = node_ != nullptr && as_json(node_)->is_number_unsigned();
  return is_number ? as_json(node_)->get<std::uint64_t>() : 0;
}

bool Value::yes(std::string_view name) const {
  const Value found = at(name);
  return found.node_ != nullptr && as_json(found.node_)->is_boolean() &&
         as_json(found.node_)->get<bool>();
}

std::string Value::json() const {
  if (node_ == nullptr) return "";
  return as_json(node_)->dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool Value::is_object() const {
  return node_ != nullptr && as_json(node_)->is_object();
}
bool Value::is_list() const {
  return node_ != nullptr && as_json(node_)->is_array();
}

}  // namespace viaduct::chat
