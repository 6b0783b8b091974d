#include "plugins/acp/look_up.hpp"
#include "plugins/acp/rpc.hpp"
#include "plugins/acp/text.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using net::one_line;
using nlohmann::json;

constexpr std::size_t kLongestWords = 800;
constexpr int kDeepestWords = 8;

// What an error's data or a message that is JSON itself say, in words; `depth` bounds JSON in
// strings in JSON.
std::string words_in(const json& value, int depth) {
  if (depth == 0) return {};
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string::npos) return {};
    if (text[start] != '{' && text[start] != '[') return text;
    const json inner = read<json>(text);
    return inner.is_structured() ? words_in(inner, depth - 1) : text;
  }
  if (value.is_array()) {
    for (const json& one : value)
      if (std::string words = words_in(one, depth - 1); !words.empty()) return words;
  }
  if (value.is_object()) {
    for (const char* name :
         {"details", "message", "detail", "reason", "error", "msg", "title", "description"})
      if (const auto found = value.find(name); found != value.end())
        if (std::string words = words_in(*found, depth - 1); !words.empty()) return words;
  }
  return {};
}

std::int64_t code_of(const json& value) {
  std::int64_t code = kInternalError;
  if (value.is_number_unsigned()) {
    if (value.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX))
      code = value.get<std::int64_t>();
  } else if (value.is_number_integer()) {
    code = value.get<std::int64_t>();
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), code);
  }
  return code;
}

RpcError error_of(const json& given) {
  if (!given.is_object()) return {kInternalError, words_in(given, kDeepestWords), {}};
  RpcError error;
  const auto code = given.find("code");
  error.code = code == given.end() ? kInternalError : code_of(*code);
  if (const auto message = given.find("message"); message != given.end())
    error.message =
        message->is_string() ? message->get<std::string>() : words_in(*message, kDeepestWords);
  if (const auto data = given.find("data"); data != given.end() && !data->is_null())
    error.data = dump(*data);
  return error;
}

// JSON text from elsewhere must not break the line in two; a line feed in it is white space.
std::string finished(std::string line) {
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  line += '\n';
  return line;
}

}  // namespace

std::string RpcError::words() const {
  std::string text = words_in(message, kDeepestWords);
  const std::string more = data.empty() ? std::string() : words_in(read<json>(data), kDeepestWords);
  if (text.empty() || more.find(text) != std::string::npos)
    text = more.empty() ? text : more;
  else if (text.find(more) == std::string::npos)
    text += ": " + more;
  if (text.empty()) text = "error " + std::to_string(code);
  return one_line(text, kLongestWords);
}

std::optional<Incoming> parse_line(std::string_view line) {
  json message = read<json>(line);
  if (message.is_discarded() && line.find('{') != std::string_view::npos && !net::too_complex(line))
    message = read<json>(mended(line));
  if (!message.is_object()) return std::nullopt;

  Incoming incoming;
  const auto id = message.find("id");
  if (id != message.end()) incoming.id = dump(*id);
  const auto method = message.find("method");
  const auto error = message.find("error");
  const auto result = message.find("result");
  if (method != message.end() && method->is_string()) {
    incoming.kind = id == message.end() ? Incoming::Kind::kNotification : Incoming::Kind::kRequest;
    incoming.method = method->get<std::string>();
    const auto params = message.find("params");
    incoming.payload = params == message.end() || params->is_null() ? "{}" : dump(*params);
  } else if (error != message.end() && !error->is_null()) {
    incoming.kind = Incoming::Kind::kError;
    incoming.error = error_of(*error);
  } else if (result != message.end() || error != message.end()) {
    incoming.kind = Incoming::Kind::kResult;
    incoming.payload = result == message.end() ? "null" : dump(*result);
  } else {
    return std::nullopt;
  }
  return incoming;
}

std::string request_line(std::uint64_t id, std::string_view method, std::string_view params) {
  return finished(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":)" +
                  dump(json(method)) + R"(,"params":)" +
                  std::string(params.empty() ? "{}" : params) + "}");
}

std::string notification_line(std::string_view method, std::string_view params) {
  return finished(R"({"jsonrpc":"2.0","method":)" + dump(json(method)) + R"(,"params":)" +
                  std::string(params.empty() ? "{}" : params) + "}");
}

std::string result_line(std::string_view id, std::string_view result) {
  return finished(R"({"jsonrpc":"2.0","id":)" + std::string(id.empty() ? "null" : id) +
                  R"(,"result":)" + std::string(result.empty() ? "null" : result) + "}");
}

std::string error_line(std::string_view id, std::int64_t code, std::string_view message) {
  const json error{{"code", code}, {"message", message}};
  return finished(R"({"jsonrpc":"2.0","id":)" + std::string(id.empty() ? "null" : id) +
                  R"(,"error":)" + dump(error) + "}");
}

std::optional<std::uint64_t> own_id(std::string_view id) {
  if (id.size() > 2 && id.front() == '"' && id.back() == '"') id = id.substr(1, id.size() - 2);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (id.empty() || error != std::errc{} || end != id.data() + id.size()) return std::nullopt;
  return number;
}

}  // namespace viaduct::acp
