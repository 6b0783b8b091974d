// Images and files that the agent says. What is held of one are its words: the bytes are read from
// the log when it is posted, one at a time.
#include <viaduct/chat/conversation.hpp>
#include <viaduct/chat/file.hpp>

#include <algorithm>
#include <utility>
#include <viaduct/chat/calls.hpp>

namespace viaduct::chat {
namespace {

constexpr auto kReadAgain = std::chrono::seconds(5);

}  // namespace

net::Task<bool> Conversation::show_content(std::uint64_t number, Turn& turn, bool ended) {
  const std::string& answer = turn.view.answer();
  const bool has_words = answer.find_first_not_of(" \t\r\n") != std::string::npos;
  // What it was said behind goes first.
  if (!ended && has_words && turn.parts.empty()) co_return false;
  std::vector<Entry> all;
  for (const Entry* entry : turn.view.contents()) all.push_back(*entry);
  for (const Entry& entry : all) {
    if (turn.noted.contains(entry.number)) continue;
    const std::string key = key_of(number, "file" + std::to_string(entry.number));
    const auto posted = co_await post_content(entry.number, key);
    if (!posted) {
      next_look_ = std::min(next_look_, Clock::now() + kReadAgain);
      co_return false;
    }
    turn.noted.insert(entry.number);
    if (!*posted) co_await note(key, world_.network.italic(world_.network.escaped(entry.text)));
  }
  co_return true;
}

net::Task<std::optional<bool>> Conversation::post_content(std::uint64_t entry, std::string key) {
  const auto self = shared_from_this();
  const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
    world_.sessions.history(reader_, binding_.session, entry + 1, 1, std::move(done));
  });
  const bool is_gone =
      answer.code == sdk::Code::kNotFound || answer.code == sdk::Code::kSessionDead;
  if (!answer.ok() && !is_gone) {
    world_.log.warn("a file of the agent is not read yet session=" + binding_.session +
                    " reason=" + answer.message);
    co_return std::nullopt;
  }
  const auto file = answer.ok() ? parse_file(answer.result, entry) : std::nullopt;
  if (!file || file->bytes.empty()) co_return false;
  co_await surely(
      key, [this, key, &file] { return world_.network.post_file(binding_.place, key, *file); });
  co_return true;
}

}  // namespace viaduct::chat
