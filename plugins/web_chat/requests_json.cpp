#include "requests_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace viaduct::web_chat {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxId = (std::uint64_t{1} << 53) - 1;
constexpr std::size_t kMaxSessionId = 200;
constexpr std::size_t kMaxName = 200;  // of a backend

std::unexpected<Status> invalid(std::string message) {
  return std::unexpected(Status{Code::kInvalidArgument, std::move(message)});
}
std::unexpected<Status> defect(std::string message) {
  return std::unexpected(Status{Code::kInternal, std::move(message)});
}

Json parse(std::string_view text) {
  return Json::parse(text, nullptr, false);
}
std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Takes fields out of an object and remembers the first thing that is wrong. Null counts as absent.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}

  const std::string& error() const { return error_; }
  bool ok() const { return error_.empty(); }
  Status status() const { return {Code::kInvalidArgument, error_}; }

  bool has(const char* name) const { return find(name) != nullptr; }

  bool text(const char* name, std::string& out) {
    const Json* value = find(name);
    if (value == nullptr) return false;
    const auto* given = value->get_ptr<const std::string*>();
    if (given == nullptr) return fail(std::string(name) + " must be text");
    if (given->find('\0') != std::string::npos)
      return fail(std::string(name) + " contains a NUL character");
    out = *given;
    return true;
  }
  void required_text(const char* name, std::string& out, std::size_t limit) {
    if (!text(name, out) && !ok()) return;
    if (out.find_first_not_of(" \t\r\n") == std::string::npos) {
      fail(std::string(name) + " is required");
    } else if (limit != 0 && out.size() > limit) {
      fail(std::string(name) + " is longer than " + std::to_string(limit) + " bytes");
    }
  }
  void session_id(bool required, std::string& out) {
    if (required) return required_text("session_id", out, kMaxSessionId);
    if (has("session_id")) required_text("session_id", out, kMaxSessionId);
  }
  bool number(const char* name, std::uint64_t lowest, std::uint64_t highest, std::uint64_t& out) {
    const Json* value = find(name);
    if (value == nullptr) return false;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() < lowest ||
        value->get<std::uint64_t>() > highest) {
      return fail(std::string(name) + " must be a whole number from " + std::to_string(lowest) +
                  " to " + std::to_string(highest));
    }
    out = value->get<std::uint64_t>();
    return true;
  }
  bool flag(const char* name, bool& out) {
    const Json* value = find(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return fail(std::string(name) + " must be true or false");
    out = value->get<bool>();
    return true;
  }
  const Json* find(const char* name) const {
    const auto at = object_.find(name);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }
  bool fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
    return false;
  }

 private:
  const Json& object_;
  std::string error_;
};

// The body as an object; an empty one is an empty object.
Parsed<Json> parse_body(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return Json::object();
  Json json = parse(body);
  if (json.is_discarded()) return invalid("the body is not valid JSON in UTF-8");
  if (!json.is_object()) return invalid("the body must be a JSON object");
  return json;
}

// The one required text of a body; reports it missing in the words of the original web chat.
Parsed<std::string> one_text(std::string_view body, const char* name, std::size_t limit) {
  const auto json = parse_body(body);
  if (!json) return std::unexpected(json.error());
  Fields fields(*json);
  std::string out;
  fields.required_text(name, out, limit);
  if (!fields.ok()) return std::unexpected(fields.status());
  return out;
}

void read_new(Fields& fields, NewSession& fresh) {
  if (fields.text("working_dir", fresh.working_dir) && fresh.working_dir.empty())
    fresh.working_dir = "~";
  if (fields.text("description", fresh.description) && fresh.description.empty())
    fresh.description = kDefaultDescription;
  if (fields.has("backend")) fields.required_text("backend", fresh.backend, kMaxName);
}

void read_answer(Fields& fields, std::uint64_t& entry, std::string& option) {
  if (!fields.number("entry", 1, kMaxId, entry)) fields.fail("entry is required");
  fields.required_text("option_id", option, 0);
}

RequestType type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, RequestType>, 11> kTypes{{
      {"hello", RequestType::kHello},
      {"send", RequestType::kSend},
      {"cancel", RequestType::kCancel},
      {"answer", RequestType::kAnswer},
      {"new", RequestType::kNew},
      {"resume", RequestType::kResume},
      {"end", RequestType::kEnd},
      {"list", RequestType::kList},
      {"history", RequestType::kHistory},
      {"rename", RequestType::kRename},
      {"ping", RequestType::kPing},
  }};
  for (const auto& [text, type] : kTypes)
    if (text == name) return type;
  return RequestType::kUnknown;
}

