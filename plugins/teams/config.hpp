// The configuration of the Teams surface. Plain values; any thread.
#pragma once

#include "plugins/teams/clouds.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

enum class Transport { kHttp, kSocket };

// Whom the bot answers. Nobody, unless it says so. Always only people of allowed tenants.
struct Allow {
  bool everyone = false;
  std::vector<std::string> users;  // Entra's object ids, in small letters
  std::vector<std::string>
      teams;  // of Teams ("19:…") or of Entra: whoever writes in their channels

  // `user`: Entra's id. `team` and `team_aad`: where it is said; empty: in no team.
  bool takes(std::string_view user, std::string_view team, std::string_view team_aad) const;
  bool is_nobody() const { return !everyone && users.empty() && teams.empty(); }
};

struct Certificate {
  std::string cert;  // files of PEM
  std::string key;
};

// What becomes of a message that is edited after it was sent.
enum class Edits {
  kIgnore,
  kOffer  // a note with a button that runs it as it is now
};

// Which messages of group chats and channels the bot sees.
enum class ChannelMessages {
  kAddressed,  // those that mention it
  kAll         // all, where the app was granted that; those of bound threads go to the agent
};

// How the app is called where people install it.
struct AppNames {
  std::string name = "Viaduct";  // to 30 characters
  std::string full_name;         // to 100; empty: as name
  std::string description = "Talk to your agents";
  std::string full_description;
  std::string developer = "Viaduct";
  std::string website;  // https; empty: public_url, or the project's
  std::string privacy;
  std::string terms;
  std::string version = "1.0.0";  // to be raised for every change
  std::string accent_color = "#5B6DEF";
};

struct Config {
  std::string app_id;
  std::string app_password;  // or
  Certificate certificate;
  std::string tenant_id;  // empty: a bot for many tenants
  Transport transport = Transport::kHttp;
  std::vector<std::string> socket_geos = {"amer", "emea", "apac"};
  Cloud cloud = Cloud::kPublic;
  std::vector<std::string> allowed_tenants;  // never empty: the bot's own where nothing is given
  Allow allow;
  std::vector<std::string> operators;
  bool allow_entra_tokens = false;
  bool allow_anonymous_loopback = false;
  EndpointOverrides overrides;
  Endpoints endpoints;         // of cloud, tenant and overrides
  bool messages_alias = true;  // also /api/messages
  std::string public_url;      // without a slash at its end; or empty
  ChannelMessages channel_messages = ChannelMessages::kAddressed;
  // Teams shows messages to one person among others (a preview); else they go to their own chat.
  bool targeted_messages = false;
  std::chrono::milliseconds keep_files = std::chrono::days(7);  // that were offered, until answered
  Edits edits = Edits::kIgnore;
  bool extended_markdown = false;
  bool ai_label = true;
  bool feedback = true;
  std::string greeting;  // instead of the usual one; plain
  bool greets = true;
  std::string default_working_dir = "~";
  std::vector<std::string> working_dirs = {"~"};
  std::uint32_t max_sessions_per_user = 10;
  AppNames app;

  bool is_operator(std::string_view user) const;
  // Of an activity, in small letters.
  bool takes_tenant(std::string_view tenant) const;
  // What must not be shown, longest first.
  std::vector<std::string> secrets() const;
};

// JSON Schema (draft 4) of what parse_config takes.
extern const char kSchema[];
extern const char kExample[];

// What must be there: all, or only what the app package is made of, since the secret comes later.
enum class Needs { kCredentials, kManifest };

// The error says where: "allow.users: …", and never what a field holds.
std::expected<Config, std::string> parse_config(std::string_view json,
                                                Needs needs = Needs::kCredentials);

}  // namespace viaduct::teams
