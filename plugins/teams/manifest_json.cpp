#include "plugins/teams/manifest.hpp"

#include <openssl/evp.h>
#include <nlohmann/json.hpp>

#include <array>
#include <utility>

#include "plugins/teams/address.hpp"

namespace viaduct::teams {
namespace {

using nlohmann::ordered_json;

// Where nothing is configured: Teams wants an address, and shows it.
constexpr std::string_view kNoWebsite = "https://example.com/";

const std::string& or_else(const std::string& given, const std::string& otherwise) {
  return given.empty() ? otherwise : given;
}

std::string website_of(const Config& config) {
  if (!config.app.website.empty()) return config.app.website;
  const bool is_public = config.public_url.starts_with("https://");
  return is_public ? config.public_url : std::string(kNoWebsite);
}

// Ten for each scope, and a list for each, as Microsoft's schema has it.
ordered_json command_lists() {
  ordered_json lists = ordered_json::array();
  for (const char* scope : {"personal", "team", "groupChat"}) {
    ordered_json all = ordered_json::array();
    for (const BotCommand& one : bot_commands(scope))
      all.push_back({{"title", one.title}, {"description", one.description}});
    lists.push_back({{"scopes", ordered_json::array({scope})}, {"commands", std::move(all)}});
  }
  return lists;
}

ordered_json bot(const Config& config) {
  ordered_json bot = {
      {"botId", config.app_id},         {"scopes", {"personal", "team", "groupChat"}},
      {"isNotificationOnly", false},    {"supportsFiles", true},
      {"supportsCalling", false},       {"supportsVideo", false},
      {"commandLists", command_lists()}};
  if (config.targeted_messages) bot["supportsTargetedMessages"] = true;
  return bot;
}

ordered_json permission(const char* name) {
  return {{"name", name}, {"type", "Application"}};
}

// The host of the public address, which a package may name; nothing: it may not.
ordered_json domains(const Config& config) {
  ordered_json all = ordered_json::array();
  const auto address = parse_address(config.public_url);
  const bool is_name = address &&
                       address->host.find_first_not_of("0123456789.") != std::string::npos &&
                       !address->host.starts_with('[');
  if (is_name && address->is_secure && !address->is_loopback) all.push_back(address->host);
  return all;
}

}  // namespace

std::vector<BotCommand> bot_commands(std::string_view scope) {
  std::vector<BotCommand> all = {{"help", "All that I can do"},
                                 {"new", "Start a new session"},
                                 {"sessions", "Your sessions in this tenant"},
                                 {"list", "All sessions, or those of a project"},
                                 {"connect", "Go on with a session here, by its id"},
                                 {"status", "What the session is doing"},
                                 {"end", "End the session"}};
  const BotCommand resume{"resume", "Wake a session up that has been lost or ended"};
  const BotCommand remember{"remember", "Keep something for later"};
  const BotCommand recall{"recall", "Look for what was remembered"};
  if (scope == "personal") {
    all.push_back(resume);
    all.push_back({"projects", "Folders that have sessions"});
    all.push_back({"config", "How this bot is set up"});
  } else {
    all.push_back(scope == "team" ? BotCommand{"cancel", "Stop the answer"} : resume);
    all.push_back(remember);
    all.push_back(recall);
  }
  return all;
}

std::string package_id(std::string_view app_id) {
  // As of RFC 4122 by name, of a namespace that is this project's own.
  const std::string name = "viaduct teams app package\n" + std::string(app_id);
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  EVP_Digest(name.data(), name.size(), hash.data(), &size, EVP_sha1(), nullptr);
  hash[6] = static_cast<unsigned char>((hash[6] & 0x0FU) | 0x50U);
  hash[8] = static_cast<unsigned char>((hash[8] & 0x3FU) | 0x80U);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id += '-';
    id += kHex[hash[i] >> 4U];
    id += kHex[hash[i] & 0xFU];
  }
  return id;
}

std::vector<std::string> manifest_advice(const Config& config) {
  std::vector<std::string> all;
  if (website_of(config) == kNoWebsite)
    all.push_back("app.website is not given, nor a public_url: people are shown " +
                  std::string(kNoWebsite));
  if (config.transport == Transport::kHttp && config.public_url.empty())
    all.push_back(
        "public_url is not given: it says where Teams is to find this host, and the same address "
        "belongs into the bot's settings at Azure; or use transport: socket");
  return all;
}

std::string manifest_json(const Config& config) {
  const AppNames& app = config.app;
  const std::string website = website_of(config);
  // The first that knows of messages to one person among others.
  const std::string version = config.targeted_messages ? "1.29" : "1.23";
  ordered_json all = {
      {"$schema", "https://developer.microsoft.com/json-schemas/teams/v" + version +
                      "/MicrosoftTeams.schema.json"},
      {"manifestVersion", version},
      {"version", app.version},
      {"id", package_id(config.app_id)},
      {"developer",
       {{"name", app.developer},
        {"websiteUrl", website},
        {"privacyUrl", or_else(app.privacy, website)},
        {"termsOfUseUrl", or_else(app.terms, website)}}},
      {"name", {{"short", app.name}, {"full", or_else(app.full_name, app.name)}}},
      {"description",
       {{"short", app.description}, {"full", or_else(app.full_description, app.description)}}},
      {"icons", {{"color", "color.png"}, {"outline", "outline.png"}}},
      {"accentColor", app.accent_color},
      {"bots", ordered_json::array({bot(config)})},
      {"validDomains", domains(config)}};
  if (config.channel_messages == ChannelMessages::kAll) {
    all["webApplicationInfo"] = {{"id", config.app_id}, {"resource", "https://notapplicable"}};
    all["authorization"]["permissions"]["resourceSpecific"] = ordered_json::array(
        {permission("ChannelMessage.Read.Group"), permission("ChatMessage.Read.Chat")});
  }
  return all.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace viaduct::teams
