#include "plugins/acp/config.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <viaduct/net/fields.hpp>
#include <viaduct/net/text.hpp>

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

using net::Fields;
using std::chrono::milliseconds;

constexpr std::size_t kShortestSecret = 8;  // shorter ones would redact half of what is said
constexpr std::size_t kLargest = 1 << 30;
// initialize, authenticate and the session take one each, and all are to be under 45 s.
constexpr milliseconds kLongestHandshake{14'000};

Policy policy(Fields& fields, const std::string& name, Policy otherwise) {
  if (!fields.has(name)) return otherwise;
  const std::string value = fields.one_of(name, {"allow", "ask", "deny"}, "");
  return value == "allow" ? Policy::kAllow : value == "ask" ? Policy::kAsk : Policy::kDeny;
}

Resume parse_resume(Fields fields) {
  Resume resume;
  resume.enabled = fields.flag("enabled", true);
  resume.attempts = fields.count("attempts", 100);
  resume.give_up_after = fields.count("give_up_after", 1000);
  resume.backoff = fields.duration("backoff", milliseconds{0});
  fields.finish();
  return resume;
}

McpServer parse_server(Fields& fields) {
  using Transport = McpServer::Transport;
  McpServer server;
  server.name = fields.required("name");
  const std::string type = fields.one_of("type", {"stdio", "http", "sse"}, "stdio");
  if (type == "stdio") {
    server.command = fields.named("command");
    if (server.command.empty())
      fields.fail("command", "must be given, or `type` and `url` of a server that runs already");
    if (server.command.front() != '/' && server.command.find('/') != std::string::npos)
      fields.fail("command", "must be absolute, or the name of a program");
    server.arguments = fields.texts("args");
    server.environment = fields.map("env");
    fields.finish();
    return server;
  }
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
  std::set<std::string> names;
  for (Fields& one : fields.objects("mcp_servers")) {
    servers.push_back(parse_server(one));
    if (!names.insert(servers.back().name).second)
      one.fail("name", "\"" + servers.back().name + "\" is there twice");
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

std::map<std::string, Policy, std::less<>> parse_permissions(Fields fields) {
  std::map<std::string, Policy, std::less<>> all;
  for (const auto& [kind, group] : kKinds)
    if (const std::string name(kind); fields.has(name))
      all[name] = policy(fields, name, Policy::kAsk);
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
  config.command = fields.texts("command");
  if (fields.has("command") && (config.command.empty() || config.command[0].empty()))
    fields.fail("command", "must begin with a program");
  for (const std::string& argument : config.command)
    if (net::redacted(argument, {}) != argument)
      fields.fail("command",
                  "must have no key: everybody on this machine can read it there; use env");
  const std::string name = fields.named("preset");
  if (name.empty()) {
    if (config.command.empty())
      fields.fail("command", "must be given, or `preset` with the name of a known agent");
  } else {
    const auto preset = presets.find(name);
    if (preset == presets.end()) {
      std::vector<std::string> known;
      for (const auto& [one, unused] : presets) known.push_back(one);
      fields.fail("preset", net::must_be_one_of(name, known));
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
    // A key may be in the address, too.
    const std::size_t query = server.url.find('?');
    if (query == std::string::npos) continue;
    all.push_back(server.url.substr(query + 1));
    for (std::size_t at = query; at != std::string::npos; at = server.url.find('&', at + 1)) {
      const std::size_t value = server.url.find('=', at);
      if (value != std::string::npos)
        all.push_back(server.url.substr(value + 1, server.url.find('&', value) - value - 1));
    }
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
  return net::read_config(text, [&presets](Fields& fields) {
    Config config;
    parse_command(fields, presets, config);
    config.mcp_servers = parse_servers(fields);
    config.model = fields.text("model");
    config.mode = fields.text("mode");
    config.auth_method = fields.text("auth_method", config.auth_method);
    config.share = fields.flag("share", config.share);
    if (auto permissions = fields.object("permissions"))
      config.permissions = parse_permissions(*std::move(permissions));
    config.permission_timeout = fields.duration("permission_timeout", config.permission_timeout);
    config.files = policy(fields, "files", config.files);
    config.terminals = policy(fields, "terminals", config.terminals);
    config.max_file = fields.size("max_file_size", config.max_file, 1, kLargest);
    config.max_output = fields.size("max_output_size", config.max_output, 1, kLargest);
    config.silence = fields.wait("timeout", config.silence, std::chrono::hours(24 * 7));
    config.handshake = fields.wait("handshake_timeout", config.handshake, kLongestHandshake);
    config.idle_timeout = fields.duration("idle_timeout", config.idle_timeout);
    config.cancel_grace =
        fields.wait("cancel_grace", config.cancel_grace, std::chrono::minutes(10));
    config.max_line = fields.size("max_line", config.max_line, 64 << 10, kLargest);
    config.max_age = fields.duration("max_age", config.max_age);
    config.fresh_on_loss = fields.flag("fresh_on_loss", config.fresh_on_loss);
    if (auto resume = fields.object("resume")) config.resume = parse_resume(*std::move(resume));
    return config;
  });
}

}  // namespace viaduct::acp
