#include "plugins/slack/session_json.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace viaduct::slack {
namespace {

using nlohmann::json;

const json& at(const json& from, const char* name) {
  static const json kNothing;
  if (!from.is_object()) return kNothing;
  const auto found = from.find(name);
  return found == from.end() ? kNothing : *found;
}
std::string text(const json& from, const char* name) {
  const json& value = at(from, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}
std::uint64_t number(const json& from, const char* name) {
  const json& value = at(from, name);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}
bool yes(const json& from, const char* name) {
  const json& value = at(from, name);
  return value.is_boolean() && value.get<bool>();
}

EntryType type_of(std::string_view name) {
  constexpr std::pair<std::string_view, EntryType> kTypes[] = {
      {"user_message", EntryType::kUserMessage},
      {"text", EntryType::kText},
      {"thought", EntryType::kThought},
      {"tool_call", EntryType::kToolCall},
      {"plan", EntryType::kPlan},
      {"permission", EntryType::kPermission},
      {"usage", EntryType::kUsage},
      {"notice", EntryType::kNotice},
      {"context_restored", EntryType::kContextRestored},
      {"turn_end", EntryType::kTurnEnd}};
  for (const auto& [known, type] : kTypes)
    if (known == name) return type;
  return EntryType::kOther;
}

std::optional<Entry> entry_of(const json& from) {
  if (!from.is_object() || number(from, "entry") == 0) return std::nullopt;
  Entry entry;
  entry.number = number(from, "entry");
  entry.turn = number(from, "turn");
  entry.type = type_of(text(from, "type"));
  entry.complete = yes(from, "complete");
  entry.text = text(from, "text");
  const json& data = at(from, "data");
  entry.key = text(data, "key");
  entry.title = text(data, "title");
  entry.tool_kind = text(data, "kind");
  entry.status = text(data, "status");
  entry.chosen = text(data, "option_id");
  entry.by = text(data, "by");
  entry.reason = text(data, "reason");
  entry.stop_reason = text(data, "stop_reason");
  entry.error_code = text(at(data, "error"), "code");
  entry.error_message = text(at(data, "error"), "message");
  for (const json& step : at(data, "entries"))
    entry.plan.push_back({text(step, "content"), text(step, "status")});
  for (const json& option : at(data, "options"))
    entry.choices.push_back({text(option, "optionId"), text(option, "name"), text(option, "kind")});
  if (entry.type == EntryType::kPermission && entry.title.empty())
    entry.title = text(at(data, "toolCall"), "title");
  return entry;
}

std::optional<SessionFacts> session_of(const json& from) {
  SessionFacts facts;
  facts.id = text(from, "session_id");
  if (facts.id.empty()) return std::nullopt;
  facts.title = text(from, "title");
  facts.description = text(from, "description");
  facts.working_dir = text(from, "working_dir");
  facts.project = text(from, "project_id");
  facts.backend = text(from, "backend");
  facts.state = text(from, "state");
  facts.last_active = text(from, "last_active");
  facts.ended = yes(from, "ended");
  facts.turns_waiting = number(from, "turns_waiting");
  return facts;
}

json read(std::string_view from) {
  return json::parse(from, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

std::optional<SessionChange> parse_change(std::string_view from) {
  const json change = read(from);
  if (!change.is_object()) return std::nullopt;
  SessionChange found;
  const std::string kind = text(change, "change");
  if (kind == "state") {
    auto session = session_of(at(change, "session"));
    if (!session) return std::nullopt;
    found.kind = SessionChange::Kind::kState;
    found.session = *std::move(session);
    found.running_turn = number(change, "running_turn");
    for (const json& turn : at(change, "waiting_turns"))
      if (turn.is_number_unsigned()) found.waiting_turns.push_back(turn.get<std::uint64_t>());
  } else if (kind == "reset") {
    found.kind = SessionChange::Kind::kReset;
    found.first = number(change, "first");
  } else if (kind == "entry") {
    found.kind = SessionChange::Kind::kEntry;
    found.entry = entry_of(at(change, "entry"));
    if (!found.entry) return std::nullopt;
  } else if (kind == "delta") {
    found.kind = SessionChange::Kind::kDelta;
    found.number = number(change, "entry");
    found.offset = number(change, "offset");
    found.text = text(change, "text");
    found.complete = yes(change, "complete");
  } else if (kind == "live") {
    found.kind = SessionChange::Kind::kLive;
  }
  return found;
}

std::optional<Entry> parse_entry(std::string_view from) {
  return entry_of(read(from));
}

std::optional<SessionFacts> parse_session(std::string_view from) {
  return session_of(read(from));
}

std::optional<SessionPage> parse_sessions(std::string_view from) {
  const json page = read(from);
  if (!at(page, "sessions").is_array()) return std::nullopt;
  SessionPage found;
  for (const json& one : at(page, "sessions"))
    if (auto session = session_of(one)) found.sessions.push_back(*std::move(session));
  found.next = text(page, "next");
  return found;
}

std::optional<EntryPage> parse_entries(std::string_view from) {
  const json page = read(from);
  if (!at(page, "entries").is_array()) return std::nullopt;
  EntryPage found;
  for (const json& one : at(page, "entries"))
    if (auto entry = entry_of(one)) found.entries.push_back(*std::move(entry));
  found.more = yes(page, "more");
  return found;
}

std::optional<SendResult> parse_sent(std::string_view from) {
  const json sent = read(from);
  if (number(sent, "turn") == 0) return std::nullopt;
  return SendResult{number(sent, "turn"), yes(sent, "duplicate")};
}

}  // namespace viaduct::slack
