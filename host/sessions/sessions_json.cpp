#include "host/sessions/sessions_json.hpp"

#include "host/sessions/log_json.hpp"

#include <fmt/chrono.h>
#include <nlohmann/json.hpp>

#include <ctime>

namespace viaduct::sessions {
namespace {

using nlohmann::json;

json parse_object(std::string_view text) {
  json value = json::parse(text, nullptr, false);
  return value.is_object() ? value : json::object();
}

// A member that is a string, else "".
std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string_view state_name(State state) {
  switch (state) {
    case State::idle: return "idle";
    case State::running: return "running";
    case State::waiting: return "waiting";
  }
  return "idle";
}

std::string or_empty(std::string_view text, const char* instead) {
  return text.empty() ? instead : std::string(text);
}

// The fields of SESSION, without the braces, so that more can follow.
std::string session_fields(const SessionView& view) {
  const store::Session& r = view.record;
  return fmt::format(
      R"("session_id":{},"title":{},"description":{},"project_id":{},"working_dir":{},"backend":{},"state":"{}","ended":{},)"
      R"("created_at":"{}","last_active":"{}","turns_waiting":{})",
      quote(r.id), quote(r.title), quote(r.description), quote(r.project_id), quote(r.working_dir),
      quote(r.backend), state_name(view.state), r.ended, rfc3339(r.created_at),
      rfc3339(r.last_active), view.turns_waiting);
}

template <class Items>
std::string array_of(const Items& items) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += to_json(item);
  }
  return out + "]";
}

std::string numbers(const std::vector<std::uint64_t>& values) {
  std::string out = "[";
  for (const auto value : values) {
    if (out.size() > 1) out += ',';
    out += std::to_string(value);
  }
  return out + "]";
}

}  // namespace

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  std::size_t plain = 0;  // where what needs no escape began
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  out.append(text, plain);
  out += '"';
  return out;
}

std::string rfc3339(store::Micros at) {
  const std::time_t seconds = at / 1'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", utc, at % 1'000'000);
}

std::string to_json(const SessionView& session) {
  return "{" + session_fields(session) + "}";
}

std::string to_json(const store::Entry& entry) {
  return fmt::format(
      R"({{"entry":{},"seq":{},"turn":{},"type":{},"at":"{}","complete":{},"text":{},"data":{}}})",
      entry.number, entry.seq, entry.turn, quote(entry.type), rfc3339(entry.at), entry.complete,
      quote(entry.text), or_empty(entry.data, "{}"));
}

std::string to_json(const SendAnswer& answer) {
  return fmt::format(R"({{"turn":{},"duplicate":{}}})", answer.turn, answer.duplicate);
}

std::string to_json(const AskAnswer& answer) {
  return fmt::format(R"({{"turn":{},"stop_reason":{},"text":{}}})", answer.turn,
                     quote(answer.stop_reason), quote(answer.text));
}

std::string to_json(const PermissionAnswer& answer) {
  return fmt::format(R"({{"outcome":"selected","option_id":{},"by":{}}})", quote(answer.option_id),
                     quote(answer.by));
}

std::string to_json(const ResumeAnswer& answer) {
  return fmt::format(R"({{{},"context":{}}})", session_fields(answer.session),
                     quote(answer.context));
}

std::string to_json(const ListAnswer& answer) {
  return fmt::format(R"({{"sessions":{},"next":{}}})", array_of(answer.sessions),
                     answer.next.empty() ? "null" : quote(answer.next));
}

std::string to_json(const HistoryAnswer& answer) {
  return fmt::format(R"({{"entries":{},"more":{}}})", array_of(answer.entries), answer.more);
}

Result<CreateOptions> parse_create_options(std::string_view text) {
  CreateOptions options;
  if (text.empty()) return options;
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return fail(Errc::invalid_argument, "the options are no JSON object");
  for (const auto& [key, item] : value.items()) {
    std::string* field = key == "backend"       ? &options.backend
                         : key == "working_dir" ? &options.working_dir
                         : key == "description" ? &options.description
                         : key == "key"         ? &options.key
                                                : nullptr;
    if (!field) return fail(Errc::invalid_argument, "unknown option " + quote(key));
    if (!item.is_string()) return fail(Errc::invalid_argument, key + " must be a string");
    *field = item.get<std::string>();
    if (field->find('\0') != std::string::npos)
      return fail(Errc::invalid_argument, key + " must not contain a NUL character");
  }
  if (options.working_dir.empty()) options.working_dir = "~";
  return options;
}

