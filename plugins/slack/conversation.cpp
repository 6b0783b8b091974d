#include "plugins/slack/conversation.hpp"

#include <viaduct/chat/calls.hpp>
#include "plugins/slack/event.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"

#include <boost/asio/as_tuple.hpp>
#include <utility>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenSubscriptions = 5s;
constexpr auto kLifeAgain = 100s;  // Slack takes a status away after two minutes
constexpr std::string_view kWorking = "is working on it…";
constexpr std::string_view kSeen = "eyes";
constexpr std::string_view kQueued = "hourglass_flowing_sand";

}  // namespace

// Of the message that a key was made of: team/channel/ts; empty: of none.
std::string Conversation::ts_of(const std::string& key) {
  const std::size_t slash = key.rfind('/');
  std::string ts = slash == std::string::npos ? "" : key.substr(slash + 1);
  return is_ts(ts) ? ts : "";
}

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

Conversation::Conversation(World& world, chat::Binding binding, std::function<void()> gone)
    : world_(world),
      binding_(std::move(binding)),
      gone_(std::move(gone)),
      timer_(world.loop.context()) {
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

std::string Conversation::key_of(std::uint64_t turn, std::string_view part) const {
  return binding_.session + "/" + std::to_string(turn) + "/" + std::string(part) + "@" +
         binding_.place.key();
}

// ---------------------------------------------------------------- what people say

net::Task<net::Result<>> Conversation::say(Said said) {
  const auto self = shared_from_this();
  follow();
  const bool waits = running_ != 0;
  if (!said.ts.empty()) sign(said.ts, waits ? kQueued : kSeen);
  const sdk::Principal who = with_place(said.who);
  const sdk::Answer answer = co_await chat::answered([&](sdk::Callback done) {
    world_.sessions.send(who, binding_.session, {said.key, said.text, said.blocks, said.context},
                         std::move(done));
  });
  const auto sent = answer.ok() ? chat::parse_sent(answer.result) : std::nullopt;
  if (sent) {
    if (sent->turn <= binding_.shown_turn) {
      unsign(said.ts);
      co_return net::Result<>();
    }
    last_sent_ = std::max(last_sent_, sent->turn);
    if (binding_.owes) co_return net::Result<>();
    chat::Binding owing = binding_;
    owing.owes = binding_.owes = true;
    co_return co_await world_.bindings.put(std::move(owing));
  }
  unsign(said.ts);
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
      co_await note(said.key + "/refused", escaped(answer.message));
      break;
    default: co_return std::unexpected(answer.status());  // said again by the caller, or told
  }
  co_return net::Result<>();
}

net::Task<sdk::Answer> Conversation::cancel(sdk::Principal who) {
  const auto self = shared_from_this();
  const std::uint64_t running = running_;  // 0: what has just been said
  const sdk::Principal asker = with_place(std::move(who));
  co_return co_await chat::answered([&](sdk::Callback done) {
    world_.sessions.cancel(asker, binding_.session, running, std::move(done));
  });
}

net::Task<> Conversation::cancel_message(sdk::Principal who, std::string ts) {
  const auto self = shared_from_this();
  std::uint64_t begun = 0;
  for (const auto& [number, turn] : turns_)
    if (const chat::Entry* question = turn.view.question(); question && ts_of(question->key) == ts)
      begun = number;
  if (begun == 0) co_return;
  const sdk::Principal asker = with_place(std::move(who));
  co_await chat::answered([&](sdk::Callback done) {
    world_.sessions.cancel(asker, binding_.session, begun, std::move(done));
  });
}

net::Task<bool> Conversation::unbind() {
  const auto self = shared_from_this();
  chat::Binding released = binding_;
  released.active = false;
  released.owes = false;
  if (const auto kept = co_await world_.bindings.put(released); !kept) co_return false;
  binding_ = std::move(released);
  close();
  if (gone_) gone_();
  co_return true;
}

