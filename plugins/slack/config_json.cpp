#include "plugins/slack/config.hpp"

#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <charconv>
#include <utility>
#include <viaduct/net/fields.hpp>

namespace viaduct::slack {
namespace {

using net::Fields;

constexpr std::string_view kCapitalsAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

bool is_id(std::string_view text, std::string_view kinds) {
  return text.size() > 1 && kinds.find(text[0]) != std::string_view::npos &&
         text.find_first_not_of(kCapitalsAndDigits) == std::string_view::npos;
}

std::vector<std::string> ids(Fields& fields, const std::string& name, std::string_view kinds,
                             const std::string& what) {
  std::vector<std::string> all = fields.texts(name);
  for (const std::string& one : all)
    if (!is_id(one, kinds)) fields.fail(name, "must be a list of ids " + what);
  return all;
}
// Also T…/U…: of a workspace that is not the bot token's.
std::vector<std::string> user_ids(Fields& fields, const std::string& name) {
  std::vector<std::string> all = fields.texts(name);
  for (const std::string_view one : all) {
    const std::size_t slash = one.find('/');
    const bool is_fine = slash == std::string_view::npos ? is_id(one, "UW")
                                                         : is_id(one.substr(0, slash), "TE") &&
                                                               is_id(one.substr(slash + 1), "UW");
    if (!is_fine)
      fields.fail(name,
                  "must be a list of ids such as U0123ABCD, which is in a person's profile on "
                  "Slack, or T0123ABCD/U0123ABCD of another workspace");
  }
  return all;
}

bool names(const std::vector<std::string>& all, std::string_view user, std::string_view team,
           bool is_own) {
  return std::any_of(all.begin(), all.end(), [&](std::string_view one) {
    if (is_own && one == user) return true;
    return one.size() == team.size() + 1 + user.size() && one.starts_with(team) &&
           one[team.size()] == '/' && one.ends_with(user);
  });
}

bool is_one_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c > ' ' && c != 0x7F; });
}

// A token that begins as one of another kind does can be told without asking Slack.
std::string token(Fields& fields, const std::string& name, std::string_view prefix,
                  std::initializer_list<std::string_view> others) {
  std::string text = fields.text(name);
  if (!is_one_line(text)) fields.fail(name, "must be a token, without blanks");
  for (const std::string_view other : others)
    if (text.starts_with(other))
      fields.fail(name, "must begin with " + std::string(prefix) + ", this begins with " +
                            std::string(other));
  return text;
}

void parse_secrets(Fields& fields, Config& config, Needs needs) {
  if (fields.is_text("signing_secret")) {
    if (std::string one = fields.text("signing_secret"); !one.empty())
      config.signing_secrets.push_back(std::move(one));
  } else {
    config.signing_secrets = fields.texts("signing_secret");
  }
  if (needs == Needs::kTokens && config.mode == Mode::kHttp && config.signing_secrets.empty())
    fields.fail("signing_secret",
                "must be given and not be empty in mode http, or anybody could send requests");
  for (const std::string& one : config.signing_secrets)
    if (one.empty() || !is_one_line(one))
      fields.fail("signing_secret", "must not be empty nor have blanks, or anybody could sign");
}

std::string folder(Fields& fields, const std::string& name, std::string text) {
  if (!text.starts_with('/') && text != "~" && !text.starts_with("~/"))
    fields.fail(name, "must begin with / or ~/");
  return text;
}

Allow parse_allow(Fields& fields) {
  Allow allow;
  if (!fields.has("allow")) return allow;
  if (fields.is_text("allow")) {
    const std::string word = fields.text("allow");
    if (word != "everyone")
      fields.fail("allow", "must be everyone, or {everyone: true, users: […], channels: […]}");
    allow.everyone = true;
    return allow;
  }
  Fields lists = *fields.object("allow");
  allow.everyone = lists.flag("everyone", false);
  allow.users = user_ids(lists, "users");
  allow.channels = ids(lists, "channels", "CGD",
                       "such as C0123ABCD, which is at the end of a channel's details on Slack");
  lists.finish();
  return allow;
}

struct Url {
  bool is_secure = false;
  std::string host;
  std::string rest;  // path and what follows
};

