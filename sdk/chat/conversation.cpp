#include <viaduct/chat/conversation.hpp>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <utility>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/words.hpp>

namespace viaduct::chat {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenSubscriptions = 5s;

}  // namespace

class Conversation::Watcher final : public sdk::Subscriber {
 public:
  explicit Watcher(std::weak_ptr<Conversation> whose) : whose_(std::move(whose)) {}
  sdk::Flow change(const sdk::Change& change) override {
    const auto whose = whose_.lock();
    return whose ? whose->change(change) : sdk::Flow::kOk;
  }
  void unsubscribed(const sdk::Status& why) override {
    if (const auto whose = whose_.lock()) whose->unsubscribed(why);
  }

 private:
  const std::weak_ptr<Conversation> whose_;
};

Conversation::Conversation(World& world, Binding binding, std::function<void()> gone)
    : world_(world),
      binding_(std::move(binding)),
      gone_(std::move(gone)),
      timer_(world.loop.context()),
      owes_is_kept_(binding_.owes) {
  reader_.user_id = binding_.user;
  reader_.tenant = binding_.place.team;
  reader_.place = binding_.owner_place;
}

Conversation::~Conversation() = default;

sdk::Principal Conversation::with_place(sdk::Principal who) const {
  who.place = binding_.owner_place;
  if (who.place.empty()) who.user_id = binding_.user;
  return who;
}

std::string Conversation::key_of(std::uint64_t turn, std::string_view part,
                                 const Place& place) const {
  return binding_.session + "/" + std::to_string(turn) + "/" + std::string(part) + "@" +
         place.key();
}

// ---------------------------------------------------------------- what people say

net::Task<net::Result<>> Conversation::say(Said said) {
  const auto taken = co_await submit(std::move(said));
  if (!taken) co_return std::unexpected(taken.error());
  co_return net::Result<>();
}

net::Task<net::Result<std::optional<SendResult>>> Conversation::submit(Said said) {
  using Taken = std::optional<SendResult>;
  const auto self = shared_from_this();
  follow();
  const bool waits = running_ != 0;
  sign(said.message, waits ? Life::kQueued : Life::kWorking);
  const sdk::Principal who = with_place(said.who);
  const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
    world_.sessions.send(who, binding_.session, {said.key, said.text, said.blocks, said.context},
                         std::move(done));
  });
  const auto sent = answer.ok() ? parse_sent(answer.result) : std::nullopt;
  if (sent) {
    if (sent->turn <= binding_.shown_turn) {
      sign(said.message, Life::kDone);
      co_return sent;
    }
    last_sent_ = std::max(last_sent_, sent->turn);
    // It was let go of meanwhile.
    const bool is_late = !binding_.active && binding_.last_turn < last_sent_;
    if (is_late) binding_.last_turn = last_sent_;
    if (binding_.owes && owes_is_kept_ && !is_late) co_return sent;
    binding_.owes = true;
    if (const auto kept = co_await keep(); !kept) co_return std::unexpected(kept.error());
    co_return sent;
  }
  sign(said.message, Life::kDone);
  world_.log.warn("message not taken session=" + binding_.session + " code=" +
                  std::to_string(static_cast<int>(answer.code)) + " reason=" + answer.message);
  switch (answer.code) {
    case sdk::Code::kSessionDead:
    case sdk::Code::kNotFound: co_await died(); break;
    case sdk::Code::kBusy:
      co_await note(said.key + "/busy",
                    "Too many messages are waiting here. Wait for an answer, or say `stop`, and "
                    "then send this one again.");
      break;
    case sdk::Code::kInvalidArgument:
    case sdk::Code::kFailedPrecondition:
    case sdk::Code::kUnsupported:
      co_await note(said.key + "/refused", world_.network.escaped(answer.message));
      break;
    default: co_return std::unexpected(answer.status());  // said again by the caller, or told
  }
  co_return Taken();
}

net::Task<sdk::Answer> Conversation::cancel(sdk::Principal who, std::uint64_t turn) {
  const auto self = shared_from_this();
  if (turn == 0) turn = running_;  // 0: what has just been said
  const sdk::Principal asker = with_place(std::move(who));
  co_return co_await answered([&](sdk::Callback done) {
    world_.sessions.cancel(asker, binding_.session, turn, std::move(done));
  });
}

