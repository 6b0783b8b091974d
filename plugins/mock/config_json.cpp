#include "plugins/mock/config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace viaduct::mock {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

struct Bad {
  std::string what;
};

constexpr std::array<std::string_view, 12> kFailures = {
    "invalid_argument",    "not_found",    "permission_denied", "unauthenticated",
    "failed_precondition", "session_dead", "unavailable",       "busy",
    "cancelled",           "timeout",      "unsupported",       "internal"};
constexpr std::array<int, 12> kCodes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13};

// One object of the configuration: typed fields by name, and a complaint about all others.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) throw Bad{at("") + "must be an object"};
  }
  std::string at(const std::string& name) const {
    if (where_.empty()) return name.empty() ? "config: " : name + ": ";
    return name.empty() ? where_ + ": " : where_ + "." + name + ": ";
  }
  const json* find(const std::string& name) {
    known_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  std::optional<std::string> text(const std::string& name) {
    const json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) throw Bad{at(name) + "must be a string"};
    return value->get<std::string>();
  }
  std::string required(const std::string& name) {
    auto value = text(name);
    if (!value || value->empty()) throw Bad{at(name) + "must be given"};
    return *std::move(value);
  }
  bool flag(const std::string& name) {
    const json* value = find(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) throw Bad{at(name) + "must be true or false"};
    return value->get<bool>();
  }
  // An object, as JSON text.
  std::string object(const std::string& name) {
    const json* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_object()) throw Bad{at(name) + "must be an object"};
    return value->dump();
  }
  const json* list(const std::string& name) {
    const json* value = find(name);
    if (value != nullptr && !value->is_array()) throw Bad{at(name) + "must be a list"};
    return value;
  }
  milliseconds duration(const std::string& name) {
    const auto value = text(name);
    if (!value) return milliseconds{0};
    const char* const end = value->data() + value->size();
    long long number = -1;
    const auto [unit, error] = std::from_chars(value->data(), end, number);
    const std::string_view name_of_unit(unit, static_cast<std::size_t>(end - unit));
    const long long factor = name_of_unit == "ms"  ? 1
                             : name_of_unit == "s" ? 1000
                             : name_of_unit == "m" ? 60'000
                                                   : 0;
    if (error != std::errc{} || factor == 0 || number < 0 || number > 3'600'000 / factor)
      throw Bad{at(name) + "\"" + *value + "\" is no duration of up to one hour, such as 20ms, 3s"};
    return milliseconds{number * factor};
  }
  void finish() const {
    for (const auto& item : object_.items())
      if (!known_.contains(item.key())) throw Bad{at(item.key()) + "unknown key"};
  }

 private:
  const json& object_;
  std::string where_;
  std::set<std::string> known_;
};

std::string parse_plan(const json& list, const std::string& where) {
  json entries = json::array();
  for (const json& given : list) {
    json entry = given.is_string() ? json{{"content", given}} : given;
    if (!entry.is_object() || !entry.contains("content"))
      throw Bad{where + "an entry is a text, or an object with `content`"};
    if (!entry.contains("priority")) entry["priority"] = "medium";
    if (!entry.contains("status")) entry["status"] = "pending";
    entries.push_back(std::move(entry));
  }
  return json{{"entries", std::move(entries)}}.dump();
}

std::string kind_of(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool is_refusal = name == "no" || name.starts_with("deny") || name.starts_with("reject");
  return is_refusal ? "reject_once" : "allow_once";
}

Permission parse_permission(const json& given, const std::string& where) {
  Fields fields(given, where);
  Permission permission;
  permission.title = fields.required("title");
  permission.timeout = fields.duration("timeout");
  if (const json* options = fields.list("options")) {
    for (const json& option : *options) {
      if (option.is_string()) {
        const auto name = option.get<std::string>();
        permission.options.push_back({name, name, kind_of(name)});
        continue;
      }
      Fields parts(option, where + ".options[" + std::to_string(permission.options.size()) + "]");
      Option made;
      made.name = parts.required("name");
      made.id = parts.text("optionId").value_or(made.name);
      made.kind = parts.text("kind").value_or(kind_of(made.name));
      parts.finish();
      permission.options.push_back(std::move(made));
    }
  } else {
    permission.options = {{"allow", "Allow", "allow_once"}, {"deny", "Deny", "reject_once"}};
  }
  if (permission.options.empty()) throw Bad{fields.at("options") + "must not be empty"};
  fields.finish();
  return permission;
}

