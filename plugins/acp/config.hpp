// The configuration of an ACP backend. Plain values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::acp {

enum class Policy { kAllow, kAsk, kDeny };

// How the host gets lost sessions back; nothing set: its defaults.
struct Resume {
  bool enabled = true;
  std::uint32_t attempts = 0;
  std::uint32_t give_up_after = 0;
  std::chrono::milliseconds backoff{0};
};

// One MCP server that every session is given.
struct McpServer {
  enum class Transport { kStdio, kHttp, kSse };
  Transport transport = Transport::kStdio;
  std::string name;
  std::string command;  // kStdio; absolute
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;
  std::string url;  // the others
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Config {
  std::string agent_type;            // whose ids these are: the preset's name, or the program's
  std::vector<std::string> command;  // the program and its arguments
  std::string install;               // how to install it, or empty
  std::string login;                 // what to run to log in, or empty
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<McpServer> mcp_servers;
  std::string model, mode;  // applied to every session; empty: the agent's own
  std::string auth_method;  // to call once after initialize; empty: none
  bool share = true;        // one process for many sessions

  // What is done with a request for permission: by the tool's kind, or the group of kinds ("read",
  // "write", "execute"), else by "default"; what is none of these is asked about.
  std::map<std::string, Policy, std::less<>> permissions;
  std::chrono::milliseconds permission_timeout{0};  // 0: a person may take any time
  Policy files = Policy::kDeny;      // reading and writing for the agent; kDeny: not advertised
  Policy terminals = Policy::kDeny;  // running programs for it; kDeny: not advertised
  std::size_t max_file = 1 << 20;
  std::size_t max_output = 1 << 20;

  std::chrono::milliseconds silence{900'000};         // of a turn, before it is cancelled
  std::chrono::milliseconds handshake{14'000};        // each of its three phases
  std::chrono::milliseconds idle_timeout{1'800'000};  // 0: never stopped
  std::chrono::milliseconds cancel_grace{5'000};
  std::chrono::milliseconds max_age{0};  // of a native id since its last use; 0: no limit
  std::size_t max_line = 64 << 20;
  Resume resume;
  bool fresh_on_loss = false;

  Policy policy(std::string_view tool_kind) const;
  // What must not be shown: values of the environment and of headers, longer ones first.
  std::vector<std::string> secrets() const;
};

// JSON Schema (draft 4) of what parse_config takes.
extern const char kSchema[];
extern const char kExample[];

// A known agent, from presets.yaml.
struct Preset {
  std::vector<std::string> command;
  std::string install, login, auth_method;
  std::vector<std::pair<std::string, std::string>> environment;
  std::optional<bool> share;
  // The login that takes a key, by the key's variable: it is asked for where the config has that.
  std::vector<std::pair<std::string, std::string>> key_logins = {};
};
using Presets = std::map<std::string, Preset, std::less<>>;
// The error says where.
std::expected<Presets, std::string> parse_presets(const std::string& yaml);

// The error says where: "permissions.read: …".
std::expected<Config, std::string> parse_config(std::string_view json, const Presets& presets);

}  // namespace viaduct::acp
