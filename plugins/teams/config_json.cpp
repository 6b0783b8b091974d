#include "plugins/teams/config.hpp"

#include <viaduct/chat/text.hpp>
#include <viaduct/net/fields.hpp>

#include <algorithm>
#include <utility>

#include "plugins/teams/address.hpp"

namespace viaduct::teams {
namespace {

using net::Fields;

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// "00000000-0000-0000-0000-000000000000", in small letters.
bool is_guid(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (kForm[i] == '-' ? text[i] != '-' : !is_hex(text[i])) return false;
  return true;
}

bool is_one_line(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c != 0x7F; });
}

std::string guid(Fields& fields, const std::string& name, std::string_view where) {
  std::string text = chat::lower(fields.text(name));
  if (!text.empty() && !is_guid(text))
    fields.fail(name, "must be an id such as 00000000-0000-0000-0000-000000000000, which is " +
                          std::string(where));
  return text;
}

std::vector<std::string> guids(Fields& fields, const std::string& name, std::string_view where) {
  std::vector<std::string> all = fields.texts(name);
  for (std::string& one : all) {
    one = chat::lower(one);
    if (!is_guid(one))
      fields.fail(name, "must be a list of ids such as 00000000-0000-0000-0000-000000000000, " +
                            std::string(where));
  }
  return all;
}
std::vector<std::string> people(Fields& fields, const std::string& name) {
  return guids(fields, name, "the object ids of people in Entra");
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
    if (fields.text("allow") != "everyone")
      fields.fail("allow", "must be everyone, or {users: […], teams: […]}");
    allow.everyone = true;
    return allow;
  }
  Fields lists = *fields.object("allow");
  allow.users = people(lists, "users");
  allow.teams = lists.texts("teams");
  for (std::string& one : allow.teams) {
    if (is_guid(chat::lower(one)))
      one = chat::lower(one);
    else if (!one.starts_with("19:") || !is_one_line(one))
      lists.fail("teams",
                 "must be a list of ids of teams: as in the link to a team (19:…), or "
                 "groupId there");
  }
  lists.finish();
  return allow;
}

void parse_credentials(Fields& fields, Config& config, Needs needs) {
  config.app_password = fields.text("app_password");
  if (!is_one_line(config.app_password) || config.app_password.find(' ') != std::string::npos)
    fields.fail("app_password", "must be a client secret, without blanks");
  if (is_guid(chat::lower(config.app_password)))
    fields.fail("app_password",
                "must be the secret's value, this is its id: at Entra under Certificates & "
                "secrets, the value is shown only once, when the secret is made");
  if (auto files = fields.object("certificate")) {
    config.certificate.cert = folder(*files, "cert", files->required("cert"));
    config.certificate.key = folder(*files, "key", files->required("key"));
    files->finish();
    if (!config.app_password.empty())
      fields.fail("certificate", "must not be given together with app_password");
  }
  if (needs == Needs::kCredentials && config.app_password.empty() &&
      config.certificate.cert.empty() && !config.allow_anonymous_loopback)
    fields.fail("app_password",
                "must be given: the client secret's value, at Entra under App registrations, "
                "Certificates & secrets; or certificate: {cert: …, key: …}");
}

void parse_tenants(Fields& fields, Config& config, Needs needs) {
  constexpr std::string_view kWhere = "at Entra under Overview, Tenant ID";
  config.tenant_id = guid(fields, "tenant_id", kWhere);
  config.allowed_tenants = guids(fields, "allowed_tenants", kWhere);
  if (config.allowed_tenants.empty() && !config.tenant_id.empty())
    config.allowed_tenants.push_back(config.tenant_id);
  if (needs == Needs::kCredentials && config.allowed_tenants.empty() &&
      !config.allow_anonymous_loopback)
    fields.fail(
        "allowed_tenants",
        "must be given where tenant_id is not: tenant_id is the bot's own tenant (at Entra "
        "under Overview); only a bot for many tenants has none, and names those whose people "
        "may use it");
}

