// What a conversation shows of its session.
#include <viaduct/chat/split.hpp>
#include "plugins/slack/conversation.hpp"
#include "plugins/slack/guard.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstWords = 400ms;       // that an answer gathers before it is posted
constexpr auto kBetweenAppends = 700ms;   // of a stream
constexpr auto kBetweenUpdates = 1500ms;  // chat.update: 50 a minute for the workspace
constexpr auto kBetweenWork = 3s;
constexpr auto kBeforeStop = 5s;  // of a turn that shows no work, until it gets a button to stop it
constexpr auto kQuiet = 2s;       // after which a text outside of turns counts as said
constexpr auto kLongestStream = 4min;   // a stream dies at about five, whatever it is given
constexpr std::size_t kMostParts = 12;  // longer answers become a file

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
    if (live_ && facts_.ended && turns_.empty() && !ending_) co_await died();
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
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, said] : outside_) numbers.push_back(number);
  for (const std::uint64_t number : numbers) {
    const auto found = outside_.find(number);
    if (found == outside_.end()) continue;
    Turn& said = found->second;
    const bool is_complete = said.view.is_complete();
    const auto quiet = said.grown + kQuiet;
    if (!is_complete && number == numbers.back() && turns_.empty() && Clock::now() < quiet) {
      next_look_ = std::min(next_look_, quiet);
      co_return;
    }
    co_await show_notices(0, said);
    co_await show_answer(0, "e" + std::to_string(number) + "p", said, true);
    if (number > binding_.shown_entry) co_await shown(binding_.shown_turn, number);
    if (is_complete) outside_.erase(number);
  }
}

net::Task<bool> Conversation::show_turn(std::uint64_t number) {
  Turn& turn = turns_.at(number);
  const chat::Entry* const last = turn.view.end();
  std::optional<chat::Entry> end;
  if (last != nullptr) end = *last;
  co_await show_permissions(number, turn);
  co_await show_notices(number, turn);
  co_await show_work(number, turn, end.has_value());
  co_await show_answer(number, "p", turn, end.has_value());
  if (!end) co_return false;
  co_await show_end(number, turn.parts.empty() && turn.view.work().empty(), *end);
  if (const chat::Entry* question = turn.view.question()) unsign(ts_of(question->key));
  for (const Part& part : turn.parts) world_.outbox.forget(part.key);
  std::erase_if(turn_of_, [number](const auto& one) { return one.second == number; });
  turns_.erase(number);
  const bool dead = end->error_code == "session_dead";
  co_await shown(number, std::max(binding_.shown_entry, end->number));
  if (dead) co_await died();
  co_return true;
}

net::Task<> Conversation::show_permissions(std::uint64_t number, Turn& turn) {
  std::vector<chat::Entry> all;
  for (const chat::Entry* entry : turn.view.permissions()) all.push_back(*entry);
  for (const chat::Entry& entry : all) {
    std::string& shows = turn.asked[entry.number];
    if (shows == entry.status) continue;
    const std::string key = key_of(number, "ask" + std::to_string(entry.number));
    const Body body = permission_body(entry, binding_.session);
    if (shows.empty()) {
      const bool is_new = co_await post(key, post_args(binding_.place, body, key));
      shows = is_new ? entry.status : "posted before";
    }
    if (shows != entry.status) {
      co_await edit(key + "/" + entry.status, key, update_args(body));
      shows = entry.status;
    }
  }
}

net::Task<> Conversation::show_notices(std::uint64_t number, Turn& turn) {
  std::vector<chat::Entry> all;
  for (const chat::Entry* entry : turn.view.notices()) all.push_back(*entry);
  for (const chat::Entry& entry : all) {
    if (!turn.noted.insert(entry.number).second) continue;
    const std::string key = key_of(number, "note" + std::to_string(entry.number));
    co_await post(key, post_args(binding_.place, note_body("_" + escaped(entry.text) + "_"), key));
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
    const bool is_new = co_await post(key, post_args(binding_.place, work_body(work, stop), key));
    turn.work = is_new ? work : std::string();
    turn.work_finished = is_new && ended;
  } else if (ended && !turn.work_finished) {
    turn.work_finished = true;
    co_await edit(key + "/end", key, update_args(work_body(work)));
    turn.work = work;
  } else if (!ended && changed) {
    const auto due = turn.work_changed + kBetweenWork;
    if (Clock::now() < due) {
      next_look_ = std::min(next_look_, due);
      co_return;
    }
    turn.work_changed = Clock::now();
    turn.work = work;
    const std::vector<Button> stop{{std::string(kStopAction), "Stop",
                                    turn_value({binding_.session, number}), Button::Style::kPlain}};
    co_await world_.outbox.update(binding_.place.team, key, update_args(work_body(work, stop)));
  }
}