Result<ListQuery> parse_list_query(std::string_view text) {
  ListQuery query;
  if (text.empty()) return query;
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return fail(Errc::invalid_argument, "the query is no JSON object");
  for (const auto& [key, item] : value.items()) {
    if (key == "limit" && item.is_number_integer() && item >= 1 && item <= 200) {
      query.limit = item.get<std::uint32_t>();
    } else if (key == "before" && (item.is_string() || item.is_null())) {
      query.before = item.is_null() ? "" : item.get<std::string>();
    } else if (key == "active" && item.is_boolean()) {
      query.active = item.get<bool>();
    } else {
      return fail(Errc::invalid_argument,
                  key +
                      " is unknown or has a wrong value; the query takes limit (1 to 200), before "
                      "(a string) and active (true or false)");
    }
  }
  return query;
}

Result<DiscoverQuery> parse_discover_query(std::string_view text) {
  DiscoverQuery query;
  if (text.empty()) return query;
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return fail(Errc::invalid_argument, "the query is no JSON object");
  for (const auto& [key, item] : value.items()) {
    if (key == "limit" && item.is_number_integer() && item >= 1 && item <= 500) {
      query.limit = item.get<std::uint32_t>();
    } else if (key == "backend" && item.is_string()) {
      query.backend = item.get<std::string>();
    } else {
      return fail(Errc::invalid_argument,
                  key +
                      " is unknown or has a wrong value; the query takes limit (1 to 500) and "
                      "backend (a name)");
    }
  }
  return query;
}

std::string user_message_data(const Principal& who, const Message& message) {
  std::string out = fmt::format(
      R"({{"author":{{"user_id":{},"display_name":{},"surface":{},"tenant":{}}},"key":{})",
      quote(who.user_id), quote(who.display_name), quote(who.surface), quote(who.tenant),
      quote(message.key));
  if (!message.blocks.empty()) out += ",\"blocks\":" + message.blocks;
  if (!message.context.empty()) out += ",\"context\":" + message.context;
  return out + "}";
}

std::string error_json(const Error& error) {
  return fmt::format(R"({{"code":"{}","message":{}}})", name(error.code), quote(error.message));
}

std::string turn_end_data(std::string_view stop_reason, const std::optional<Error>& error,
                          std::int64_t milliseconds) {
  return fmt::format(R"({{"stop_reason":{},{}"duration_ms":{}}})", quote(stop_reason),
                     error ? "\"error\":" + error_json(*error) + "," : "", milliseconds);
}

std::string context_restored_data(std::string_view rung, std::string_view reason) {
  return fmt::format(R"({{"rung":{},"reason":{}}})", quote(rung), quote(reason));
}

std::string resume_audit(std::string_view rung, std::string_view outcome, std::string_view reason,
                         std::int64_t milliseconds, std::int64_t native_age_ms) {
  return fmt::format(
      R"({{"rung":{},"outcome":{},"reason":{},"duration_ms":{},"native_age_ms":{}}})", quote(rung),
      quote(outcome), quote(reason), milliseconds, native_age_ms);
}

std::string merge_fields(std::string_view base, std::string_view update) {
  json merged = parse_object(base);
  merged.update(parse_object(update));
  return dump(merged);
}

std::optional<std::string> permission_data(std::string_view text, PermissionRequest& request) {
  json data = parse_object(text);
  const auto options = data.find("options");
  if (options == data.end() || !options->is_array()) return std::nullopt;
  for (const json& option : *options) {
    const auto id = option.is_object() ? option.find("optionId") : option.end();
    if (!option.is_object() || id == option.end() || !id->is_string()) return std::nullopt;
    request.option_ids.push_back(id->get<std::string>());
  }
  if (request.option_ids.empty()) return std::nullopt;
  if (const auto limit = data.find("timeout_ms"); limit != data.end() && limit->is_number_integer())
    request.timeout_ms = std::max<std::int64_t>(0, limit->get<std::int64_t>());
  data.erase("timeout_ms");
  data["status"] = "pending";
  return dump(data);
}

