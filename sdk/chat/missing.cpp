#include <viaduct/chat/missing.hpp>

#include <cstddef>
#include <string_view>

namespace viaduct::chat {

void note_missing(Conversations& conversations, net::Loop& loop, const std::string& key,
                  bool is_refused) {
  constexpr std::string_view kMissing = "/missing";  // ends the key of such a note
  constexpr std::size_t kMostNotes = 5;
  // Of an answer: SESSION/TURN/….
  const auto one = conversations.of(key.substr(0, key.find('/')));
  // The note, too, may be cut off; of a note it is no harm to be there twice.
  std::size_t notes = 0;
  for (auto at = key.find(kMissing); at != std::string::npos; at = key.find(kMissing, at + 1))
    ++notes;
  const std::size_t most = is_refused ? 1 : kMostNotes;
  if (one && notes < most) loop.spawn(one->may_be_missing(key, is_refused));
}

}  // namespace viaduct::chat
