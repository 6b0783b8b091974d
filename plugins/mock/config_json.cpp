#include "plugins/mock/config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>
#include <viaduct/net/fields.hpp>

namespace viaduct::mock {
namespace {

using net::Fields;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kLongest = std::chrono::hours(1);

constexpr std::array<const char*, 12> kFailures = {
    "invalid_argument",    "not_found",    "permission_denied", "unauthenticated",
    "failed_precondition", "session_dead", "unavailable",       "busy",
    "cancelled",           "timeout",      "unsupported",       "internal"};
constexpr std::array<int, 12> kCodes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13};

std::string parse_plan(Fields& fields) {
  json entries = json::array();
  for (const std::string& item : fields.items_json("plan")) {
    const json given = json::parse(item, nullptr, false);
    json entry = given.is_string() ? json{{"content", given}} : given;
    if (!entry.is_object() || !entry.contains("content"))
      fields.fail("plan", "an entry is a text, or an object with `content`");
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

Permission parse_permission(Fields fields) {
  Permission permission;
  permission.title = fields.required("title");
  permission.timeout = fields.duration("timeout", milliseconds{0}, kLongest);
  for (const std::string& item : fields.items_json("options")) {
    if (const json option = json::parse(item, nullptr, false); option.is_string()) {
      const auto name = option.get<std::string>();
      permission.options.push_back({name, name, kind_of(name)});
      continue;
    }
    const std::string at = "options[" + std::to_string(permission.options.size()) + "]";
    Fields parts(item, fields.path(at));
    Option made;
    made.name = parts.required("name");
    made.id = parts.text("optionId", made.name);
    made.kind = parts.text("kind", kind_of(made.name));
    parts.finish();
    permission.options.push_back(std::move(made));
  }
  if (!fields.has("options"))
    permission.options = {{"allow", "Allow", "allow_once"}, {"deny", "Deny", "reject_once"}};
  if (permission.options.empty()) fields.fail("options", "must not be empty");
  fields.finish();
  return permission;
}

std::string read_file(const Fields& fields, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open()) fields.fail("content", path + " cannot be read");
  return bytes;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = i; j < i + 3; ++j)
      group = group << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
    for (int shift = 18; shift >= 0; shift -= 6) out += kDigits[group >> shift & 63U];
    for (std::size_t j = bytes.size(); j < i + 3; ++j) out[out.size() - (i + 3 - j)] = '=';
  }
  return out;
}

Piece parse_piece(Fields& fields, const std::string& item) {
  json block = json::parse(item, nullptr, false);
  if (block.is_string()) return {block.get<std::string>(), ""};
  const auto type = block.is_object() ? block.find("type") : block.end();
  if (!block.is_object() || type == block.end() || !type->is_string())
    fields.fail("content", "an item is a text, or an ACP content block with its `type`");
  Piece piece;
  if (const auto words = block.find("words"); words != block.end() && words->is_string()) {
    piece.text = words->get<std::string>();
    block.erase(words);
  } else {
    piece.text = *type == "image" ? "[an image]" : *type == "audio" ? "[a sound]" : "[a file]";
  }
  // Instead of base64 in the configuration.
  if (const auto path = block.find("path"); path != block.end() && path->is_string()) {
    const std::string data = base64(read_file(fields, path->get<std::string>()));
    block.erase(path);
    (*type == "resource" ? block["resource"]["blob"] : block["data"]) = data;
  }
  piece.block = block.dump();
  return piece;
}

Rule parse_rule(Fields& fields) {
  Rule rule;
  const std::string pattern = fields.required("match");
  try {
    rule.match = std::regex(pattern, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    fields.fail("match", "\"" + pattern + "\" is no regular expression: " + error.what());
  }
  const std::string on = fields.one_of("on", {"message", "create", "resume"}, "message");
  rule.on = on == "create" ? On::kCreate : on == "resume" ? On::kResume : On::kMessage;
  if (fields.has("fail"))
    rule.fail = failure_by_name(fields.one_of("fail", {kFailures.begin(), kFailures.end()}, ""));
  if (rule.on != On::kMessage && !rule.fail)
    fields.fail("fail", "must be given, on create and resume");
  rule.delay = fields.duration("delay", milliseconds{0}, kLongest);
  if (fields.has("reply")) rule.reply = fields.text("reply");
  rule.recall = fields.flag("recall", false);
  if (rule.recall && rule.reply) fields.fail("recall", "does not go with `reply`");
  if (fields.has("content"))
    for (const std::string& item : fields.items_json("content"))
      rule.content.push_back(parse_piece(fields, item));
  if (fields.has("plan")) rule.plan = parse_plan(fields);
  rule.thought = fields.text("thought");
  rule.tool = fields.object_json("tool");
  if (auto permission = fields.object("permission"))
    rule.permission = parse_permission(*std::move(permission));
  rule.usage = fields.object_json("usage");
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
  return net::read_config(text, [](Fields& fields) {
    Config config;
    config.record = fields.text("record");
    config.chunk_delay = fields.duration("chunk_delay", milliseconds{0}, kLongest);
    for (Fields& rule : fields.objects("rules")) config.rules.push_back(parse_rule(rule));
    return config;
  });
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
