#include "plugins/acp/config.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

namespace viaduct::acp {

constexpr const char kSchema[] = R"json({
  "type": "object",
  "additionalProperties": false,
  "anyOf": [{"required": ["preset"]}, {"required": ["command"]}],
  "definitions": {
    "duration": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "description": "such as 500ms, 3s, 24h"},
    "size": {"type": "string", "pattern": "^[0-9]+(B|kB|KB|KiB|MB|MiB|GB|GiB)$", "description": "such as 64KiB or 1MB"},
    "policy": {"enum": ["allow", "ask", "deny"]},
    "strings": {"type": "object", "additionalProperties": {"type": "string"}}
  },
  "properties": {
    "preset": {"type": "string", "minLength": 1, "description": "a known agent, such as claude, codex, gemini or opencode"},
    "command": {"type": "array", "minItems": 1, "items": {"type": "string"}, "description": "the program and its arguments; in place of the preset's"},
    "agent_type": {"type": "string", "minLength": 1, "description": "whose sessions these are; another agent's are never resumed; default: the preset's name, or the program's"},
    "env": {"$ref": "#/definitions/strings"},
    "model": {"type": "string", "description": "for every session; default: the agent's own"},
    "mode": {"type": "string", "description": "for every session; default: the agent's own"},
    "auth_method": {"type": "string", "description": "id of the login that is asked for once after the start; the presets know which one takes a key in env"},
    "share": {"type": "boolean", "description": "one process for many sessions, or one each; default true"},
    "mcp_servers": {
      "type": "array",
      "description": "given to every session",
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "oneOf": [{"required": ["command"]}, {"required": ["type", "url"]}],
        "properties": {
          "name": {"type": "string", "minLength": 1},
          "type": {"enum": ["stdio", "http", "sse"]},
          "command": {"type": "string", "minLength": 1, "description": "absolute, or the name of a program"},
          "args": {"type": "array", "items": {"type": "string"}},
          "env": {"$ref": "#/definitions/strings"},
          "url": {"type": "string", "pattern": "^https?://"},
          "headers": {"$ref": "#/definitions/strings"}
        }
      }
    },
    "permissions": {
      "type": "object",
      "additionalProperties": false,
      "description": "what is done when the agent asks, by the kind of its tool (which the agent says); default: people are asked",
      "properties": {
        "read": {"$ref": "#/definitions/policy"}, "search": {"$ref": "#/definitions/policy"},
        "fetch": {"$ref": "#/definitions/policy"}, "think": {"$ref": "#/definitions/policy"},
        "write": {"$ref": "#/definitions/policy"}, "edit": {"$ref": "#/definitions/policy"},
        "delete": {"$ref": "#/definitions/policy"}, "move": {"$ref": "#/definitions/policy"},
        "execute": {"$ref": "#/definitions/policy"}, "switch_mode": {"$ref": "#/definitions/policy"},
        "other": {"$ref": "#/definitions/policy"}, "default": {"$ref": "#/definitions/policy"}
      }
    },
    "permission_timeout": {"$ref": "#/definitions/duration", "description": "how long people may take before the answer is no; 0s: any time, the default"},
    "files": {"$ref": "#/definitions/policy", "description": "reading and writing files of the session's folder through Viaduct; default deny"},
    "terminals": {"$ref": "#/definitions/policy", "description": "running programs in the session's folder through Viaduct; default deny"},
    "max_file_size": {"$ref": "#/definitions/size", "description": "default 1MiB"},
    "max_output_size": {"$ref": "#/definitions/size", "description": "of a program; default 1MiB"},
    "timeout": {"$ref": "#/definitions/duration", "description": "how long a turn may be silent; default 15m"},
    "handshake_timeout": {"$ref": "#/definitions/duration", "description": "for each of initialize, authenticate and the session; up to 14s, the default"},
    "idle_timeout": {"$ref": "#/definitions/duration", "description": "after which an idle process is stopped; 0s: never; default 30m"},
    "cancel_grace": {"$ref": "#/definitions/duration", "description": "how long a cancelled turn may go on before the process is killed; default 5s"},
    "max_line": {"$ref": "#/definitions/size", "description": "longest message of the agent; default 64MiB"},
    "max_age": {"$ref": "#/definitions/duration", "description": "after which an agent's session is not resumed any more"},
    "fresh_on_loss": {"type": "boolean", "description": "go on without what was said if nothing of it can be had back; default false"},
    "resume": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "enabled": {"type": "boolean"},
        "attempts": {"type": "integer", "minimum": 1, "maximum": 100},
        "backoff": {"$ref": "#/definitions/duration"},
        "give_up_after": {"type": "integer", "minimum": 1, "maximum": 1000}
      }
    }
  }
})json";