// Nothing where the host cannot be told for certain.
std::optional<Url> parse_url(std::string_view text) {
  Url url;
  url.is_secure = text.starts_with("https://");
  if (!url.is_secure && !text.starts_with("http://")) return std::nullopt;
  if (!is_one_line(text) || text.find_first_of("\\#?") != std::string_view::npos)
    return std::nullopt;
  text.remove_prefix(url.is_secure ? 8 : 7);
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  url.rest = text.substr(slash);
  if (authority.find('@') != std::string_view::npos) return std::nullopt;
  std::size_t port = authority.rfind(':');
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    port = end + 1 < authority.size() ? end + 1 : std::string_view::npos;
    if (port != std::string_view::npos && authority[port] != ':') return std::nullopt;
  }
  if (port != std::string_view::npos) {
    const std::string_view digits = authority.substr(port + 1);
    if (digits.empty() || digits.size() > 5 ||
        digits.find_first_not_of("0123456789") != std::string_view::npos)
      return std::nullopt;
    authority = authority.substr(0, port);
  }
  url.host = chat::lower(authority);
  return url.host.empty() ? std::nullopt : std::optional(url);
}

// 127.0.0.0/8, written as four numbers.
bool is_loopback_address(std::string_view host) {
  if (!host.starts_with("127.")) return false;
  int parts = 0;
  while (true) {
    const std::size_t dot = std::min(host.find('.'), host.size());
    unsigned number = 256;
    const auto [end, error] = std::from_chars(host.data(), host.data() + dot, number);
    if (error != std::errc{} || end != host.data() + dot || number > 255) return false;
    ++parts;
    if (dot == host.size()) return parts == 4;
    host.remove_prefix(dot + 1);
  }
}

std::string parse_base(Fields& fields) {
  std::string text = fields.named("api_base_url", Config{}.api_base_url);
  const auto url = parse_url(text);
  if (!url)
    fields.fail("api_base_url",
                "must be an address such as https://slack.com/api/, without user "
                "name and query");
  if (!url->is_secure && !is_loopback_url(text))
    fields.fail("api_base_url",
                "must begin with https://; http is only for this computer itself, since the token "
                "goes there");
  if (!text.ends_with('/')) text += '/';
  return text;
}

std::string parse_public(Fields& fields) {
  std::string text = fields.text("public_url");
  if (text.empty()) return text;
  const auto url = parse_url(text);
  if (!url || (!url->is_secure && !is_loopback_url(text)))
    fields.fail("public_url", "must be an address such as https://viaduct.example.com");
  if (text.find("/apps/") != std::string::npos)
    fields.fail("public_url",
                "must be the address of this host, without /apps/… behind it, such as "
                "https://viaduct.example.com");
  while (text.ends_with('/')) text.pop_back();
  return text;
}

void parse_workspaces(Fields& fields, Config& config, bool needs_tokens) {
  if (fields.is_text("workspaces")) {
    config.any_workspace = fields.text("workspaces") == "any";
    if (!config.any_workspace)
      fields.fail("workspaces", "must be a list of ids such as T0123ABCD, or any");
  } else if (fields.has("workspaces")) {
    config.workspaces = ids(fields, "workspaces", "TE",
                            "such as T0123ABCD, which is in the address of Slack in a browser");
  }
  if (needs_tokens && !config.client_id.empty() && config.workspaces.empty() &&
      !config.any_workspace)
    fields.fail("workspaces",
                "must be given with client_id: the ids of the workspaces that may install the "
                "app, such as [T0123ABCD], or any");
}

void refuse_account(Fields& fields) {
  if (fields.has("api_base_url"))
    fields.fail("api_base_url", "must not be given with simulator, which calls nobody");
  for (const char* name : {"app_token", "bot_token", "client_id", "signing_secret"})
    if (fields.is_text(name) ? !fields.text(name).empty() : fields.has(name))
      fields.fail(name,
                  "must not be given with simulator, which has no account on Slack: give the "
                  "simulator a surface of its own");
}

std::string parse_command_name(Fields& fields) {
  std::string name = fields.named("command", Config{}.command);
  const bool is_fine =
      name.size() > 1 && name.size() <= 32 && name[0] == '/' &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-", 1) == std::string::npos;
  if (!is_fine)
    fields.fail("command", "must be a slash and up to 31 small letters, digits, - and _");
  return name;
}

}  // namespace

bool Allow::takes(std::string_view user, std::string_view channel, bool is_member,
                  std::string_view team, bool is_own) const {
  if (user.empty()) return false;
  if (names(users, user, team, is_own)) return true;
  if (!is_member) return false;
  return everyone || std::find(channels.begin(), channels.end(), channel) != channels.end();
}

bool Config::is_operator(std::string_view user, std::string_view team, bool is_own) const {
  return !user.empty() && names(operators, user, team, is_own);
}

bool Config::may_install(std::string_view team) const {
  return any_workspace || std::find(workspaces.begin(), workspaces.end(), team) != workspaces.end();
}

