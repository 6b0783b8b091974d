// The configuration of the Slack surface. Plain values; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

enum class Mode { kSocket, kHttp };

// Whom the bot answers. Nobody, unless it says so.
struct Allow {
  bool everyone = false;              // members of the workspace: never guests or strangers
  std::vector<std::string> users;     // U… or T…/U…, also guests and strangers
  std::vector<std::string> channels;  // C…: members of the workspace, in these

  // `is_member`: of the workspace, neither guest nor stranger. `is_own`: an id without a workspace
  // means somebody of this one.
  bool takes(std::string_view user, std::string_view channel, bool is_member,
             std::string_view team = {}, bool is_own = true) const;
};

struct Config {
  Mode mode = Mode::kSocket;
  std::string app_token;
  std::string bot_token;                     // empty: only what has been installed by OAuth
  std::vector<std::string> signing_secrets;  // any of them; none is empty
  std::string client_id;                     // of OAuth; empty: no installation from a browser
  std::string client_secret;
  std::vector<std::string> workspaces;  // T… or E…: where it may be installed by OAuth
  bool any_workspace = false;           // anywhere
  std::string key_file;                 // for tokens at rest; empty: beside the database
  std::string public_url;  // where Slack finds this host, without a slash at its end; or empty
  std::string command = "/amp";
  std::string default_working_dir = "~";
  std::uint32_t max_sessions_per_user = 10;
  Allow allow;
  std::vector<std::string> operators;
  std::vector<std::string> working_dirs = {"~"};
  bool mention_only = false;  // messages of a bound thread need a mention, too
  bool simulator = false;     // instead of Slack; there are no tokens then
  std::string api_base_url = "https://slack.com/api/";  // with a slash at its end

  bool is_operator(std::string_view user, std::string_view team = {}, bool is_own = true) const;
  bool may_install(std::string_view team) const;
  // What must not be shown, longest first.
  std::vector<std::string> secrets() const;
};

// JSON Schema (draft 4) of what parse_config takes.
extern const char kSchema[];
extern const char kExample[];

// What must be there: all, or only what the manifest is made of, since the tokens come later.
enum class Needs { kTokens, kManifest };

// The error says where: "allow.users: …", and never what a field holds.
std::expected<Config, std::string> parse_config(std::string_view json,
                                                Needs needs = Needs::kTokens);

// What lets a person in, for the answer to somebody who is not allowed: tells nothing of who is.
std::string line_to_add(const Allow& allow, std::string_view user);

// Whether plain http is harmless there: a name or address of this computer itself.
bool is_loopback_url(std::string_view url);

}  // namespace viaduct::slack