// An agent of a few lines, so that the plugin can be tried where there is none.
constexpr const char kExample[] =
    R"json({"command": ["/bin/sh", "-c", ")json"
    R"json(while IFS= read -r line; do\n)json"
    R"json(  id=${line#*\\\"id\\\":}; id=${id%%[,\\}]*}\n)json"
    R"json(  case $line in\n)json"
    R"json(    *'\"method\":\"initialize\"'*) result='{\"protocolVersion\":1,\"agentCapab)json"
    R"json(ilities\":{\"sessionCapabilities\":{\"resume\":{}}}}' ;;\n)json"
    R"json(    *'\"method\":\"session/new\"'*) n=$((n + 1)); result=\"{\\\"sessionId\\\":)json"
    R"json(\\\"$$-$n\\\"}\" ;;\n)json"
    R"json(    *'\"method\":\"session/prompt\"'*)\n)json"
    R"json(      session=${line##*\\\"sessionId\\\":\\\"}\n)json"
    R"json(      printf '{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{)json"
    R"json(\"sessionId\":\"%s\",\"update\":{\"sessionUpdate\":\"agent_message_chunk\",\"c)json"
    R"json(ontent\":{\"type\":\"text\",\"text\":\"hello\"}}}}\\n' \"${session%%\\\"*}\"\n)json"
    R"json(      result='{\"stopReason\":\"end_turn\"}' ;;\n)json"
    R"json(    *'\"id\":'*) result='{}' ;;\n)json"
    R"json(    *) continue ;;\n)json"
    R"json(  esac\n)json"
    R"json(  printf '{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\\n' \"$id\" \"$result)json"
    R"json(\"\n)json"
    R"json(done\n)json"
    R"json("], "permissions": {"read": "allow", "default": "ask"}})json";

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::size_t kShortestSecret = 8;  // shorter ones would redact half of what is said
// initialize, authenticate and the session take one each, and all are to be under 45 s.
constexpr milliseconds kLongestHandshake{14'000};

struct Bad {
  std::string what;
};

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array kDurations{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000},
                                Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::array kSizes{
    Unit{"B", 1},          Unit{"kB", 1000},      Unit{"KB", 1000},          Unit{"KiB", 1U << 10},
    Unit{"MB", 1'000'000}, Unit{"MiB", 1U << 20}, Unit{"GB", 1'000'000'000}, Unit{"GiB", 1U << 30}};

template <std::size_t N>
std::optional<std::uint64_t> measured(const std::string& text, const std::array<Unit, N>& units,
                                      std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return std::nullopt;
  for (const Unit& known : units)
    if (known.name == std::string_view(unit, static_cast<std::size_t>(end - unit)))
      return number <= most / known.factor ? std::optional(number * known.factor) : std::nullopt;
  return std::nullopt;
}

// One object of the configuration: typed fields by name, and a complaint about all others.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object())
      throw Bad{(where_.empty() ? "config" : where_) + ": must be an object"};
  }
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw Bad{(where_.empty() ? "" : where_ + ".") + name + ": " + what};
  }
  const json* find(const std::string& name) {
    known_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  std::string text(const std::string& name, std::string otherwise = "") {
    const json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) fail(name, "must be a string");
    std::string given = value->get<std::string>();
    if (given.find('\0') != std::string::npos) fail(name, "must not contain a zero byte");
    return given;
  }
  // As text(), and not empty where it is given.
  std::string named(const std::string& name, std::string otherwise = "") {
    std::string value = text(name, std::move(otherwise));
    if (value.empty() && find(name) != nullptr) fail(name, "must not be empty");
    return value;
  }
  std::vector<std::string> list(const std::string& name) {
    std::vector<std::string> all;
    const json* value = find(name);
    if (value == nullptr) return all;
    if (!value->is_array()) fail(name, "must be a list of strings");
    for (const json& one : *value) {
      if (!one.is_string()) fail(name, "must be a list of strings");
      all.push_back(one.get<std::string>());
      if (all.back().find('\0') != std::string::npos) fail(name, "must not contain a zero byte");
    }
    return all;
  }
  std::vector<std::pair<std::string, std::string>> map(const std::string& name) {
    std::vector<std::pair<std::string, std::string>> all;
    const json* value = find(name);
    if (value == nullptr) return all;
    if (!value->is_object()) fail(name, "must be an object");
    for (const auto& [key, one] : value->items()) {
      if (key.empty() || key.find_first_of(std::string_view("=\0", 2)) != std::string::npos)
        fail(name, "\"" + key + "\" is no name");
      if (!one.is_string()) fail(name + "." + key, "must be a string");
      if (one.get_ref<const std::string&>().find('\0') != std::string::npos)
        fail(name + "." + key, "must not contain a zero byte");
      all.emplace_back(key, one.get<std::string>());
    }
    return all;
  }
  std::uint32_t count(const std::string& name, std::uint32_t most) {
    const json* value = find(name);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() < 1 ||
        value->get<std::uint64_t>() > most)
      fail(name, "must be a whole number from 1 to " + std::to_string(most));
    return value->get<std::uint32_t>();
  }
  bool flag(const std::string& name, bool otherwise) {
    const json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) fail(name, "must be true or false");
    return value->get<bool>();
  }
  Policy policy(const std::string& name, Policy otherwise) {
    const std::string value = text(name);
    if (find(name) == nullptr) return otherwise;
    if (value == "allow") return Policy::kAllow;
    if (value == "ask") return Policy::kAsk;
    if (value != "deny") fail(name, "\"" + value + "\" is none of allow, ask, deny");
    return Policy::kDeny;
  }
  milliseconds duration(const std::string& name, milliseconds otherwise) {
    if (find(name) == nullptr) return otherwise;
    const std::string value = text(name);
    const auto found = measured(value, kDurations, 365ULL * 86'400'000);
    if (!found)
      fail(name, "\"" + value + "\" is no duration of up to a year, such as 500ms, 3s, 24h");
    return milliseconds{*found};
  }
  // Of something that must take its time, though not for ever.
  milliseconds wait(const std::string& name, milliseconds otherwise, milliseconds most) {
    const milliseconds value = duration(name, otherwise);
    if (value.count() == 0) fail(name, "must be more than nothing");
    if (value > most) fail(name, "must be at most " + std::to_string(most.count() / 1000) + "s");
    return value;
  }
  std::size_t size(const std::string& name, std::size_t otherwise, std::size_t least) {
    if (find(name) == nullptr) return otherwise;
    const std::string value = text(name);
    const auto found = measured(value, kSizes, 1ULL << 30);
    if (!found) fail(name, "\"" + value + "\" is no size of up to 1GiB, such as 64KiB or 1MB");
    if (*found < least) fail(name, "must be at least " + std::to_string(least) + "B");
    return *found;
  }
  void finish() const {
    for (const auto& item : object_.items())
      if (!known_.contains(item.key())) fail(item.key(), "unknown key");
  }

 private:
  const json& object_;
  std::string where_;
  std::set<std::string> known_;
};

