// What Slack delivers, over either transport, as it is kept until it is dealt with. Any thread.
#pragma once

#include "plugins/slack/event.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>
#include <viaduct/chat/inbox.hpp>

namespace viaduct::slack {

using Inbox = chat::Inbox<Request>;

// `source` and `text` are what parse_http or parse_envelope was given.
std::string kept_json(bool is_http, std::string_view source, std::string_view text);
// No ids of Slack's: the inbox would never take them, however often they come.
bool is_too_long(const std::vector<std::string>& keys);
std::expected<Request, std::string> parse_kept(std::string_view json);

}  // namespace viaduct::slack