void read_cursor(Fields& fields, ClientRequest& request) {
  const Json* value = fields.find("cursor");
  if (value == nullptr) return;
  if (!value->is_object()) {
    fields.fail("cursor must be an object");
    return;
  }
  Fields inner(*value);
  Cursor cursor;
  const bool complete =
      inner.number("epoch", 0, kMaxId, cursor.epoch) && inner.number("seq", 0, kMaxId, cursor.seq);
  if (!complete) {
    fields.fail("cursor: " + (inner.ok() ? "epoch and seq are required" : inner.error()));
    return;
  }
  request.cursor = cursor;
}

void read_request(const Json& json, Fields& fields, ClientRequest& request) {
  switch (request.type) {
    case RequestType::kHello:
      fields.text("session", request.session_id);
      read_cursor(fields, request);
      break;
    case RequestType::kSend: {
      fields.session_id(false, request.session_id);
      fields.required_text("key", request.message.key, kMaxKey);
      const Json* blocks = fields.find("blocks");
      if (blocks != nullptr && !blocks->is_array()) fields.fail("blocks must be an array");
      if (blocks != nullptr && blocks->is_array() && !blocks->empty())
        request.message.blocks = dump(*blocks);
      if (request.message.blocks.empty()) {
        fields.required_text("text", request.message.text, 0);
      } else {
        fields.text("text", request.message.text);
      }
      break;
    }
    case RequestType::kCancel:
      fields.session_id(false, request.session_id);
      fields.number("turn", 0, kMaxId, request.number);
      break;
    case RequestType::kAnswer:
      fields.session_id(false, request.session_id);
      read_answer(fields, request.number, request.text);
      break;
    case RequestType::kNew:
      read_new(fields, request.fresh);
      if (fields.has("key")) fields.required_text("key", request.message.key, kMaxKey);
      break;
    case RequestType::kResume: fields.session_id(true, request.session_id); break;
    case RequestType::kEnd: fields.session_id(false, request.session_id); break;
    case RequestType::kList: {
      Json query = Json::object();
      std::string before;
      std::uint64_t limit = 50;
      bool active = false;
      if (fields.text("before", before) && !before.empty()) query["before"] = before;
      fields.number("limit", 1, 200, limit);
      query["limit"] = limit;
      if (fields.flag("active", active)) query["active"] = active;
      request.query = dump(query);
      break;
    }
    case RequestType::kHistory: {
      fields.session_id(false, request.session_id);
      fields.number("before", 0, kMaxId, request.number);
      std::uint64_t limit = 100;
      fields.number("limit", 1, 500, limit);
      request.limit = static_cast<std::uint32_t>(limit);
      break;
    }
    case RequestType::kRename:
      fields.session_id(false, request.session_id);
      if (!fields.text("title", request.text)) fields.fail("title is required");
      break;
    case RequestType::kPing:
    case RequestType::kUnknown: break;
  }
  (void)json;
}

std::string text_of(const Json& object, const char* name) {
  const auto at = object.find(name);
  const auto* text = at == object.end() ? nullptr : at->get_ptr<const std::string*>();
  return text == nullptr ? std::string() : *text;
}
bool flag_of(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_boolean() && at->get<bool>();
}

}  // namespace

Parsed<Settings> parse_settings(std::string_view json) {
  const auto object = parse_body(json);
  if (!object) return std::unexpected(object.error());
  Fields fields(*object);
  Settings settings;
  fields.text("title", settings.title);
  if (!fields.ok()) return std::unexpected(fields.status());
  return settings;
}

Parsed<NewSession> parse_new(std::string_view body) {
  const auto json = parse_body(body);
  if (!json) return std::unexpected(json.error());
  Fields fields(*json);
  NewSession fresh;
  read_new(fields, fresh);
  if (!fields.ok()) return std::unexpected(fields.status());
  return fresh;
}

Parsed<std::string> parse_chat(std::string_view body) {
  return one_text(body, "message", 0);
}
Parsed<std::string> parse_resume(std::string_view body) {
  return one_text(body, "session_id", kMaxSessionId);
}
Parsed<std::string> parse_remember(std::string_view body) {
  return one_text(body, "text", 0);
}

Parsed<CancelTurn> parse_cancel(std::string_view body) {
  const auto json = parse_body(body);
  if (!json) return std::unexpected(json.error());
  Fields fields(*json);
  CancelTurn cancel;
  fields.session_id(false, cancel.session_id);
  fields.number("turn", 0, kMaxId, cancel.turn);
  if (!fields.ok()) return std::unexpected(fields.status());
  return cancel;
}