Resume parse_resume(const json& given) {
  Fields fields(given, "resume");
  Resume resume;
  resume.enabled = fields.flag("enabled", true);
  resume.attempts = fields.count("attempts", 100);
  resume.give_up_after = fields.count("give_up_after", 1000);
  resume.backoff = fields.duration("backoff", milliseconds{0});
  fields.finish();
  return resume;
}

McpServer parse_server(const json& given, const std::string& where) {
  using Transport = McpServer::Transport;
  Fields fields(given, where);
  McpServer server;
  server.name = fields.named("name");
  if (server.name.empty()) fields.fail("name", "must be given");
  const std::string type = fields.text("type", "stdio");
  if (type == "stdio") {
    server.command = fields.named("command");
    if (server.command.empty())
      fields.fail("command", "must be given, or `type` and `url` of a server that runs already");
    if (server.command.front() != '/' && server.command.find('/') != std::string::npos)
      fields.fail("command", "must be absolute, or the name of a program");
    server.arguments = fields.list("args");
    server.environment = fields.map("env");
    fields.finish();
    return server;
  }
  if (type != "http" && type != "sse")
    fields.fail("type", "\"" + type + "\" is none of stdio, http, sse");
  server.transport = type == "http" ? Transport::kHttp : Transport::kSse;
  server.url = fields.text("url");
  if (!server.url.starts_with("http://") && !server.url.starts_with("https://"))
    fields.fail("url", "must be an address that begins with http:// or https://");
  server.headers = fields.map("headers");
  for (const auto& [name, value] : server.headers)
    if ((name + value).find_first_of("\r\n") != std::string::npos)
      fields.fail("headers." + name, "must be one line");
  fields.finish();
  return server;
}

