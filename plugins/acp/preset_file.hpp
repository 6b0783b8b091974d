// The file of the known agents, beside the plugin. Any thread.
#pragma once

#include "plugins/acp/config.hpp"

namespace viaduct::acp {

// The error names the file.
std::expected<Presets, std::string> load_presets();

}  // namespace viaduct::acp
