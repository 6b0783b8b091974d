// A file that a person has posted, as a content block for the agent (ACP ContentBlock: image,
// audio, or an embedded resource). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace viaduct::chat {

// JSON. `scheme` names the network in its address, `type` is MIME; text that is no UTF-8 counts as
// bytes.
std::string attachment_json(std::string_view scheme, std::string_view id, std::string_view name,
                            std::string_view type, std::string_view bytes);

}  // namespace viaduct::chat