std::vector<McpServer> parse_servers(Fields& fields) {
  std::vector<McpServer> servers;
  const json* given = fields.find("mcp_servers");
  if (given == nullptr) return servers;
  if (!given->is_array()) fields.fail("mcp_servers", "must be a list");
  std::set<std::string> names;
  for (const json& one : *given) {
    const std::string where = "mcp_servers[" + std::to_string(servers.size()) + "]";
    servers.push_back(parse_server(one, where));
    if (!names.insert(servers.back().name).second)
      throw Bad{where + ".name: \"" + servers.back().name + "\" is there twice"};
  }
  return servers;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kKinds{{
    {"read", "read"},
    {"search", "read"},
    {"fetch", "read"},
    {"think", "read"},
    {"write", "write"},
    {"edit", "write"},
    {"delete", "write"},
    {"move", "write"},
    {"execute", "execute"},
    {"switch_mode", ""},
    {"other", ""},
    {"default", ""},
}};

std::map<std::string, Policy, std::less<>> parse_permissions(const json& given) {
  Fields fields(given, "permissions");
  std::map<std::string, Policy, std::less<>> all;
  for (const auto& [kind, group] : kKinds)
    if (const std::string name(kind); fields.find(name) != nullptr)
      all[name] = fields.policy(name, Policy::kAsk);
  fields.finish();
  return all;
}

// The program; of one that only runs others (npx, node …), also what it runs.
std::string type_of(const std::vector<std::string>& command) {
  const auto name_of = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  std::string type = name_of(command.front());
  for (const char* runner : {"node", "npx", "bun", "bunx", "deno", "uv", "uvx", "python", "python3",
                             "env", "sh", "bash"}) {
    if (type != runner) continue;
    for (std::size_t i = 1; i < command.size(); ++i) {
      if (command[i].starts_with('-')) continue;
      // A package's version is no part of what it is; the @ at the beginning is.
      const std::size_t version = command[i].find('@', 1);
      return type + " " + command[i].substr(0, version);
    }
  }
  return type;
}

void parse_command(Fields& fields, const Presets& presets, Config& config) {
  config.command = fields.list("command");
  if (fields.find("command") != nullptr && (config.command.empty() || config.command[0].empty()))
    fields.fail("command", "must begin with a program");
  const std::string name = fields.named("preset");
  if (name.empty()) {
    if (config.command.empty())
      throw Bad{"command: must be given, or `preset` with the name of a known agent"};
  } else {
    const auto preset = presets.find(name);
    if (preset == presets.end()) {
      std::string known;
      for (const auto& [one, unused] : presets) known += (known.empty() ? "" : ", ") + one;
      fields.fail("preset", "\"" + name + "\" is none of " + known);
    }
    if (config.command.empty()) config.command = preset->second.command;
    config.install = preset->second.install;
    config.login = preset->second.login;
    config.auth_method = preset->second.auth_method;
    config.environment = preset->second.environment;
    config.share = preset->second.share.value_or(config.share);
  }
  config.agent_type = fields.named("agent_type", name.empty() ? type_of(config.command) : name);
  for (auto& [key, value] : fields.map("env")) {
    if (!name.empty())
      for (const auto& [variable, method] : presets.find(name)->second.key_logins)
        if (variable == key) config.auth_method = method;
    std::erase_if(config.environment, [&](const auto& one) { return one.first == key; });
    config.environment.emplace_back(key, std::move(value));
  }
}

}  // namespace