Parsed<PermissionAnswer> parse_permission(std::string_view body) {
  const auto json = parse_body(body);
  if (!json) return std::unexpected(json.error());
  Fields fields(*json);
  PermissionAnswer answer;
  fields.session_id(false, answer.session_id);
  read_answer(fields, answer.entry, answer.option_id);
  if (!fields.ok()) return std::unexpected(fields.status());
  return answer;
}

Parsed<std::string> parse_work_log(std::string_view body) {
  const auto json = parse_body(body);
  if (!json) return std::unexpected(json.error());
  const auto items = json->find("items");
  if (items == json->end() || !items->is_array()) return invalid("items must be an array");
  Json out = Json::array();
  for (const Json& item : *items) {
    const std::string where = "items[" + std::to_string(out.size()) + "]";
    if (!item.is_object()) return invalid(where + " must be an object");
    Fields fields(item);
    std::string task, status = "pending", updated;
    fields.required_text("task", task, 0);
    fields.text("status", status);
    Json clean = Json::object();
    if (fields.text("updated", updated)) clean["updated"] = updated;
    if (!fields.ok()) return invalid(where + "." + fields.error());
    clean["task"] = task;
    clean["status"] = status;
    out.push_back(std::move(clean));
  }
  return dump(out);
}

Parsed<std::optional<std::string>> query_value(std::string_view query, std::string_view name) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != name) continue;
    std::string out;
    const std::string_view raw = pair.substr(std::min(equals + 1, pair.size()));
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '%') {
        const int high = i + 2 < raw.size() ? digit(raw[i + 1]) : -1;
        const int low = i + 2 < raw.size() ? digit(raw[i + 2]) : -1;
        if (high < 0 || low < 0) return invalid(std::string(name) + " is badly encoded");
        out += static_cast<char>(high * 16 + low);
        i += 2;
      } else {
        out += raw[i] == '+' ? ' ' : raw[i];
      }
    }
    if (out.find('\0') != std::string::npos)
      return invalid(std::string(name) + " contains a NUL character");
    // json_string mends invalid UTF-8, so what comes back different was not valid.
    if (parse(sdk::json_string(out)) != Json(out))
      return invalid(std::string(name) + " is not UTF-8");
    return out;
  }
  return std::optional<std::string>{};
}

std::expected<ClientRequest, BadRequest> parse_client_request(std::string_view text) {
  const auto hopeless = [](std::string why) {
    return std::unexpected(BadRequest{0, Status{Code::kInvalidArgument, std::move(why)}});
  };
  const Json json = parse(text);
  if (json.is_discarded()) return hopeless("not valid JSON");
  if (!json.is_object()) return hopeless("not a JSON object");
  Fields fields(json);
  ClientRequest request;
  if (!fields.number("id", 1, kMaxId, request.id))
    return hopeless(fields.ok() ? "id is required" : fields.error());
  std::string type;
  if (!fields.text("type", type)) fields.fail("type is required");
  request.type = type_of(type);
  if (fields.ok() && request.type == RequestType::kUnknown) {
    if (type.size() > 40) type.resize(0);
    return std::unexpected(BadRequest{
        request.id, Status{Code::kUnsupported, "there is no request of type '" + type + "'"}});
  }
  if (fields.ok()) read_request(json, fields, request);
  if (!fields.ok()) return std::unexpected(BadRequest{request.id, fields.status()});
  return request;
}

Parsed<SessionInfo> parse_session(std::string_view text) {
  const Json json = parse(text);
  if (!json.is_object()) return defect("the host's session is no JSON object");
  SessionInfo info;
  info.session_id = text_of(json, "session_id");
  info.project_id = text_of(json, "project_id");
  info.working_dir = text_of(json, "working_dir");
  info.backend = text_of(json, "backend");
  info.state = text_of(json, "state");
  info.context = text_of(json, "context");
  info.ended = flag_of(json, "ended");
  if (info.session_id.empty()) return defect("the host's session has no id");
  return info;
}

Parsed<SendResult> parse_send_result(std::string_view text) {
  const Json json = parse(text);
  if (!json.is_object()) return defect("the host's answer to send is no JSON object");
  Fields fields(json);
  SendResult result;
  if (!fields.number("turn", 0, UINT64_MAX, result.turn))
    return defect("the host's answer to send names no turn");
  fields.flag("duplicate", result.duplicate);
  return result;
}