net::Task<> Conversation::show_answer(std::uint64_t number, std::string name, Turn& turn,
                                      bool ended) {
  const std::string answer = turn.view.answer();
  if (answer.find_first_not_of(" \t\r\n") == std::string::npos) co_return;
  if (turn.first_text == Clock::time_point()) turn.first_text = Clock::now();
  if (!ended && turn.parts.empty() && Clock::now() < turn.first_text + kFirstWords) {
    next_look_ = std::min(next_look_, turn.first_text + kFirstWords);
    co_return;
  }
  const std::vector<std::string> texts = split_markdown(answer, kLongestPart, ended);
  const std::size_t shown_parts = std::min(texts.size(), kMostParts);
  for (std::size_t i = 0; i < shown_parts; ++i) {
    if (texts[i].empty()) continue;
    if (i == turn.parts.size()) {
      turn.parts.emplace_back();
      turn.parts.back().key = key_of(number, name + std::to_string(i + 1));
    }
    co_await show_part(turn, turn.parts[i], texts[i], ended || i + 1 < texts.size());
  }
  if (ended && texts.size() > kMostParts) {
    const std::string key = key_of(number, name + "file");
    co_await ship(
        {Shipment::Kind::kFile, key, binding_.place.key(), binding_.place.team, "answer.md",
         file_args(binding_.place, "The answer is long: all of it is in this file."), "", answer});
  }
}

net::Task<> Conversation::show_part(Turn& turn, Part& part, std::string text, bool whole) {
  if (!part.posted) {
    part.posted = true;
    part.begun = part.changed = Clock::now();
    const std::string asker = turn.view.question() ? turn.view.question()->author_id : "";
    const bool streams =
        !whole && world_.streams && !binding_.place.thread.empty() && !asker.empty();
    const bool is_new =
        streams ? co_await ship({Shipment::Kind::kPost, part.key, binding_.place.key(),
                                 binding_.place.team, "chat.startStream",
                                 stream_args(binding_.place, asker, text), "", text})
                : co_await post(part.key, post_args(binding_.place, answer_body(text), part.key));
    part.streams = streams && is_new;
    part.began_as_stream = streams || !is_new;
    if (is_new) part.shows = text;
    if (is_new && whole) part.finished = text;
    if (is_new || !whole) co_return;
  }
  if (whole) {
    if (part.finished == text) co_return;
    part.finished = text;
    Shipment last{Shipment::Kind::kEnd,
                  part.key + "/" + std::to_string(text.size()),
                  binding_.place.key(),
                  binding_.place.team,
                  "",
                  update_args(answer_body(text)),
                  part.key,
                  text};
    if (!part.began_as_stream) last.kind = Shipment::Kind::kEdit;
    co_await ship(std::move(last));
    part.streams = false;
    co_return;
  }
  if (part.shows == text || !world_.outbox.arrived(part.key)) co_return;
  if (part.streams && Clock::now() > part.begun + kLongestStream) {
    part.streams = false;
    co_await world_.outbox.stop_stream(part.key);
  }
  const auto due = part.changed + (part.streams ? kBetweenAppends : kBetweenUpdates);
  if (Clock::now() < due) {
    next_look_ = std::min(next_look_, due);
    co_return;
  }
  part.changed = Clock::now();
  if (part.streams)
    part.streams = co_await world_.outbox.grow(part.key, text);
  else
    co_await world_.outbox.update(binding_.place.team, part.key, update_args(answer_body(text)));
  part.shows = std::move(text);
}

// How it ended, where the answer does not say so itself.
net::Task<> Conversation::show_end(std::uint64_t number, bool said_nothing, chat::Entry end) {
  const Button again{std::string(kRetryAction), "Try again", turn_value({binding_.session, number}),
                     Button::Style::kPlain};
  const std::string& reason = end.stop_reason;
  std::string words;
  std::vector<Button> buttons;
  if (reason == "end_turn") {
    if (said_nothing) words = "_The agent has nothing to say._";
  } else if (reason == "cancelled") {
    words = "_Stopped._";
  } else if (reason == "refusal") {
    words = "_The agent declined to answer._";
  } else if (reason == "max_tokens") {
    words = "_The answer is cut: it has reached the model's limit._";
  } else if (reason == "max_turn_requests") {
    words = "_The agent stopped: it has reached its limit of steps._";
  } else if (reason == "interrupted") {
    words = "The answer was interrupted by a restart. What there is of it is above.";
    buttons.push_back(again);
  } else if (reason == "timeout") {
    words = "The agent took too long.";
    buttons.push_back(again);
  } else if (end.error_code == "session_dead") {
    co_return;  // said by died()
  } else if (end.error_code == "failed_precondition" || end.error_code == "invalid_argument" ||
             end.error_code == "unsupported") {
    words = escaped(end.error_message);
    buttons.push_back(again);
  } else {
    words = "Error: Failed to get response from the session. Try again.";
    if (!end.error_message.empty()) words += "\n" + escaped(end.error_message);
    buttons.push_back(again);
  }
  if (!words.empty()) co_await note(key_of(number, "end"), words, buttons);
}

}  // namespace viaduct::slack
