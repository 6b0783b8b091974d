// How a turn of an agent program went, in words for a person: from what it said and how it ended.
// Any thread.
#pragma once

#include "plugins/bridge/cli_output.hpp"
#include "plugins/bridge/preset.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::bridge {

struct CliEnd {
  int code = 0;         // meaningful when signal is 0
  int signal = 0;       // that ended the program, or 0
  bool silent = false;  // it was ended, since it said nothing for…
  std::chrono::milliseconds silence{0};
  std::string errors;  // the last that it wrote to its standard error
};

struct CliVerdict {
  // In the order in which the first that fits is taken.
  enum class Kind { kAnswered, kLost, kNotLoggedIn, kSilent, kFailed };
  Kind kind = Kind::kAnswered;
  std::string words;  // of all but kAnswered; without secrets
};

// `resumed`: it was asked to go on with a session.
CliVerdict judge(const Preset& preset, const CliOutput& output, const CliEnd& end, bool resumed,
                 const std::vector<std::string>& secrets);

// Lines for people: without colours, control characters and empty lines.
std::string tidy(std::string_view text);

// "15 min", "90 s", "500 ms"
std::string in_words(std::chrono::milliseconds time);

}  // namespace viaduct::bridge
