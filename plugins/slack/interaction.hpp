// What the readers of events and of interactions share. Pure functions; any thread.
#pragma once

#include <viaduct/chat/value.hpp>
#include "plugins/slack/event.hpp"

#include <string>

namespace viaduct::slack {

Message message_of(const chat::Value& from);

// A press of a button, a submitted view and the like, with whom it belongs to, and `id`, by which a
// second copy is known; empty: it has none.
AnyRequest interaction_of(const chat::Value& payload, Workspace& workspace, std::string& id);

}  // namespace viaduct::slack