Rule parse_rule(const json& given, const std::string& where) {
  Fields fields(given, where);
  Rule rule;
  const std::string pattern = fields.required("match");
  try {
    rule.match = std::regex(pattern, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    throw Bad{fields.at("match") + "\"" + pattern + "\" is no regular expression: " + error.what()};
  }
  if (const auto on = fields.text("on")) {
    if (*on == "create")
      rule.on = On::kCreate;
    else if (*on == "resume")
      rule.on = On::kResume;
    else if (*on != "message")
      throw Bad{fields.at("on") + "\"" + *on + "\" is none of message, create, resume"};
  }
  if (const auto name = fields.text("fail")) {
    rule.fail = failure_by_name(*name);
    if (!rule.fail) {
      std::string names;
      for (const auto known : kFailures) names.append(names.empty() ? "" : ", ").append(known);
      throw Bad{fields.at("fail") + "\"" + *name + "\" is none of " + names};
    }
  }
  if (rule.on != On::kMessage && !rule.fail)
    throw Bad{fields.at("fail") + "must be given, on create and resume"};
  rule.delay = fields.duration("delay");
  rule.reply = fields.text("reply");
  rule.recall = fields.flag("recall");
  if (rule.recall && rule.reply) throw Bad{fields.at("recall") + "does not go with `reply`"};
  if (const json* plan = fields.list("plan")) rule.plan = parse_plan(*plan, fields.at("plan"));
  rule.thought = fields.text("thought").value_or("");
  rule.tool = fields.object("tool");
  if (const json* permission = fields.find("permission"))
    rule.permission = parse_permission(*permission, where + ".permission");
  rule.usage = fields.object("usage");
  fields.finish();
  return rule;
}

// The end of the longest prefix of at most `limit` bytes that does not cut a character in two.
std::string_view prefix(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace

std::optional<Failure> failure_by_name(std::string_view name) {
  const auto found = std::find(kFailures.begin(), kFailures.end(), name);
  if (found == kFailures.end()) return std::nullopt;
  return Failure{std::string(name), kCodes[static_cast<std::size_t>(found - kFailures.begin())]};
}

std::expected<Config, std::string> parse_config(std::string_view text) {
  const json given = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (given.is_discarded()) return std::unexpected("config: is no JSON");
  try {
    Fields fields(given, "");
    Config config;
    config.record = fields.text("record").value_or("");
    config.chunk_delay = fields.duration("chunk_delay");
    if (const json* rules = fields.list("rules"))
      for (const json& rule : *rules)
        config.rules.push_back(
            parse_rule(rule, "rules[" + std::to_string(config.rules.size()) + "]"));
    fields.finish();
    return config;
  } catch (const Bad& bad) {
    return std::unexpected(bad.what);
  }
}

Match first_match(const Config& config, On on, std::string_view text) {
  const std::string_view head = prefix(text, kMatched);
  for (const Rule& rule : config.rules) {
    if (rule.on != on) continue;
    std::cmatch found;
    if (!std::regex_search(head.data(), head.data() + head.size(), found, rule.match)) continue;
    Match match{&rule, {}};
    for (const auto& group : found) match.groups.push_back(group.str());
    return match;
  }
  return {};
}

std::string tool_json(const std::string& tool, const std::string& id, std::string_view status) {
  json call = json::parse(tool, nullptr, false);
  call["toolCallId"] = id;
  if (!call.contains("title")) call["title"] = "mock tool";
  if (!call.contains("kind")) call["kind"] = "other";
  call["status"] = status;
  return call.dump();
}

std::string permission_json(const Permission& permission, const std::string& tool,
                            const std::string& tool_id) {
  json request{{"title", permission.title}, {"options", json::array()}};
  for (const Option& option : permission.options)
    request["options"].push_back(
        {{"optionId", option.id}, {"name", option.name}, {"kind", option.kind}});
  if (!tool.empty()) request["toolCall"] = json::parse(tool_json(tool, tool_id, "pending"));
  if (permission.timeout.count() > 0) request["timeout_ms"] = permission.timeout.count();
  return request.dump();
}

std::string last_user_message(std::string_view transcript_json) {
  const json entries = json::parse(transcript_json, nullptr, false);
  if (!entries.is_array()) return {};
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
    if (entry->is_object() && entry->value("type", json()) == "user_message" &&
        entry->value("text", json()).is_string())
      return (*entry)["text"].get<std::string>();
  return {};
}

std::string valid_utf8(const std::string& text) {
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace))
      .get<std::string>();
}

}  // namespace viaduct::mock