net::Task<sdk::Answer> Conversation::end(sdk::Principal who) {
  const auto self = shared_from_this();
  ending_ = true;
  const sdk::Principal asker = with_place(std::move(who));
  co_return co_await chat::answered(
      [&](sdk::Callback done) { world_.sessions.end(asker, binding_.session, std::move(done)); });
}

net::Task<sdk::Answer> Conversation::answer(sdk::Principal who, std::uint64_t entry,
                                            std::string option) {
  const auto self = shared_from_this();
  follow();
  // Who clicked decides, not who owns the session.
  who.place = binding_.owner_place;
  co_return co_await chat::answered([&](sdk::Callback done) {
    world_.sessions.answer(who, binding_.session, entry, option, std::move(done));
  });
}

net::Task<net::Result<>> Conversation::retry(sdk::Principal who, std::uint64_t turn,
                                             std::string key) {
  const auto self = shared_from_this();
  std::uint64_t before = 0;
  for (;;) {
    const sdk::Answer answer = co_await chat::answered([&](sdk::Callback done) {
      world_.sessions.history(reader_, binding_.session, before, 200, std::move(done));
    });
    if (!answer.ok()) co_return std::unexpected(answer.status());
    const auto page = chat::parse_entries(answer.result);
    if (!page || page->entries.empty()) break;
    for (const chat::Entry& entry : page->entries)
      if (entry.turn == turn && entry.type == chat::EntryType::kUserMessage)
        co_return co_await say({std::move(who), std::move(key), "", entry.text, "", ""});
    if (!page->more || page->entries.front().turn < turn) break;
    before = page->entries.front().number;
  }
  co_return std::unexpected(
      sdk::Status{sdk::Code::kNotFound, "The message is no longer in the conversation"});
}

// ---------------------------------------------------------------- what the session says

void Conversation::follow() {
  if (!subscription_ && !closed_) subscribe();
}

