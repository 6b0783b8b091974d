#include <viaduct/chat/session.hpp>

#include <viaduct/chat/value.hpp>

#include <utility>

namespace viaduct::chat {
namespace {

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
      {"content", EntryType::kContent},
      {"turn_end", EntryType::kTurnEnd}};
  for (const auto& [known, type] : kTypes)
    if (known == name) return type;
  return EntryType::kOther;
}

std::optional<Entry> entry_of(const Value& from) {
  if (from.number("entry") == 0) return std::nullopt;
  Entry entry;
  entry.number = from.number("entry");
  entry.turn = from.number("turn");
  entry.type = type_of(from.text("type"));
  entry.complete = from.yes("complete");
  entry.text = from.text("text");
  const Value data = from.at("data");
  entry.author_id = data.at("author").text("user_id");
  entry.key = data.text("key");
  entry.title = data.text("title");
  entry.tool_kind = data.text("kind");
  entry.status = data.text("status");
  entry.chosen = data.text("option_id");
  entry.by = data.text("by");
  entry.reason = data.text("reason");
  entry.stop_reason = data.text("stop_reason");
  entry.error_code = data.at("error").text("code");
  entry.error_message = data.at("error").text("message");
  for (const Value& step : data.at("entries").items())
    entry.plan.push_back({step.text("content"), step.text("status")});
  for (const Value& option : data.at("options").items())
    entry.choices.push_back({option.text("optionId"), option.text("name"), option.text("kind")});
  if (entry.type == EntryType::kPermission && entry.title.empty())
    entry.title = data.at("toolCall").text("title");
  return entry;
}

std::optional<SessionFacts> session_of(const Value& from) {
  SessionFacts facts;
  facts.id = from.text("session_id");
  if (facts.id.empty()) return std::nullopt;
  facts.title = from.text("title");
  facts.description = from.text("description");
  facts.working_dir = from.text("working_dir");
  facts.project = from.text("project_id");
  facts.backend = from.text("backend");
  facts.state = from.text("state");
  facts.last_active = from.text("last_active");
  facts.ended = from.yes("ended");
  facts.turns_waiting = from.number("turns_waiting");
  return facts;
}

}  // namespace

std::optional<SessionChange> parse_change(std::string_view from) {
  const Value change = Value::parsed(from);
  if (!change.is_object()) return std::nullopt;
  SessionChange found;
  const std::string kind = change.text("change");
  if (kind == "state") {
    auto session = session_of(change.at("session"));
    if (!session) return std::nullopt;
    found.kind = SessionChange::Kind::kState;
    found.session = *std::move(session);
    found.running_turn = change.number("running_turn");
  } else if (kind == "reset") {
    found.kind = SessionChange::Kind::kReset;
    found.first = change.number("first");
  } else if (kind == "entry") {
    found.kind = SessionChange::Kind::kEntry;
    found.entry = entry_of(change.at("entry"));
    if (!found.entry) return std::nullopt;
  } else if (kind == "delta") {
    found.kind = SessionChange::Kind::kDelta;
    found.number = change.number("entry");
    found.offset = change.number("offset");
    found.text = change.text("text");
    found.complete = change.yes("complete");
  } else if (kind == "live") {
    found.kind = SessionChange::Kind::kLive;
  }
  return found;
}

std::optional<SessionFacts> parse_session(std::string_view from) {
  return session_of(Value::parsed(from));
}

std::optional<EntryPage> parse_entries(std::string_view from) {
  const Value page = Value::parsed(from);
  if (!page.at("entries").is_list()) return std::nullopt;
  EntryPage found;
  for (const Value& one : page.at("entries").items())
    if (auto entry = entry_of(one)) found.entries.push_back(*std::move(entry));
  found.more = page.yes("more");
  return found;
}

std::optional<Question> parse_question(std::string_view from, std::uint64_t turn) {
  const Value page = Value::parsed(from);
  for (const Value& one : page.at("entries").items()) {
    if (one.number("turn") != turn || one.text("type") != "user_message") continue;
    const Value blocks = one.at("data").at("blocks");
    const Value context = one.at("data").at("context");
    return Question{one.text("text"), blocks.is_list() ? blocks.json() : "",
                    context.is_list() ? context.json() : ""};
  }
  return std::nullopt;
}

std::optional<Discovery> parse_discovery(std::string_view from) {
  const Value answer = Value::parsed(from);
  if (!answer.at("sessions").is_list()) return std::nullopt;
  Discovery found;
  for (const Value& one : answer.at("sessions").items())
    found.sessions.push_back({one.text("backend"), one.text("native_id"), one.text("title"),
                              one.text("working_dir"), one.text("updated_at"),
                              one.text("session_id")});
  found.left_out = answer.number("left_out");
  for (const Value& one : answer.at("failures").items())
    found.failures.push_back(one.text("backend"));
  return found;
}

std::optional<SessionFacts> parse_adopted(std::string_view from) {
  return session_of(Value::parsed(from).at("session"));
}

std::optional<SendResult> parse_sent(std::string_view from) {
  const Value sent = Value::parsed(from);
  if (sent.number("turn") == 0) return std::nullopt;
  return SendResult{sent.number("turn"), sent.yes("duplicate")};
}

}  // namespace viaduct::chat
