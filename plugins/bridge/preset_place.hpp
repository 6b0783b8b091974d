// Where presets are: beside the plugin, or where the configuration says. Any thread.
#pragma once

#include "plugins/bridge/config.hpp"
#include "plugins/bridge/preset.hpp"

#include <expected>
#include <string>

namespace viaduct::bridge {

// The folder of the presets that came with this library.
std::string preset_folder();

// What the configuration asks for. The error says which file and key, and what was expected.
std::expected<Preset, std::string> find_preset(const Cli& cli);

}  // namespace viaduct::bridge