net::Task<> Conversation::cancel_message(sdk::Principal who, std::string message) {
  const auto self = shared_from_this();
  std::uint64_t begun = 0;
  for (const auto& [number, turn] : turns_)
    if (const Entry* question = turn.view.question();
        question && world_.network.message_of(question->key) == message)
      begun = number;
  if (begun == 0) co_return;
  const sdk::Principal asker = with_place(std::move(who));
  co_await answered([&](sdk::Callback done) {
    world_.sessions.cancel(asker, binding_.session, begun, std::move(done));
  });
}

std::uint64_t Conversation::last_turn() const {
  const std::uint64_t held = turns_.empty() ? 0 : turns_.rbegin()->first;
  return std::max({binding_.shown_turn, last_sent_, held});
}

net::Task<bool> Conversation::unbind() {
  const auto self = shared_from_this();
  if (!binding_.active) co_return true;
  const Binding before = binding_;
  // At once, so that nothing that is written meanwhile takes the place again.
  binding_.active = false;
  binding_.owes = binding_.owes || !turns_.empty();
  binding_.last_turn = live_ || last_sent_ != 0 ? last_turn() : 0;
  if (const auto kept = co_await keep(); !kept) {
    binding_.active = true;
    binding_.last_turn = before.last_turn;
    co_return false;
  }
  if (!binding_.owes) close();
  if (gone_) gone_();
  if (closed_) co_return true;
  follow();
  look();
  co_return true;
}

net::Task<> Conversation::finish() {
  const auto self = shared_from_this();
  clear_signs();
  close();
  if (std::exchange(binding_.owes, false))
    if (const auto kept = co_await keep(); !kept)
      world_.log.warn("binding not kept, an answer may be looked at again session=" +
                      binding_.session + " reason=" + kept.error().message);
  if (gone_) gone_();
}

net::Task<sdk::Answer> Conversation::end(sdk::Principal who) {
  const auto self = shared_from_this();
  ending_ = true;
  const sdk::Principal asker = with_place(std::move(who));
  const sdk::Answer ended = co_await answered(
      [&](sdk::Callback done) { world_.sessions.end(asker, binding_.session, std::move(done)); });
  ending_ =
      ended.ok() || ended.code == sdk::Code::kNotFound || ended.code == sdk::Code::kSessionDead;
  co_return ended;
}

net::Task<sdk::Answer> Conversation::answer(sdk::Principal who, std::uint64_t entry,
                                            std::string option) {
  const auto self = shared_from_this();
  follow();
  // Who clicked decides, not who owns the session.
  who.place = binding_.owner_place;
  co_return co_await answered([&](sdk::Callback done) {
    world_.sessions.answer(who, binding_.session, entry, option, std::move(done));
  });
}

// ---------------------------------------------------------------- what the session says

void Conversation::follow() {
  if (!subscription_ && !closed_) subscribe();
}

void Conversation::subscribe() {
  // From where it was, unless something was still missing there.
  if (!std::exchange(live_, false)) cursor_ = {};
  if (Clock::now() < subscribe_at_) {
    next_look_ = std::min(next_look_, subscribe_at_);
    return;
  }
  ++subscriptions_;
  subscription_ = world_.sessions.subscribe(
      reader_, binding_.session, cursor_, std::make_shared<Watcher>(weak_from_this()),
      [whose = weak_from_this()](const sdk::Answer& answer) {
        const auto self = whose.lock();
        if (!self || answer.ok()) return;
        self->subscription_.reset();
        self->world_.log.warn("session not followed session=" + self->binding_.session +
                              " reason=" + answer.message);
        if (answer.code == sdk::Code::kNotFound || answer.code == sdk::Code::kSessionDead)
          self->world_.loop.spawn(self->died());
        else
          self->subscribe_again();
      });
}

void Conversation::subscribe_again() {
  subscribe_at_ = Clock::now() + kBetweenSubscriptions;
  look();
}

void Conversation::unsubscribed(const sdk::Status& why) {
  subscription_.reset();
  if (closed_ || why.code != sdk::Code::kBusy) return;
  subscribe();
}