void parse_endpoints(Fields& fields, Config& config) {
  config.cloud = *cloud_named(fields.one_of("cloud", cloud_names(), "public"));
  if (auto given = fields.object("endpoints")) {
    config.overrides.openid_metadata = given->text("openid_metadata");
    config.overrides.entra_metadata = given->text("entra_metadata");
    config.overrides.token = given->text("token");
    config.overrides.connect = given->text("connect");
    config.overrides.service_hosts = given->texts("service_hosts");
    given->finish();
  }
  auto endpoints = endpoints_of(config.cloud, config.tenant_id, config.overrides);
  if (!endpoints) throw net::BadConfig{endpoints.error()};
  config.endpoints = *std::move(endpoints);
  // Who needs no token is answered at this computer.
  if (config.allow_anonymous_loopback)
    for (const char* host : {"127.0.0.1", "localhost", "[::1]"})
      config.endpoints.service_hosts.emplace_back(host);
  if (config.transport == Transport::kSocket && config.endpoints.connect.empty())
    fields.fail("transport", "must be http: Socket Mode is only there in the public cloud");
}

std::string parse_public(Fields& fields) {
  std::string text = fields.text("public_url");
  if (text.empty()) return text;
  const auto address = parse_address(text);
  if (!address || (!address->is_secure && !address->is_loopback))
    fields.fail("public_url", "must be an address such as https://viaduct.example.com");
  // Requests come to a path of this host's own.
  const std::size_t host = text.find("//");
  const std::size_t path = text.find_first_of("/?#", host == text.npos ? 0 : host + 2);
  if (path != text.npos && text.find_first_not_of('/', path) != text.npos)
    fields.fail("public_url",
                "must end with the host's name or port, such as https://viaduct.example.com: the "
                "path /api/messages is put behind it");
  while (text.ends_with('/')) text.pop_back();
  return text;
}

std::vector<std::string> parse_geos(Fields& fields) {
  if (!fields.has("socket_geos")) return Config{}.socket_geos;
  std::vector<std::string> all = fields.texts("socket_geos");
  const std::vector<std::string> known = Config{}.socket_geos;
  for (const std::string& one : all)
    if (std::ranges::find(known, one) == known.end())
      fields.fail("socket_geos", net::must_be_one_of(one, known));
  if (all.empty()) fields.fail("socket_geos", "must not be empty");
  return all;
}

void parse_greeting(Fields& fields, Config& config) {
  if (!fields.has("greeting")) return;
  if (!fields.is_text("greeting")) {
    config.greets = fields.flag("greeting", true);
    return;
  }
  config.greeting = fields.text("greeting");
  config.greets = !config.greeting.empty();
  constexpr std::size_t kLongest = 1000;
  if (chat::characters(config.greeting) > kLongest)
    fields.fail("greeting", "must have at most 1000 characters");
}

// ---- the app's package

void parse_name(Fields& fields, const std::string& name, std::string& into, std::size_t most) {
  into = fields.named(name, into);
  if (chat::characters(into) > most || !is_one_line(into))
    fields.fail(name, "must be one line of at most " + std::to_string(most) + " characters");
}

void parse_link(Fields& fields, const std::string& name, std::string& into) {
  into = fields.text(name);
  const auto address = parse_address(into);
  if (!into.empty() && (!address || !address->is_secure))
    fields.fail(name, "must be an address such as https://example.com/privacy");
}

bool is_version(std::string_view text) {
  int parts = 1;
  bool has_digit = false;
  for (const char c : text) {
    if (c == '.') {
      if (!has_digit) return false;
      ++parts;
      has_digit = false;
    } else if (c < '0' || c > '9') {
      return false;
    } else {
      has_digit = true;
    }
  }
  return has_digit && parts == 3 && text.size() <= 20;
}

