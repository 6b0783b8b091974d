// Where the things of an agent program are: the program, its folder, its sessions; and what is in
// its environment. Looks at the file system, keeps nothing; any thread.
#pragma once

#include "plugins/bridge/config.hpp"
#include "plugins/bridge/preset.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::bridge {

// "NAME=value": PATH, HOME, LANG, TERM, TMPDIR, then the preset's, then the configuration's; the
// later one wins, and empty ones are left out.
std::vector<std::string> child_environment(const Preset& preset, const Cli& cli);
// Of such an environment; empty: not there.
std::string variable(const std::vector<std::string>& environment, std::string_view name);

// "~" and "~/…" are the home folder.
std::string expand_home(std::string_view path, std::string_view home);

// The program's file; empty: there is none that can be run.
std::string find_program(const std::string& name, const std::vector<std::string>& environment);

// Whether one of the patterns ("*" and "?" in single names) has a file for the session. The error
// says why nobody can tell.
std::expected<bool, std::string> has_session_file(const std::vector<std::string>& patterns,
                                                  const std::string& session,
                                                  const std::string& home);

}  // namespace viaduct::bridge