void Conversation::forget_views() {
  // One that has ended may be being shown; its entries come again, each in its place.
  for (auto& [number, turn] : turns_)
    if (turn.view.end() == nullptr) turn.view = TurnView();
  outside_.clear();
  turn_of_.clear();
}

void Conversation::take(Entry entry) {
  const bool has_left = !binding_.active;
  if (has_left && binding_.last_turn != 0 && (entry.turn == 0 || entry.turn > binding_.last_turn))
    return;
  if (entry.turn > binding_.shown_turn) {
    turn_of_[entry.number] = entry.turn;
    turns_[entry.turn].view.take(std::move(entry));
  } else if (entry.turn == 0 && entry.number > binding_.shown_entry &&
             (entry.type == EntryType::kText || entry.type == EntryType::kNotice ||
              entry.type == EntryType::kContextRestored || entry.type == EntryType::kContent)) {
    std::shared_ptr<Turn>& held = outside_[entry.number];
    if (!held) held = std::make_shared<Turn>();
    held->grown = Clock::now();
    held->view.take(std::move(entry));
  }
}

// What is owed may have begun before the newest entries, with which a subscription begins.
net::Task<> Conversation::fill() {
  const auto self = shared_from_this();
  const std::uint64_t subscription = subscriptions_;
  std::uint64_t before = first_;
  while (before > binding_.shown_entry + 1 && !closed_) {
    const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
      world_.sessions.history(reader_, binding_.session, before, 200, std::move(done));
    });
    if (subscription != subscriptions_) co_return;  // which reads them itself
    auto page = answer.ok() ? parse_entries(answer.result) : std::nullopt;
    if (!page) {
      world_.log.warn("earlier entries not read session=" + binding_.session +
                      " reason=" + answer.message);
      subscription_.reset();
      subscribe_again();
      co_return;
    }
    if (page->entries.empty()) break;
    before = page->entries.front().number;
    for (Entry& entry : page->entries) take(std::move(entry));
    if (!page->more) break;
  }
  first_ = 0;
  live_ = true;
  look();
}

sdk::Flow Conversation::change(const sdk::Change& given) {
  auto change = parse_change(given.json);
  if (!change) return sdk::Flow::kOk;
  cursor_ = given.cursor;
  switch (change->kind) {
    case SessionChange::Kind::kState:
      facts_ = std::move(change->session);
      running_ = change->running_turn;
      show_title();
      break;
    case SessionChange::Kind::kReset:
      forget_views();
      first_ = change->first;
      break;
    case SessionChange::Kind::kLive:
      if (first_ > binding_.shown_entry + 1)
        world_.loop.spawn(fill());
      else
        live_ = true;
      break;
    case SessionChange::Kind::kEntry: take(*std::move(change->entry)); break;
    case SessionChange::Kind::kDelta: {
      Turn* held = nullptr;
      if (const auto found = outside_.find(change->number); found != outside_.end())
        held = found->second.get();
      else if (const auto turn = turn_of_.find(change->number); turn != turn_of_.end())
        if (const auto open = turns_.find(turn->second); open != turns_.end()) held = &open->second;
      if (held == nullptr) break;
      held->grown = Clock::now();
      if (!held->view.append(change->number, change->offset, change->text, change->complete)) {
        world_.log.warn("an answer does not fit together, it is read again session=" +
                        binding_.session);
        live_ = false;
        subscription_.reset();
        world_.loop.spawn([](std::shared_ptr<Conversation> self) -> net::Task<> {
          self->subscribe();
          co_return;
        }(shared_from_this()));
        return sdk::Flow::kOk;
      }
      break;
    }
    case SessionChange::Kind::kOther: break;
  }
  if (live_) look();
  return sdk::Flow::kOk;
}

// ---------------------------------------------------------------- what is kept of it

net::Task<net::Result<>> Conversation::keep() {
  const bool owes = binding_.owes;
  auto kept = co_await world_.bindings.update(binding_);
  if (kept) owes_is_kept_ = owes;
  co_return kept;
}

net::Task<> Conversation::shown(std::uint64_t turn, std::uint64_t entry) {
  binding_.shown_turn = std::max(binding_.shown_turn, turn);
  binding_.shown_entry = std::max(binding_.shown_entry, entry);
  binding_.owes = !turns_.empty() || last_sent_ > binding_.shown_turn;
  if (const auto kept = co_await keep(); !kept)
    world_.log.warn("binding not kept, an answer may be looked at again session=" +
                    binding_.session + " reason=" + kept.error().message);
}

