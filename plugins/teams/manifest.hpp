// The app package that Teams installs the bot from: manifest (version 1.23, reference section 4),
// two icons, and the zip of them. Any thread.
#pragma once

#include "plugins/teams/config.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

struct BotCommand {
  std::string title;
  std::string description;
};
// As people choose from in Teams, at most ten: their texts are the commands of sdk/chat. `scope`:
// "personal", "team" or "groupChat".
std::vector<BotCommand> bot_commands(std::string_view scope);

// The same for the same app, and no other's: Teams knows an app by it.
std::string package_id(std::string_view app_id);

// JSON.
std::string manifest_json(const Config& config);
// What the package can be made without, but is not good to be without, in words.
std::vector<std::string> manifest_advice(const Config& config);

// PNG.
std::string_view color_icon();    // 192 x 192
std::string_view outline_icon();  // 32 x 32, white and transparent

// The bytes of the zip: manifest.json, color.png, outline.png.
std::expected<std::string, std::string> app_package(const Config& config);

}  // namespace viaduct::teams
