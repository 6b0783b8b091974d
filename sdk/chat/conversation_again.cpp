// What has been asked or shown in a conversation, once more.
#include <viaduct/chat/conversation.hpp>

#include <cstdlib>
#include <utility>
#include <viaduct/chat/calls.hpp>

namespace viaduct::chat {

net::Task<net::Result<Conversation::Retried>> Conversation::retry(sdk::Principal who,
                                                                  std::uint64_t turn, Place place) {
  const auto self = shared_from_this();
  std::optional<Question> question;
  std::vector<Entry> offers;  // what may have a button for it, newest first
  std::uint64_t before = 0;
  for (bool more = true; more && !question;) {
    const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
      world_.sessions.history(reader_, binding_.session, before, 200, std::move(done));
    });
    if (!answer.ok()) co_return std::unexpected(answer.status());
    const auto page = parse_entries(answer.result);
    if (!page || page->entries.empty()) break;
    question = parse_question(answer.result, turn);
    for (const Entry& entry : page->entries)
      if (entry.turn == turn &&
          (entry.type == EntryType::kTurnEnd || entry.type == EntryType::kPermission))
        offers.push_back(entry);
    before = page->entries.front().number;
    more = page->more;
  }
  if (!question)
    co_return std::unexpected(
        sdk::Status{sdk::Code::kNotFound, "The message is no longer in the conversation"});
  const auto sent = co_await submit(
      {std::move(who), binding_.session + "/" + std::to_string(turn) + "/again", "",
       std::move(question->text), std::move(question->blocks), std::move(question->context)});
  if (!sent) co_return std::unexpected(sent.error());
  if (!*sent) co_return Retried::kNotTaken;
  for (const Entry& offer : offers) {
    if (offer.type == EntryType::kPermission) {
      if (offer.status == "pending" || offer.status == "selected") continue;
      const std::string asked = key_of(turn, "ask" + std::to_string(offer.number), place);
      co_await edit_at(place, asked + "/again", asked, world_.network.permission(offer, ""));
    } else if (const Ending ending = ending_of(offer, false); ending.can_retry) {
      const std::string end = key_of(turn, "end", place);
      co_await edit_at(
          place, end + "/again", end,
          world_.network.note(ending.words + "\n" + world_.network.italic("Tried again.")));
    }
  }
  co_return (*sent)->duplicate ? Retried::kBefore : Retried::kNow;
}

net::Task<net::Result<>> Conversation::show_again(std::uint64_t turn, std::string key) {
  const auto self = shared_from_this();
  TurnView view;
  std::uint64_t before = 0;
  for (bool more = true; more;) {
    const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
      world_.sessions.history(reader_, binding_.session, before, 200, std::move(done));
    });
    // A part of it is not to be taken for the whole.
    if (!answer.ok()) co_return std::unexpected(answer.status());
    auto page = parse_entries(answer.result);
    if (!page || page->entries.empty()) break;
    before = page->entries.front().number;
    // What is outside of turns has none.
    const std::uint64_t oldest = page->entries.front().turn;
    more = page->more && (oldest == 0 || oldest >= turn);
    for (Entry& entry : page->entries)
      if (entry.turn == turn) view.take(std::move(entry));
  }
  // With keys as those of answers: should this be lost as well, it is noted again.
  std::size_t number = 0;
  std::vector<Entry> asked;
  for (const Entry* entry : view.permissions()) asked.push_back(*entry);
  for (const Entry& entry : asked) {
    if (entry.status != "pending") continue;
    const std::string again = key_of(turn, "ask/" + key + "/" + std::to_string(++number));
    // Whoever decides it changes this one, too.
    if (const auto found = turns_.find(turn); found != turns_.end())
      found->second.asked_again[entry.number].push_back(again);
    co_await post(again, world_.network.permission(entry, binding_.session));
  }
  if (turn != 0 && view.end() == nullptr) {
    // What there is of it now would be half of what comes.
    if (number == 0)
      co_await note(key + "/later", "The answer goes on. Press this again when it has ended.");
    co_return net::Result<>();
  }
  auto texts = world_.network.parts(view.answer(), true);
  world_.network.finish(texts, view.answer());
  if (texts.size() > world_.network.pace().most_parts) {
    co_await post_whole(key_of(turn, "p/" + key + "/" + std::to_string(++number)), view.answer());
    texts.clear();
  }
  for (const std::string& text : texts)
    if (!text.empty())
      co_await post(key_of(turn, "p/" + key + "/" + std::to_string(++number)),
                    world_.network.answer(text));
  for (const Entry* entry : view.contents())
    co_await post_content(entry->number, key + "/file" + std::to_string(entry->number));
  // What it asked is decided: how, is what there is to show.
  if (number == 0 && !asked.empty())
    co_await post(key + "/asked", world_.network.permission(asked.back(), ""));
  else if (number == 0 && view.contents().empty())
    co_await note(key + "/nothing", "There is nothing more to show.");
  co_return net::Result<>();
}

bool Conversation::has_said(std::uint64_t turn) const {
  if (turn == 0) return binding_.active && binding_.from_turn == 0;
  const std::uint64_t last = binding_.last_turn != 0 ? binding_.last_turn : binding_.shown_turn;
  return turn > binding_.from_turn && (binding_.active || turn <= last);
}

// The key is SESSION/TURN/PART….
net::Task<> Conversation::may_be_missing(std::string key, bool is_refused) {
  const std::size_t slash = key.find('/');
  const std::uint64_t turn = std::strtoull(key.c_str() + slash + 1, nullptr, 10);
  const std::size_t part = key.find('/', slash + 1);
  const bool is_question = part != std::string::npos && key.compare(part + 1, 3, "ask") == 0;
  co_await note(
      key + "/missing",
      is_refused ? "A part of what I said is missing here: it was refused."
                 : "A part of what I said may be missing here: I could not find out "
                   "whether it arrived, and did not send it twice.",
      {{std::string(kShowAction), is_question ? "Show the question again" : "Show the answer again",
        turn_value({binding_.session, turn}), Button::Style::kPlain}});
}

}  // namespace viaduct::chat
