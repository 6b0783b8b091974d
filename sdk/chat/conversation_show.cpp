// What a conversation shows of its session.
#include <viaduct/chat/conversation.hpp>
#include <viaduct/chat/split.hpp>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>
#include <viaduct/chat/calls.hpp>

namespace viaduct::chat {
namespace {

using namespace std::chrono_literals;

constexpr auto kBeforeStop = 2s;  // of a turn that shows no work, until it gets a button to stop it
constexpr auto kQuiet = 2s;       // after which a text outside of turns counts as said

}  // namespace

void Conversation::look() {
  again_ = true;
  if (closed_) return;
  if (showing_) {
    timer_.cancel();
    return;
  }
  showing_ = true;
  const auto self = shared_from_this();
  world_.loop.spawn(show_all(), [self](const net::Result<>& result) {
    self->showing_ = false;
    if (!result)
      self->world_.log.error("an answer cannot be shown session=" + self->binding_.session +
                             " reason=" + result.error().message);
    else if (self->again_)  // was said between its last look and here
      self->look();
  });
}

void Conversation::close() {
  closed_ = true;
  subscription_.reset();
  timer_.cancel();
}

net::Task<> Conversation::show_all() {
  const auto self = shared_from_this();
  while (!closed_) {
    again_ = false;
    next_look_ = Clock::time_point::max();
    if (!subscription_) subscribe();
    co_await show_outside();
    while (!turns_.empty() && live_ && !closed_) {
      const std::uint64_t number = turns_.begin()->first;
      if (!co_await show_turn(number)) break;
    }
    if (live_ && turns_.empty() && !closed_) {
      if (!binding_.active && last_sent_ <= binding_.shown_turn)
        co_await finish();
      else if (binding_.active && facts_.ended && !ending_)
        co_await died();
    }
    show_life();
    if (again_) continue;
    if (next_look_ == Clock::time_point::max()) co_return;
    timer_.expires_at(next_look_);
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

// A text that may still grow is shown when nothing has come for a while, and again if it does.
net::Task<> Conversation::show_outside() {
  if (!live_) co_return;
  if (!binding_.active && binding_.last_turn == 0) binding_.last_turn = last_turn();
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, said] : outside_) numbers.push_back(number);
  for (const std::uint64_t number : numbers) {
    const auto found = outside_.find(number);
    if (found == outside_.end()) continue;
    const std::shared_ptr<Turn> held = found->second;  // whatever comes meanwhile
    Turn& said = *held;
    const bool is_complete = said.view.is_complete();
    const auto quiet = said.grown + kQuiet;
    if (!is_complete && number == numbers.back() && turns_.empty() && Clock::now() < quiet) {
      next_look_ = std::min(next_look_, quiet);
      co_return;
    }
    co_await show_notices(0, said);
    co_await show_answer(0, "e" + std::to_string(number) + "p", said, true);
    if (!co_await show_content(0, said, true)) co_return;
    if (number > binding_.shown_entry) co_await shown(binding_.shown_turn, number);
    if (is_complete) outside_.erase(number);
  }
}

net::Task<bool> Conversation::show_turn(std::uint64_t number) {
  Turn& turn = turns_.at(number);
  const Entry* const last = turn.view.end();
  std::optional<Entry> end;
  if (last != nullptr) end = *last;
  co_await show_permissions(number, turn);
  co_await show_notices(number, turn);
  co_await show_work(number, turn, end.has_value());
  co_await show_answer(number, "p", turn, end.has_value());
  const bool is_all = co_await show_content(number, turn, end.has_value());
  if (!end || !is_all) co_return false;
  const bool said_nothing =
      turn.parts.empty() && turn.view.work().empty() && turn.view.contents().empty();
  co_await show_end(number, said_nothing, *end);
  if (const Entry* question = turn.view.question())
    sign(world_.network.message_of(question->key), Life::kDone);
  for (const Part& part : turn.parts) world_.network.forget(part.key);
  std::erase_if(turn_of_, [number](const auto& one) { return one.second == number; });
  turns_.erase(number);
  const bool dead = end->error_code == "session_dead";
  co_await shown(number, std::max(binding_.shown_entry, end->number));
  if (dead) co_await died();
  co_return true;
}

net::Task<> Conversation::show_permissions(std::uint64_t number, Turn& turn) {
  std::vector<Entry> all;
  for (const Entry* entry : turn.view.permissions()) all.push_back(*entry);
  for (const Entry& entry : all) {
    std::string& shows = turn.asked[entry.number];
    if (shows == entry.status) continue;
    const std::string key = key_of(number, "ask" + std::to_string(entry.number));
    Entry asked = entry;
    if (is_quiet() && asked.status != "selected") asked.reason = "the session has ended";
    const Body body =
        world_.network.permission(asked, is_quiet() ? std::string() : binding_.session);
    if (shows.empty()) {
      const bool is_new = co_await post(key, body);
      shows = is_new ? entry.status : "posted before";
    }
    if (shows != entry.status) {
      co_await edit(key + "/" + entry.status, key, body);
      for (const std::string& again : std::vector(turn.asked_again[entry.number]))
        co_await edit(again + "/" + entry.status, again, body);
      turn.asked[entry.number] = entry.status;
    }
  }
}

net::Task<> Conversation::show_notices(std::uint64_t number, Turn& turn) {
  std::vector<Entry> all;
  for (const Entry* entry : turn.view.notices()) all.push_back(*entry);
  for (const Entry& entry : all) {
    if (!turn.noted.insert(entry.number).second) continue;
    std::string text = entry.text;
    // Why it had to be is for who runs the host.
    if (const std::string why = ": " + entry.reason;
        entry.type == EntryType::kContextRestored && !entry.reason.empty() && text.ends_with(why)) {
      text.replace(text.size() - why.size(), why.size(), ".");
      world_.log.info("context restored session=" + binding_.session + " reason=" + entry.reason);
    }
    const std::string key = key_of(number, "note" + std::to_string(entry.number));
    co_await note(key, world_.network.italic(world_.network.escaped(text)));
  }
}

net::Task<> Conversation::show_work(std::uint64_t number, Turn& turn, bool ended) {
  if (turn.begun == Clock::time_point()) turn.begun = Clock::now();
  std::string work = turn.view.work();
  if (work.empty() && !turn.work_posted) {
    // What takes long says so, and can be stopped.
    if (ended) co_return;
    if (const auto due = turn.begun + kBeforeStop; Clock::now() < due) {
      next_look_ = std::min(next_look_, due);
      co_return;
    }
  }
  if (work.empty()) work = ended ? "✓ worked on it" : "▸ working on it";
  const std::string key = key_of(number, "work");
  const bool changed = work != turn.work;
  if (!turn.work_posted) {
    turn.work_posted = true;
    turn.work_changed = Clock::now();
    std::vector<Button> stop;
    if (!ended)
      stop.push_back({std::string(kStopAction), "Stop", turn_value({binding_.session, number}),
                      Button::Style::kPlain});
    const bool is_new = co_await post(key, world_.network.work(work, stop));
    turn.work = is_new ? work : std::string();
    turn.work_finished = is_new && ended;
  } else if (ended && !turn.work_finished) {
    turn.work_finished = true;
    co_await edit(key + "/end", key, world_.network.work(work, {}));
    turn.work = work;
  } else if (!ended && changed) {
    const auto due = turn.work_changed + world_.network.pace().between_work;
    if (Clock::now() < due) {
      next_look_ = std::min(next_look_, due);
      co_return;
    }
    turn.work_changed = Clock::now();
    turn.work = work;
    const std::vector<Button> stop{{std::string(kStopAction), "Stop",
                                    turn_value({binding_.session, number}), Button::Style::kPlain}};
    co_await world_.network.update(binding_.place, key, world_.network.work(work, stop));
  }
}

net::Task<> Conversation::show_answer(std::uint64_t number, std::string name, Turn& turn,
                                      bool ended) {
  const std::string answer = turn.view.answer();
  if (answer.find_first_not_of(" \t\r\n") == std::string::npos) co_return;
  if (turn.first_text == Clock::time_point()) turn.first_text = Clock::now();
  const Pace& pace = world_.network.pace();
  if (const auto due = turn.first_text + pace.first_words;
      !ended && turn.parts.empty() && Clock::now() < due) {
    next_look_ = std::min(next_look_, due);
    co_return;
  }
  if (!ended) co_await roll_over(number, turn, answer);
  turn.given = answer.size();
  std::vector<std::string> texts;
  std::size_t settled = 0;  // of these: nothing comes to them any more
  const std::vector<std::uint64_t> uncut;
  const std::vector<Piece> cut =
      sections(answer, number == binding_.cut_turn ? binding_.cuts : uncut);
  for (const Piece& section : cut) {
    settled = texts.size();
    for (std::string& text : world_.network.parts(section.text(), ended || &section != &cut.back()))
      if (!text.empty()) texts.push_back(std::move(text));
  }
  if (ended) world_.network.finish(texts, answer);
  const std::size_t shown_parts = std::min(texts.size(), pace.most_parts);
  for (std::size_t i = 0; i < shown_parts; ++i) {
    if (i == turn.parts.size()) {
      turn.parts.emplace_back();
      turn.parts.back().key = key_of(number, name + std::to_string(i + 1));
    }
    const bool whole = ended || i + 1 < texts.size() || i < settled;
    co_await show_part(turn, turn.parts[i], texts[i], whole);
  }
  if (ended && texts.size() > pace.most_parts)
    co_await post_whole(key_of(number, name + "file"), answer);
}

net::Task<> Conversation::post_whole(std::string key, std::string answer) {
  const File file{"answer.md", "text/markdown", "The answer is long: all of it is in this file.",
                  "all of the answer", std::move(answer)};
  co_await surely(
      key, [this, key, &file] { return world_.network.post_file(binding_.place, key, file); });
}

net::Task<> Conversation::roll_over(std::uint64_t number, Turn& turn, std::string answer) {
  if (turn.parts.empty() || !turn.parts.back().streams) co_return;
  const Pace& pace = world_.network.pace();
  const auto due = turn.parts.back().begun + pace.longest_stream;
  if (Clock::now() < due) co_return;
  const auto at = cut_behind(answer, turn.given, Clock::now() > due + pace.before_any_cut);
  if (!at) co_return;
  if (std::exchange(binding_.cut_turn, number) != number) binding_.cuts.clear();
  binding_.cuts.push_back(*at);
  // A message that nobody would know of after a restart would be said twice.
  if (const auto kept = co_await keep(); !kept) {
    binding_.cuts.pop_back();
    world_.log.warn("an answer goes on in the same message session=" + binding_.session +
                    " reason=" + kept.error().message);
  }
}

net::Task<> Conversation::show_part(Turn& turn, Part& part, std::string text, bool whole) {
  if (!part.posted) {
    part.posted = true;
    part.begun = part.changed = Clock::now();
    const std::string asker = turn.view.question() ? turn.view.question()->author_id : "";
    const bool streams = !whole && world_.network.can_stream(binding_.place, asker);
    const bool is_new = co_await surely(part.key, [this, streams, key = part.key, asker, text] {
      return streams ? world_.network.begin_stream(binding_.place, key, asker, text)
                     : world_.network.post(binding_.place, key, world_.network.answer(text));
    });
    part.streams = streams && is_new;
    part.began_as_stream = streams || !is_new;
    if (is_new) part.shows = text;
    if (is_new && whole) part.finished = text;
    if (is_new || !whole) co_return;
  }
  if (whole) {
    if (part.finished == text) co_return;
    part.finished = text;
    const std::string end = part.key + "/" + std::to_string(text.size());
    const bool streamed = part.began_as_stream;
    co_await surely(end, [this, streamed, end, of = part.key, text] {
      return done(streamed
                      ? world_.network.end_stream(binding_.place, end, of, text)
                      : world_.network.edit(binding_.place, end, of, world_.network.answer(text)));
    });
    part.streams = false;
    co_return;
  }
  if (part.shows == text || !world_.network.has_arrived(part.key)) co_return;
  const Pace& pace = world_.network.pace();
  if (part.streams && Clock::now() > part.begun + pace.longest_stream + 2 * pace.before_any_cut) {
    part.streams = false;
    co_await world_.network.stop_stream(part.key);
  }
  const auto due = part.changed + (part.streams ? pace.between_appends : pace.between_updates);
  if (Clock::now() < due) {
    next_look_ = std::min(next_look_, due);
    co_return;
  }
  part.changed = Clock::now();
  if (part.streams)
    part.streams = co_await world_.network.grow(part.key, text);
  else
    co_await world_.network.update(binding_.place, part.key, world_.network.answer(text));
  part.shows = std::move(text);
}

// How it ended, where the answer does not say so itself.
net::Task<> Conversation::show_end(std::uint64_t number, bool said_nothing, Entry end) {
  if (is_quiet() && end.stop_reason == "cancelled") co_return;
  const Ending ending = ending_of(end, said_nothing);
  if (ending.words.empty()) co_return;
  std::vector<Button> buttons;
  if (ending.can_retry)
    buttons.push_back({std::string(kRetryAction), "Try again",
                       turn_value({binding_.session, number}), Button::Style::kPlain});
  co_await note(key_of(number, "end"), ending.words, buttons);
}

Conversation::Ending Conversation::ending_of(const Entry& end, bool said_nothing) const {
  const Network& network = world_.network;
  const std::string& reason = end.stop_reason;
  if (reason == "end_turn")
    return {said_nothing ? network.italic("The agent has nothing to say.") : "", false};
  if (reason == "cancelled") return {network.italic("Stopped."), false};
  if (reason == "refusal") return {network.italic("The agent declined to answer."), false};
  if (reason == "max_tokens")
    return {network.italic("The answer is cut: it has reached the model's limit."), false};
  if (reason == "max_turn_requests")
    return {network.italic("The agent stopped: it has reached its limit of steps."), false};
  if (reason == "interrupted")
    return {"The answer was interrupted by a restart. What there is of it is above.", true};
  if (reason == "timeout") return {"The agent took too long.", true};
  if (end.error_code == "session_dead") {
    if (binding_.active) return {};  // said by died()
    return {"The session has ended before it came to an answer.", false};
  }
  const std::string why = network.escaped(end.error_message);
  if (end.error_code == "failed_precondition" || end.error_code == "invalid_argument" ||
      end.error_code == "unsupported")
    return {why, true};
  return {(why.empty() ? "" : why + "\n") +
              "Error: Failed to get response from the session. Try again.",
          true};
}

}  // namespace viaduct::chat
