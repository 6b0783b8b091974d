// What must hold of a plugin file and of its descriptor before the host uses it. Any thread.
#pragma once

#include "host/plugins/plugins.hpp"

#include <string>

namespace viaduct::plugins {

// Looks at the file without loading it: there, readable, nobody's to change but its owner's, and a
// shared library for this machine. Errors name the file.
Result<> check_file(const std::string& file);

// Loads the library (for good) and checks its descriptor. Runs the library's constructors, so it
// may crash: see Loader::preflight.
Result<PluginInfo> load_plugin(const std::string& file);

}  // namespace viaduct::plugins