void Conversation::subscribe() {
  live_ = false;
  if (Clock::now() < subscribe_at_) {
    next_look_ = std::min(next_look_, subscribe_at_);
    return;
  }
  subscription_ = world_.sessions.subscribe(
      reader_, binding_.session, {}, std::make_shared<Watcher>(weak_from_this()),
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
  for (auto& [number, turn] : turns_) turn.view = chat::TurnView();
  outside_.clear();
  turn_of_.clear();
}

void Conversation::take(chat::Entry entry) {
  if (entry.turn > binding_.shown_turn) {
    turn_of_[entry.number] = entry.turn;
    turns_[entry.turn].view.take(std::move(entry));
  } else if (entry.turn == 0 && entry.number > binding_.shown_entry &&
             (entry.type == chat::EntryType::kText || entry.type == chat::EntryType::kNotice ||
              entry.type == chat::EntryType::kContextRestored)) {
    Turn& held = outside_[entry.number];
    held.grown = Clock::now();
    held.view.take(std::move(entry));
  }
}

// What is owed may have begun before the newest entries, with which a subscription begins.
net::Task<> Conversation::fill() {
  const auto self = shared_from_this();
  std::uint64_t before = std::exchange(first_, 0);
  while (before > binding_.shown_entry + 1 && !closed_) {
    const sdk::Answer answer = co_await chat::answered([&](sdk::Callback done) {
      world_.sessions.history(reader_, binding_.session, before, 200, std::move(done));
    });
    auto page = answer.ok() ? chat::parse_entries(answer.result) : std::nullopt;
    if (!page) {
      world_.log.warn("earlier entries not read session=" + binding_.session +
                      " reason=" + answer.message);
      subscription_.reset();
      subscribe_again();
      co_return;
    }
    if (page->entries.empty()) break;
    before = page->entries.front().number;
    for (chat::Entry& entry : page->entries) take(std::move(entry));
    if (!page->more) break;
  }
  live_ = true;
  look();
}

sdk::Flow Conversation::change(const sdk::Change& given) {
  auto change = chat::parse_change(given.json);
  if (!change) return sdk::Flow::kOk;
  switch (change->kind) {
    case chat::SessionChange::Kind::kState:
      facts_ = std::move(change->session);
      running_ = change->running_turn;
      set_title();
      break;
    case chat::SessionChange::Kind::kReset:
      forget_views();
      first_ = change->first;
      break;
    case chat::SessionChange::Kind::kLive:
      if (first_ > binding_.shown_entry + 1)
        world_.loop.spawn(fill());
      else
        live_ = true;
      break;
    case chat::SessionChange::Kind::kEntry: take(*std::move(change->entry)); break;
    case chat::SessionChange::Kind::kDelta: {
      Turn* held = nullptr;
      if (const auto found = outside_.find(change->number); found != outside_.end())
        held = &found->second;
      else if (const auto turn = turn_of_.find(change->number); turn != turn_of_.end())
        if (const auto open = turns_.find(turn->second); open != turns_.end()) held = &open->second;
      if (held == nullptr) break;
      held->grown = Clock::now();
      if (!held->view.append(change->number, change->offset, change->text, change->complete)) {
        world_.log.warn("an answer does not fit together, it is read again session=" +
                        binding_.session);
        subscription_.reset();
        world_.loop.spawn([](std::shared_ptr<Conversation> self) -> net::Task<> {
          self->subscribe();
          co_return;
        }(shared_from_this()));
        return sdk::Flow::kOk;
      }
      break;
    }
    case chat::SessionChange::Kind::kOther: break;
  }
  if (live_) look();
  return sdk::Flow::kOk;
}

// ---------------------------------------------------------------- what is kept of it

net::Task<> Conversation::shown(std::uint64_t turn, std::uint64_t entry) {
  binding_.shown_turn = std::max(binding_.shown_turn, turn);
  binding_.shown_entry = std::max(binding_.shown_entry, entry);
  binding_.owes = !turns_.empty() || last_sent_ > binding_.shown_turn;
  if (const auto kept = co_await world_.bindings.put(binding_); !kept)
    world_.log.warn("binding not kept, an answer may be looked at again session=" +
                    binding_.session + " reason=" + kept.error().message);
}

net::Task<> Conversation::died() {
  const auto self = shared_from_this();
  if (!binding_.active) co_return;
  binding_.active = false;
  binding_.owes = false;
  close();
  co_await note(binding_.session + "/dead@" + binding_.place.key(),
                "Session has ended. Start a new one with `" + world_.command + " new`.");
  if (const auto kept = co_await world_.bindings.put(binding_); !kept)
    world_.log.error("binding of a dead session not given up session=" + binding_.session +
                     " reason=" + kept.error().message);
  if (gone_) gone_();
}

net::Task<> Conversation::note(std::string key, std::string mrkdwn, std::vector<Button> buttons) {
  const std::string args = post_args(binding_.place, note_body(mrkdwn, buttons), key);
  co_await post(std::move(key), args);
}

net::Task<bool> Conversation::post(std::string key, std::string args) {
  co_return co_await ship({Shipment::Kind::kPost, std::move(key), binding_.place.key(),
                           binding_.place.team, "chat.postMessage", std::move(args), "", ""});
}

net::Task<> Conversation::edit(std::string key, std::string of, std::string args) {
  co_await ship({Shipment::Kind::kEdit, std::move(key), binding_.place.key(), binding_.place.team,
                 "", std::move(args), std::move(of), ""});
}

// Until it is on disk: what is not kept would be lost.
net::Task<bool> Conversation::ship(Shipment shipment) {
  const auto self = shared_from_this();
  auto wait = std::chrono::milliseconds(100);
  for (;;) {
    const auto posted = co_await world_.outbox.post(shipment);
    if (posted) co_return posted->is_new;
    world_.log.error("message not kept for sending, it is tried again key=" + shipment.key +
                     " reason=" + posted.error().message);
    if (posted.error().code == sdk::Code::kInvalidArgument) co_return false;
    boost::asio::steady_timer pause(world_.loop.context(), wait);
    co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    wait = std::min(wait * 2, std::chrono::milliseconds(10'000));
  }
}

// ---------------------------------------------------------------- signs of life

void Conversation::sign(const std::string& ts, std::string_view reaction) {
  if (ts.empty()) return;
  if (has_status()) {
    set_status(status_thread(ts), reaction == kQueued ? "will come to this next" : kWorking);
    return;
  }
  std::string& shows = signs_[ts];
  if (shows == reaction) return;
  if (!shows.empty()) react("reactions.remove", ts, shows);
  shows = reaction;
  react("reactions.add", ts, shows);
}

void Conversation::unsign(const std::string& ts) {
  if (ts.empty()) return;
  if (has_status()) return set_status(status_thread(ts), "");
  const auto found = signs_.find(ts);
  // One of an earlier life is there still.
  react("reactions.remove", ts, found == signs_.end() ? std::string(kSeen) : found->second);
  if (found != signs_.end()) signs_.erase(found);
}

void Conversation::show_life() {
  if (turns_.empty() || running_ == 0) return;
  const auto& [number, turn] = *turns_.begin();
  const chat::Entry* question = turn.view.question();
  if (number == running_ && question != nullptr)
    if (const auto shows = signs_.find(ts_of(question->key));
        shows != signs_.end() && shows->second == kQueued)
      sign(shows->first, kSeen);
  if (!has_status() || question == nullptr || ts_of(question->key).empty()) return;
  const auto due = life_shown_ + kLifeAgain;
  if (life_shown_ == Clock::time_point() || Clock::now() >= due) {
    life_shown_ = Clock::now();
    set_status(status_thread(ts_of(question->key)), kWorking);
  }
  next_look_ = std::min(next_look_, life_shown_ + kLifeAgain);
}

void Conversation::react(std::string method, std::string ts, std::string reaction) {
  call_quietly(std::move(method), R"({"channel":)" + sdk::json_string(binding_.place.channel) +
                                      R"(,"timestamp":)" + sdk::json_string(ts) + R"(,"name":)" +
                                      sdk::json_string(reaction) + "}");
}

void Conversation::call_quietly(std::string method, std::string args) {
  world_.loop.spawn([](std::shared_ptr<Conversation> self, std::string called,
                       std::string arguments) -> net::Task<> {
    const Installation* workspace = self->world_.installations.find(self->binding_.place.team);
    if (workspace == nullptr) co_return;
    const ApiResult done = co_await self->world_.api.call(called, arguments, workspace->token);
    if (!done && called.starts_with("assistant.") && done.error().trouble == ApiTrouble::kSetUp)
      self->world_.has_status = false;
  }(shared_from_this(), std::move(method), std::move(args)));
}

void Conversation::set_title() {
  const bool is_thread = binding_.place.channel.starts_with('D') && !binding_.place.thread.empty();
  const std::string& name = facts_.name();
  if (!is_thread || !world_.has_status || name.empty() || name == title_) return;
  title_ = name;
  call_quietly("assistant.threads.setTitle",
               R"({"channel_id":)" + sdk::json_string(binding_.place.channel) + R"(,"thread_ts":)" +
                   sdk::json_string(binding_.place.thread) + R"(,"title":)" +
                   sdk::json_string(name) + "}");
}

// In direct messages, as long as Slack takes it.
bool Conversation::has_status() const {
  return binding_.place.channel.starts_with('D') && world_.has_status;
}

std::string Conversation::status_thread(const std::string& ts) const {
  return binding_.place.thread.empty() ? ts : binding_.place.thread;
}

void Conversation::set_status(const std::string& thread, std::string_view words) {
  call_quietly("assistant.threads.setStatus",
               R"({"channel_id":)" + sdk::json_string(binding_.place.channel) + R"(,"thread_ts":)" +
                   sdk::json_string(thread) + R"(,"status":)" + sdk::json_string(words) + "}");
}

}  // namespace viaduct::slack
