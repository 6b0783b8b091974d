// What the host could not deliver for certain, as a person hears of it. On the loop's thread.
#pragma once

#include <viaduct/chat/conversations.hpp>

#include <string>
#include <viaduct/net/loop.hpp>

namespace viaduct::chat {

// The message of this key may not be where people look for it, or, if it is refused, is not. Is it
// a part of what a session says, that is noted where it belongs, with an offer to show it again; a
// note that is lost itself is said again a few times. Other messages have no such place.
void note_missing(Conversations& conversations, net::Loop& loop, const std::string& key,
                  bool is_refused = false);

}  // namespace viaduct::chat
