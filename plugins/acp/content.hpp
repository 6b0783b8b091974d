// Images, sounds and files that an agent sends: put right, so that they can be shown. Any thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::acp {

struct Update;

// What the host takes of one, as JSON.
inline constexpr std::size_t kMostOfAContent = 8 << 20;

struct Content {
  std::string type;  // image, audio, resource
  std::string mime_type;
  std::string uri;   // "data:…" is taken apart
  std::string data;  // base64 as agents write it: with line breaks, of URLs, without padding
  std::string text;  // of a resource
};
// The ACP content block, without anything else; empty: there is nothing in it.
std::string block_json(Content given);

// The images of tool calls that have not completed. On the loop's thread.
class ToolImages {
 public:
  // Of a tool call's update, whose images are its `also`: those that people are to see now.
  std::vector<Update> due(Update& update);

 private:
  struct Call {
    bool completed = false;
    std::vector<Update> images;
  };
  std::map<std::string, Call> calls_;
};

}  // namespace viaduct::acp