net::Task<> Conversation::died() {
  const auto self = shared_from_this();
  if (!binding_.active) {
    co_await finish();
    co_return;
  }
  binding_.active = false;
  binding_.owes = false;
  const std::size_t unanswered = turns_.size();
  clear_signs();
  close();
  const Network& network = world_.network;
  std::string words =
      "Session has ended. Start a new one with " + network.code(world_.line("new")) +
      ". Go on with this one: " + network.code(world_.line("resume " + binding_.session)) + ".";
  if (unanswered != 0) words += "\n" + unanswered_words(unanswered);
  // It may be resumed there and end again.
  co_await note(binding_.session + "/dead" + std::to_string(binding_.shown_entry) + "@" +
                    binding_.place.key(),
                words);
  if (const auto kept = co_await keep(); !kept)
    world_.log.error("binding of a dead session not given up session=" + binding_.session +
                     " reason=" + kept.error().message);
  if (gone_) gone_();
}

net::Task<> Conversation::note(std::string key, std::string words, std::vector<Button> buttons) {
  co_await post(std::move(key), world_.network.note(words, buttons));
}

net::Task<bool> Conversation::post(std::string key, Body body) {
  co_return co_await surely(
      key, [this, key, body] { return world_.network.post(binding_.place, key, body); });
}

net::Task<> Conversation::edit(std::string key, std::string of, Body body) {
  co_await edit_at(binding_.place, std::move(key), std::move(of), std::move(body));
}

net::Task<> Conversation::edit_at(Place place, std::string key, std::string of, Body body) {
  co_await surely(key, [this, place, key, of, body]() -> net::Task<net::Result<bool>> {
    return done(world_.network.edit(place, key, of, body));
  });
}

// Until it is on disk: what is not kept would be lost.
net::Task<bool> Conversation::surely(std::string key,
                                     std::function<net::Task<net::Result<bool>>()> keep) {
  const auto self = shared_from_this();
  auto wait = std::chrono::milliseconds(100);
  for (std::size_t tries = 0;; ++tries) {
    const auto kept = co_await keep();
    if (kept) co_return *kept;
    const bool is_hopeless = kept.error().code == sdk::Code::kInvalidArgument;
    if (tries % 10 == 0)
      world_.log.error("message not kept for sending" +
                       std::string(is_hopeless ? "" : ", it is tried again") + " key=" + key +
                       " reason=" + kept.error().message);
    if (is_hopeless) co_return false;
    boost::asio::steady_timer pause(world_.loop.context(), wait);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    wait = std::min(wait * 2, std::chrono::milliseconds(10'000));
  }
}

// ---------------------------------------------------------------- signs of life

void Conversation::sign(const std::string& message, Life life) {
  if (message.empty()) return;
  if (life == Life::kDone)
    signs_.erase(message);
  else
    signs_[message] = life;
  world_.network.show_life(binding_.place, message, life);
}

void Conversation::clear_signs() {
  for (const auto& [number, turn] : turns_)
    if (const Entry* question = turn.view.question())
      sign(world_.network.message_of(question->key), Life::kDone);
  while (!signs_.empty()) sign(std::string(signs_.begin()->first), Life::kDone);
}

void Conversation::show_life() {
  if (turns_.empty() || running_ == 0) return;
  const auto& [number, turn] = *turns_.begin();
  const Entry* question = turn.view.question();
  const std::string message = question ? world_.network.message_of(question->key) : "";
  if (number != running_ || message.empty()) return;
  const auto shown = signs_.find(message);
  const bool waited = shown != signs_.end() && shown->second == Life::kQueued;
  const auto again = world_.network.pace().life_again;
  if (waited || life_shown_ == Clock::time_point() || Clock::now() >= life_shown_ + again) {
    life_shown_ = Clock::now();
    sign(message, Life::kWorking);
  }
  next_look_ = std::min(next_look_, life_shown_ + again);
}

void Conversation::show_title() {
  const std::string& name = facts_.name();
  if (name.empty() || name == title_) return;
  title_ = name;
  world_.network.show_title(binding_.place, name);
}

}  // namespace viaduct::chat