Parsed<AskResult> parse_ask_result(std::string_view text) {
  Json json = parse(text);
  if (!json.is_object()) return defect("the host's answer to ask is no JSON object");
  return AskResult{text_of(json, "stop_reason"), text_of(json, "text")};
}

Parsed<CurrentDocument> parse_current(std::string_view text) {
  const Json json = parse(text);
  if (!json.is_object()) return defect("the host's document is no JSON object");
  CurrentDocument current;
  Fields fields(json);
  if (!fields.number("version", 0, UINT64_MAX, current.version))
    return defect("the host's document has no version");
  // Whatever else stands there is not ours and means no session.
  if (const Json* value = fields.find("value"); value != nullptr && value->is_object())
    current.session_id = text_of(*value, "session_id");
  return current;
}

Parsed<std::uint64_t> parse_version(std::string_view text) {
  const Json json = parse(text);
  std::uint64_t version = 0;
  if (!json.is_object()) return defect("the host's answer to put is no JSON object");
  if (!Fields(json).number("version", 0, UINT64_MAX, version))
    return defect("the host's answer to put has no version");
  return version;
}

bool says_session_dead(std::string_view change) {
  // Few changes get past this, so the others are not parsed.
  if (change.find("\"turn_end\"") == std::string_view::npos ||
      change.find("\"session_dead\"") == std::string_view::npos)
    return false;
  const Json json = parse(change);
  if (!json.is_object()) return false;
  const auto entry = json.find("entry");
  if (entry == json.end() || !entry->is_object() || text_of(*entry, "type") != "turn_end")
    return false;
  const auto data = entry->find("data");
  if (data == entry->end() || !data->is_object()) return false;
  const auto error = data->find("error");
  return error != data->end() && error->is_object() && text_of(*error, "code") == "session_dead";
}

std::string create_options(const NewSession& fresh, std::string_view key) {
  std::string out = "{\"working_dir\":" + sdk::json_string(fresh.working_dir) +
                    ",\"description\":" + sdk::json_string(fresh.description);
  if (!fresh.backend.empty()) out += ",\"backend\":" + sdk::json_string(fresh.backend);
  if (!key.empty()) out += ",\"key\":" + sdk::json_string(key);
  return out + "}";
}

std::string current_value(std::string_view session_id) {
  return session_id.empty() ? "{\"session_id\":null}"
                            : "{\"session_id\":" + sdk::json_string(session_id) + "}";
}

std::string error_body(std::string_view message) {
  return "{\"error\":" + sdk::json_string(message) + "}";
}

std::string list_query(std::optional<std::string> before, std::uint32_t limit) {
  std::string out = "{\"limit\":" + std::to_string(limit);
  if (before && !before->empty()) out += ",\"before\":" + sdk::json_string(*before);
  return out + "}";
}

Parsed<std::string> memory_body(std::string_view result, bool connected) {
  Json json = parse(result);
  if (!json.is_object()) return defect("the host's answer of the memory is no JSON object");
  json["session_connected"] = connected;
  return dump(json);
}

std::string_view name(Code code) {
  switch (code) {
    case Code::kOk: return "ok";
    case Code::kInvalidArgument: return "invalid_argument";
    case Code::kNotFound: return "not_found";
    case Code::kPermissionDenied: return "permission_denied";
    case Code::kUnauthenticated: return "unauthenticated";
    case Code::kFailedPrecondition: return "failed_precondition";
    case Code::kSessionDead: return "session_dead";
    case Code::kUnavailable: return "unavailable";
    case Code::kBusy: return "busy";
    case Code::kCancelled: return "cancelled";
    case Code::kTimeout: return "timeout";
    case Code::kUnsupported: return "unsupported";
    case Code::kConflict: return "conflict";
    case Code::kInternal: break;
  }
  return "internal";
}

bool may_be_for_memory(std::string_view text) {
  // White space beyond ASCII may stand in front, too: the service strips it.
  std::size_t start = 0;
  while (start < text.size() && (static_cast<unsigned char>(text[start]) <= ' ' ||
                                 static_cast<unsigned char>(text[start]) >= 0x80))
    ++start;
  text.remove_prefix(start);
  for (const std::string_view word : {"remember", "what", "recall", "search"}) {
    if (text.size() <= word.size()) continue;
    const bool same = std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
      return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    });
    if (same) return true;
  }
  return false;
}

std::string describe(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return std::string(kDefaultDescription);
  text.remove_prefix(start);
  text = text.substr(0, text.find_first_of("\r\n"));
  if (text.size() <= kLongest) return std::string(text);
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace viaduct::web_chat