AppNames parse_app(Fields& fields) {
  AppNames app;
  auto given = fields.object("app");
  if (!given) return app;
  parse_name(*given, "name", app.name, 30);
  parse_name(*given, "full_name", app.full_name, 100);
  parse_name(*given, "description", app.description, 80);
  app.full_description = given->text("full_description");
  if (chat::characters(app.full_description) > 4000)
    given->fail("full_description", "must have at most 4000 characters");
  parse_name(*given, "developer", app.developer, 32);
  parse_link(*given, "website", app.website);
  parse_link(*given, "privacy", app.privacy);
  parse_link(*given, "terms", app.terms);
  app.version = given->named("version", app.version);
  if (!is_version(app.version)) given->fail("version", "must be three numbers such as 1.0.0");
  app.accent_color = given->named("accent_color", app.accent_color);
  const std::string color = chat::lower(app.accent_color);
  if (color.size() != 7 || color[0] != '#' || !std::all_of(color.begin() + 1, color.end(), is_hex))
    given->fail("accent_color", "must be a colour such as #5B6DEF");
  given->finish();
  return app;
}

bool has(const std::vector<std::string>& all, std::string_view one) {
  return !one.empty() && std::ranges::find(all, one) != all.end();
}

}  // namespace

bool Allow::takes(std::string_view user, std::string_view team, std::string_view team_aad) const {
  if (user.empty()) return false;
  return everyone || has(users, chat::lower(user)) || has(teams, team) ||
         has(teams, chat::lower(team_aad));
}

bool Config::is_operator(std::string_view user) const {
  return has(operators, chat::lower(user));
}

bool Config::takes_tenant(std::string_view tenant) const {
  return has(allowed_tenants, chat::lower(tenant));
}

std::vector<std::string> Config::secrets() const {
  return app_password.empty() ? std::vector<std::string>() : std::vector{app_password};
}

std::expected<Config, std::string> parse_config(std::string_view json, Needs needs) {
  return net::read_config(json, [needs](Fields& fields) {
    Config config;
    config.app_id = guid(fields, "app_id", "at Entra under App registrations, Application ID");
    if (config.app_id.empty())
      fields.fail("app_id",
                  "must be given: the Application (client) ID, at Entra under App registrations");
    config.allow_entra_tokens = fields.flag("allow_entra_tokens", false);
    config.allow_anonymous_loopback = fields.flag("allow_anonymous_loopback", false);
    parse_credentials(fields, config, needs);
    parse_tenants(fields, config, needs);
    config.transport = fields.one_of("transport", {"http", "socket"}, "http") == "http"
                           ? Transport::kHttp
                           : Transport::kSocket;
    config.socket_geos = parse_geos(fields);
    parse_endpoints(fields, config);
    config.allow = parse_allow(fields);
    config.operators = people(fields, "operators");
    config.messages_alias = fields.flag("messages_alias", true);
    config.public_url = parse_public(fields);
    if (config.allow_anonymous_loopback && !config.public_url.empty() &&
        !parse_address(config.public_url)->is_loopback)
      fields.fail(
          "allow_anonymous_loopback",
          "must not be set together with public_url: what a proxy or tunnel passes on looks "
          "as if it came from this computer, and needs no token then");
    config.channel_messages =
        fields.one_of("channel_messages", {"addressed", "all"}, "addressed") == "all"
            ? ChannelMessages::kAll
            : ChannelMessages::kAddressed;
    config.targeted_messages = fields.flag("targeted_messages", false);
    config.keep_files = fields.wait("keep_files", config.keep_files);
    config.edits = fields.one_of("edits", {"ignore", "offer"}, "ignore") == "offer"
                       ? Edits::kOffer
                       : Edits::kIgnore;
    config.extended_markdown = fields.flag("extended_markdown", false);
    config.ai_label = fields.flag("ai_label", true);
    config.feedback = fields.flag("feedback", true);
    parse_greeting(fields, config);
    config.default_working_dir =
        folder(fields, "default_working_dir", fields.named("default_working_dir", "~"));
    if (fields.has("working_dirs")) config.working_dirs = fields.texts("working_dirs");
    for (const std::string& one : config.working_dirs) folder(fields, "working_dirs", one);
    if (const auto most = fields.count("max_sessions_per_user", 10'000))
      config.max_sessions_per_user = most;
    config.app = parse_app(fields);
    return config;
  });
}

}  // namespace viaduct::teams