std::vector<std::string> Config::secrets() const {
  std::vector<std::string> all = signing_secrets;
  for (const std::string* one : {&app_token, &bot_token, &client_secret})
    if (!one->empty()) all.push_back(*one);
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return all;
}

bool is_loopback_url(std::string_view text) {
  const auto url = parse_url(text);
  return url &&
         (url->host == "localhost" || url->host == "[::1]" || is_loopback_address(url->host));
}

std::string line_to_add(const Allow& allow, std::string_view user) {
  const std::string who(user);
  if (!allow.users.empty() || !allow.channels.empty()) return "add " + who + " to allow.users";
  return std::string("allow: {") + (allow.everyone ? "everyone: true, " : "") + "users: [" + who +
         "]}";
}

std::expected<Config, std::string> parse_config(std::string_view json, Needs needs) {
  return net::read_config(json, [needs](Fields& fields) {
    Config config;
    // Each by itself, so that all that is wrong is said at once.
    std::string faults;
    const auto read = [&faults](auto part) {
      try {
        part();
      } catch (const net::BadConfig& bad) {
        faults += (faults.empty() ? "" : "\n") + bad.what;
      }
    };
    read([&] {
      if (fields.one_of("mode", {"socket", "http"}, "socket") == "http") config.mode = Mode::kHttp;
    });
    read([&] { config.simulator = fields.flag("simulator", false); });
    const bool needs_tokens = needs == Needs::kTokens && !config.simulator;
    read([&] {
      if (!fields.text("app_token").starts_with("xoxb-") ||
          !fields.text("bot_token").starts_with("xapp-"))
        return;
      fields.fail("app_token",
                  "and bot_token are in each other's place: app_token begins with "
                  "xapp-, bot_token with xoxb-");
    });
    if (!faults.ends_with("with xoxb-")) {
      read([&] {
        config.app_token = token(fields, "app_token", "xapp-", {"xoxb-", "xoxp-", "xoxe"});
        if (needs_tokens && config.mode == Mode::kSocket && config.app_token.empty())
          fields.fail("app_token",
                      "must be given in mode socket: xapp-…, from the app's settings under "
                      "Basic Information");
      });
      read([&] {
        config.bot_token = token(fields, "bot_token", "xoxb-", {"xapp-", "xoxp-"});
        if (needs_tokens && config.bot_token.empty() && fields.text("client_id").empty())
          fields.fail("bot_token",
                      "must be given: xoxb-…, from the app's settings under OAuth & "
                      "Permissions; or client_id and client_secret");
      });
    }
    read([&] {
      config.client_id = fields.text("client_id");
      config.client_secret = fields.text("client_secret");
      if (config.client_id.empty() != config.client_secret.empty())
        fields.fail(config.client_id.empty() ? "client_id" : "client_secret",
                    "must be given; the two go together");
    });
    read([&] { parse_workspaces(fields, config, needs_tokens); });
    if (config.simulator) read([&] { refuse_account(fields); });
    read([&] { parse_secrets(fields, config, config.simulator ? Needs::kManifest : needs); });
    read([&] {
      config.key_file = fields.text("key_file");
      if (!config.key_file.empty()) folder(fields, "key_file", config.key_file);
    });
    read([&] {
      config.public_url = parse_public(fields);
      // With OAuth it may be taken from the browser that installs the app.
      if (needs_tokens && config.mode == Mode::kHttp && config.public_url.empty() &&
          config.client_id.empty())
        fields.fail("public_url",
                    "must be given in mode http: where Slack finds this host, such as "
                    "https://viaduct.example.com");
    });
    read([&] { config.command = parse_command_name(fields); });
    read([&] {
      config.default_working_dir =
          folder(fields, "default_working_dir", fields.named("default_working_dir", "~"));
    });
    read([&] {
      if (const auto most = fields.count("max_sessions_per_user", 10'000))
        config.max_sessions_per_user = most;
    });
    read([&] { config.allow = parse_allow(fields); });
    read([&] { config.operators = user_ids(fields, "operators"); });
    read([&] {
      if (fields.has("working_dirs")) config.working_dirs = fields.texts("working_dirs");
      for (const std::string& one : config.working_dirs) folder(fields, "working_dirs", one);
    });
    read([&] { config.mention_only = fields.flag("mention_only", false); });
    read([&] { config.api_base_url = parse_base(fields); });
    if (!faults.empty()) throw net::BadConfig{faults};
    return config;
  });
}

}  // namespace viaduct::slack
