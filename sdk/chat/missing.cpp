#include <viaduct/chat/missing.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace viaduct::chat {

void note_missing(Conversations& conversations, net::Loop& loop, const std::string& key,
                  bool is_refused) {
  constexpr std::string_view kMissing = "/missing";  // ends the key of such a note
  constexpr std::size_t kMostNotes = 5;
  auto one = conversations.of_key(key);
  // The note, too, may be cut off; of a note it is no harm to be there twice.
  std::size_t notes = 0;
  for (auto at = key.find(kMissing); at != std::string::npos; at = key.find(kMissing, at + 1))
    ++notes;
  const std::size_t most = is_refused ? 1 : kMostNotes;
  if (one && notes < most)
    loop.spawn([](std::shared_ptr<Conversation> where, std::string of, bool is) -> net::Task<> {
      co_await where->may_be_missing(of, is);
    }(std::move(one), key, is_refused));
}

}  // namespace viaduct::chat
