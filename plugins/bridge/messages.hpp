// A conversation as a model server gets it: made from the host's transcript and grown by every
// turn. Plain values; any thread.
#pragma once

#include "plugins/bridge/config.hpp"

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::bridge {

struct Part {
  std::string text;       // of a text; of an image: how to call it where it cannot be shown
  std::string mime_type;  // not empty: an image, by `data` or `url`
  std::string data;       // base64
  std::string url;

  bool is_image() const { return !mime_type.empty(); }
};

struct Message {
  enum class Role { kUser, kAssistant };
  Role role = Role::kUser;
  std::vector<Part> parts;
  std::string author;  // display name of the user who said it

  std::size_t size() const;  // in bytes, about as much as it is in a request
};

// The conversation of the entries (a JSON array, sdk/SESSION-JSON.md), oldest first: what was said,
// what tools were called, and what was attached. Tool calls before anybody said anything, and
// unanswered ones at the end, are left out; entries that are no entries are too, and counted.
struct Transcript {
  std::vector<Message> messages;
  std::size_t skipped = 0;
};
std::expected<Transcript, std::string> parse_transcript(std::string_view entries_json);

// One message of a user. `blocks_json` and `context_json` as in viaduct_prompt, or empty.
Message user_message(std::string_view text, std::string_view blocks_json,
                     std::string_view context_json, std::string_view author);

// Images that a server refuses would be refused with every later request: only their names stay.
void drop_images(Message& message);

// The messages as plain text, for the model to summarise.
std::string as_text(const std::vector<Message>& messages);

// The body of a streamed request. `messages` may be in any order of roles: neighbours of one role
// are put together, and the first is a user's.
std::string request_body(const Llm& llm, const std::vector<Message>& messages);
// The same for a summary, without the system prompt and without thinking.
std::string summary_body(const Llm& llm, const std::string& instruction);

// The ids in a list of models; the error is in words.
std::expected<std::vector<std::string>, std::string> parse_models(std::string_view body);

}  // namespace viaduct::bridge