Policy Config::policy(std::string_view tool_kind) const {
  std::string_view group;
  for (const auto& [kind, of] : kKinds)
    if (kind == tool_kind && kind != "default") group = of;
  for (const std::string_view name : {tool_kind, group, std::string_view("default")})
    if (const auto found = permissions.find(name); found != permissions.end()) return found->second;
  return Policy::kAsk;
}

std::vector<std::string> Config::secrets() const {
  std::vector<std::string> all;
  const auto add = [&all](const auto& list) {
    for (const auto& [name, value] : list) {
      all.push_back(value);
      if (const auto space = value.find(' '); space != std::string::npos)
        all.push_back(value.substr(space + 1));  // "Bearer …"
    }
  };
  add(environment);
  for (const McpServer& server : mcp_servers) {
    add(server.environment);
    add(server.headers);
  }
  std::erase_if(all, [](const auto& one) { return one.size() < kShortestSecret; });
  // A longer one first, so that no part of it stays when it contains another.
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::expected<Config, std::string> parse_config(std::string_view text, const Presets& presets) {
  const json given = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (given.is_discarded()) return std::unexpected("config: is no JSON");
  try {
    Fields fields(given, "");
    Config config;
    parse_command(fields, presets, config);
    config.mcp_servers = parse_servers(fields);
    config.model = fields.text("model");
    config.mode = fields.text("mode");
    config.auth_method = fields.text("auth_method", config.auth_method);
    config.share = fields.flag("share", config.share);
    if (const json* permissions = fields.find("permissions"))
      config.permissions = parse_permissions(*permissions);
    config.permission_timeout = fields.duration("permission_timeout", config.permission_timeout);
    config.files = fields.policy("files", config.files);
    config.terminals = fields.policy("terminals", config.terminals);
    config.max_file = fields.size("max_file_size", config.max_file, 1);
    config.max_output = fields.size("max_output_size", config.max_output, 1);
    config.silence = fields.wait("timeout", config.silence, std::chrono::hours(24 * 7));
    config.handshake = fields.wait("handshake_timeout", config.handshake, kLongestHandshake);
    config.idle_timeout = fields.duration("idle_timeout", config.idle_timeout);
    config.cancel_grace =
        fields.wait("cancel_grace", config.cancel_grace, std::chrono::minutes(10));
    config.max_line = fields.size("max_line", config.max_line, 64 << 10);
    config.max_age = fields.duration("max_age", config.max_age);
    config.fresh_on_loss = fields.flag("fresh_on_loss", config.fresh_on_loss);
    if (const json* resume = fields.find("resume")) config.resume = parse_resume(*resume);
    fields.finish();
    return config;
  } catch (const Bad& bad) {
    return std::unexpected(bad.what);
  }
}

}  // namespace viaduct::acp
