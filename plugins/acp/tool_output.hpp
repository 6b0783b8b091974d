// What the programs of tool calls say. Agents tell it apart from the call, whose content only names
// a terminal; people see it in the call when that has ended. On the loop's thread; owned by a turn.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace viaduct::acp {

struct Update;

class ToolOutput {
 public:
  // What a terminal of ours has said; empty: it is none.
  using Ours = std::function<std::string(const std::string& terminal)>;

  void add(const std::string& terminal, std::string_view text);
  // The members of a tool call's update, without names of terminals; with the last update of the
  // call what they have said takes their place.
  std::string shown(const Update& update, const Ours& ours);

 private:
  std::map<std::string, std::string> said_;                   // by terminal, the last of it
  std::map<std::string, std::string, std::less<>> contents_;  // by call: JSON with such names
};

}  // namespace viaduct::acp
