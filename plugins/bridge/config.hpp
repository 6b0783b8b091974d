// The configuration of a bridge. Plain values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::bridge {

// How the host gets lost sessions back; nothing set: its defaults.
struct Resume {
  bool enabled = true;
  std::uint32_t attempts = 0;
  std::uint32_t give_up_after = 0;
  std::chrono::milliseconds backoff{0};
};

// When a request is sent again that brought nothing.
struct RetryConfig {
  unsigned attempts = 4;  // in all
  std::chrono::milliseconds backoff{1000};
  std::chrono::milliseconds longest{60'000};  // a server that wants more is not waited for
};

enum class Api { kOpenAi, kAnthropic };

// The driver `llm`: an HTTP model server.
struct Llm {
  Api api = Api::kOpenAi;
  std::string base_url;  // without a slash at its end
  std::string model;
  std::string api_key;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string system;
  std::optional<double> temperature;
  std::optional<std::int64_t> max_tokens;
  std::string effort;                    // how hard to think: low, medium, high, or not said
  std::optional<std::int64_t> budget;    // or with how many tokens
  std::string extra;                     // JSON object of further members of the request, or empty
  std::int64_t context_tokens = 0;       // what fits; 0: the server will say
  std::uint32_t compact_after = 0;       // turns; 0: only when it no longer fits
  std::chrono::milliseconds timeout{0};  // of silence
  RetryConfig retry;

  // What must not be shown: the key, and the values of headers and of the address's query.
  std::vector<std::string> secrets() const;
  std::string shown_url() const;   // base_url without its query
  bool lacks_version() const;      // base_url has no path, where nearly all servers want /v1
  std::string chat_url() const;    // where conversations are posted
  std::string models_url() const;  // where the models are listed
  // Name and value of what every request carries.
  std::vector<std::pair<std::string, std::string>> request_headers() const;
};

// The driver `cli`: an agent program, started once for each turn.
struct Cli {
  std::string preset;     // a name, or a path of a file; empty: `overrides` is all of it
  std::string overrides;  // JSON object of keys of the preset, or empty
  std::string program;    // instead of the preset's, or empty
  std::string model;
  std::vector<std::string> arguments;                    // further ones
  std::vector<std::pair<std::string, std::string>> env;  // beside the preset's
  std::chrono::milliseconds timeout{0};                  // of silence
  std::uint32_t compact_after = 0;                       // turns; 0: never by itself

  // What must not be shown: the values of env, longest first.
  std::vector<std::string> secrets() const;
};

struct Config {
  Resume resume;
  std::chrono::milliseconds max_age{0};  // of a native id since its last use; 0: no limit
  std::string home;                      // of the transcript folders; empty: Viaduct's
  bool transcripts = true;               // whether they are written
  Llm llm;
  std::optional<Cli> cli;  // instead of llm
};

// JSON Schema (draft 4) of what parse_config takes.
extern const char kSchema[];
extern const char kExample[];

// The error says where: "retry.attempts: …".
std::expected<Config, std::string> parse_config(std::string_view json);

}  // namespace viaduct::bridge