PermissionState permission_state(std::string_view text) {
  const json data = parse_object(text);
  return {text_of(data, "status"), text_of(data, "option_id"), text_of(data, "by")};
}

std::string decided_permission(std::string_view text, std::string_view status,
                               std::string_view option_id, std::string_view by,
                               std::string_view reason) {
  json data = parse_object(text);
  data["status"] = status;
  if (!option_id.empty()) data["option_id"] = option_id;
  if (!by.empty()) data["by"] = by;
  if (!reason.empty()) data["reason"] = reason;
  return dump(data);
}

std::string tool_status(std::string_view data) {
  return text_of(parse_object(data), "status");
}

std::string member(std::string_view text, const char* name) {
  const json value = parse_object(text);
  const auto found = value.find(name);
  return found == value.end() ? "" : dump(*found);
}

std::string array_member(std::string_view text, const char* name) {
  const json value = parse_object(text);
  const auto found = value.find(name);
  return found == value.end() || !found->is_array() ? "" : dump(*found);
}

namespace {

std::string change(const char* kind, Cursor cursor, std::string_view rest) {
  return fmt::format(R"({{"change":"{}","epoch":{},"seq":{}{}}})", kind, cursor.epoch, cursor.seq,
                     rest);
}

}  // namespace

std::string state_change(Cursor cursor, const StateFacts& facts) {
  return change(
      "state", cursor,
      fmt::format(
          R"(,"session":{},"running_turn":{},"waiting_turns":{},"commands":{},"options":{})",
          to_json(facts.view), facts.running_turn ? std::to_string(facts.running_turn) : "null",
          numbers(facts.waiting_turns), or_empty(facts.commands, "[]"),
          or_empty(facts.options, "[]")));
}

std::string reset_change(Cursor cursor, std::uint64_t first) {
  return change("reset", cursor, fmt::format(R"(,"first":{})", first));
}

std::string entry_change(Cursor cursor, const store::Entry& entry) {
  return change("entry", cursor, ",\"entry\":" + to_json(entry));
}

std::string delta_change(Cursor cursor, std::uint64_t entry, std::uint64_t offset,
                         std::string_view text, bool complete) {
  return change("delta", cursor,
                fmt::format(R"(,"entry":{},"offset":{},"text":{},"complete":{})", entry, offset,
                            quote(text), complete));
}

std::string live_change(Cursor cursor) {
  return change("live", cursor, "");
}

Principal parse_author(std::string_view text) {
  const json author = parse_object(text);
  Principal who;
  who.surface = text_of(author, "surface");
  who.user_id = text_of(author, "user_id");
  who.display_name = text_of(author, "display_name");
  who.tenant = text_of(author, "tenant");
  return who;
}

std::optional<Error> parse_error(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const json value = parse_object(text);
  const std::string code = text_of(value, "code");
  Error error{Errc::internal, text_of(value, "message")};
  for (int i = 1; i <= VIADUCT_E_INTERNAL; ++i)
    if (name(static_cast<Errc>(i)) == code) error.code = static_cast<Errc>(i);
  return error;
}

void answer_decided(const PermissionState& state, Done<PermissionAnswer> done) {
  if (state.status == "selected") return done(PermissionAnswer{state.option_id, state.by});
  done(fail(Errc::failed_precondition, state.status == "cancelled"
                                           ? "The request was cancelled"
                                           : "The request has expired; send the message again"));
}

std::string title_from(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return "";
  text = text.substr(start);
  text = text.substr(0, text.find_first_of("\r\n"));
  if (text.size() <= kLongest) return std::string(text);
  std::size_t cut = kLongest;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return std::string(text.substr(0, cut)) + "…";
}

void as_words(store::Entry& entry) {
  if (entry.type != "content") return;
  entry.type = "text";
  entry.data.clear();
}

std::string transcript(const std::vector<store::Entry>& entries) {
  std::string out = "[";
  for (const store::Entry& entry : entries) {
    if (out.size() > 1) out += ',';
    if (entry.type == "content")
      out += to_json(store::Entry{entry.session_id, entry.number, entry.seq, entry.turn, "text",
                                  entry.complete, entry.at, entry.text, ""});
    else
      out += to_json(entry);
  }
  return out + "]";
}

}  // namespace viaduct::sessions
