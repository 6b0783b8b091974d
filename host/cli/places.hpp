// Where things are on this machine. Any thread.
#pragma once

#include <string>

namespace viaduct::cli {

std::string version();            // "0.1.0"
std::string executable();         // this program, absolute
std::string installed_plugins();  // <prefix>/lib/viaduct/plugins beside the executable's bin/
std::string control_socket(const std::string& home);

}  // namespace viaduct::cli
