#include "plugins/slack/inbound.hpp"

#include "plugins/slack/mentions.hpp"
#include "plugins/slack/network.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <viaduct/chat/context.hpp>
#include <viaduct/chat/split.hpp>
#include <viaduct/chat/text.hpp>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

// An older message is no longer what its author expects an answer to.
constexpr auto kTooOld = std::chrono::minutes(30);
constexpr std::size_t kMostRepeated = 300;  // bytes of it
constexpr std::size_t kMostLooks = 10'000;  // that are remembered
constexpr auto kLongestOpening = 60s;       // of a thread whose first message is there already

const Message* message_of(const Request& request) {
  const auto* event = std::get_if<Event>(&request.what);
  return event == nullptr ? nullptr : std::get_if<Message>(&event->what);
}

std::chrono::milliseconds age_of(const std::string& ts) {
  const auto said = std::chrono::system_clock::from_time_t(std::strtoll(ts.c_str(), nullptr, 10));
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() -
                                                               said);
}

// What is being prepared at a place, until it goes out of scope.
class Prepared {
 public:
  using All = std::map<std::string, std::shared_ptr<bool>>;
  Prepared(All& all, std::string key) : all_(all), key_(std::move(key)) { all_[key_] = dropped_; }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  ~Prepared() { end(); }
  // From here on it cannot be dropped any more.
  void end() {
    if (const auto found = all_.find(key_); found != all_.end() && found->second == dropped_)
      all_.erase(found);
  }
  bool is_dropped() const { return *dropped_; }

 private:
  All& all_;
  const std::string key_;
  const std::shared_ptr<bool> dropped_ = std::make_shared<bool>(false);
};

chat::Asker asker_of(const std::string& team, const By& by, const std::string& key) {
  chat::Asker asker;
  asker.team = team;
  asker.user = by.user;
  asker.name = by.user_name;
  asker.channel = by.channel;
  asker.is_direct = by.channel.starts_with('D');
  asker.thread = by.thread_ts;
  asker.key = key;
  asker.reply_url = by.response_url;
  return asker;
}

net::Task<> pause(net::Loop& loop, std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(loop.context(), time);
  co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

}  // namespace

Inbound::Inbound(chat::World& world, chat::Conversations& conversations, chat::Commands& commands,
                 const SlackNetwork& network, WebApi& api, const Installations& installations,
                 Directory& directory, const Config& config)
    : world_(world),
      conversations_(conversations),
      commands_(commands),
      network_(network),
      installations_(installations),
      config_(config),
      home_(world, commands, api, installations),
      reading_(world.log, world.loop, api, installations, directory) {}

const Installation* Inbound::workspace(const Workspace& of) const {
  return installations_.find(of.team.empty() ? of.enterprise : of.team);
}

Self Inbound::self(const Installation& installation) const {
  return {installation.bot_user, installation.bot_id, installation.app_id};
}

bool Inbound::is_bound(const chat::Place& place) const {
  return world_.bindings.active(place) != nullptr || commands_.is_beginning(place);
}

bool Inbound::is_in_own_channel(const std::string& team, const Message& message) const {
  return !message.is_direct() && is_bound({team, message.channel, ""});
}

chat::Place Inbound::place_of(const std::string& team, const Message& message) const {
  if (message.is_direct()) return {team, message.channel, message.thread_ts};
  const chat::Place thread{team, message.channel, message.thread()};
  if (message.thread_ts.empty() && !is_bound(thread) && is_in_own_channel(team, message))
    return {team, message.channel, ""};
  return thread;
}

// An installation may be of a whole organisation.
chat::Place Inbound::place_of(const Workspace& of, const Message& message) const {
  const Installation* installation = workspace(of);
  return place_of(installation == nullptr ? of.team : installation->team, message);
}

bool Inbound::is_nothing(const Request& request) const {
  const auto* event = std::get_if<Event>(&request.what);
  if (event == nullptr)
    return std::holds_alternative<OtherRequest>(request.what) ||
           std::holds_alternative<RateLimited>(request.what) ||
           std::holds_alternative<ViewClosed>(request.what);
  const Installation* installation = workspace(event->workspace);
  if (installation == nullptr) return true;
  if (const auto* message = std::get_if<Message>(&event->what)) {
    if (why_ignored(*message, self(*installation)) != Ignored::kNot) return true;
    const chat::Place place = place_of(installation->team, *message);
    return !message->is_mention && !message->is_direct() &&
           !mentions(message->text, installation->bot_user) && !is_bound(place) &&
           !is_in_own_channel(place.team, *message) && !commands_.is_left(place) &&
           !network_.is_opening(place) && !(is_busy_ && is_busy_(place.key()));
  }
  return std::holds_alternative<OtherEvent>(event->what) ||
         std::holds_alternative<ReactionAdded>(event->what) ||
         std::holds_alternative<MemberJoined>(event->what) ||
         std::holds_alternative<MessageChanged>(event->what);
}

std::vector<std::string> Inbound::keys(const Request& request) const {
  std::vector<std::string> keys;
  if (const Message* message = message_of(request))
    keys.push_back(
        message_key(std::get<Event>(request.what).workspace, message->channel, message->ts));
  keys.push_back(request.key);
  return keys;
}

std::string Inbound::lane(const Request& request) const {
  const auto* event = std::get_if<Event>(&request.what);
  if (event == nullptr) return "";
  if (const auto* message = std::get_if<Message>(&event->what)) {
    const chat::Place place = place_of(event->workspace, *message);
    const Installation* installation = workspace(event->workspace);
    const bool overtakes = installation != nullptr && stops(*message, installation->bot_user) &&
                           (prepared_.contains(place.key()) || world_.bindings.active(place));
    return overtakes ? "" : place.key();
  }
  return "";
}

net::Task<> Inbound::handle(Request request, std::chrono::milliseconds age) {
  const std::string key = keys(request).front();
  if (auto* event = std::get_if<Event>(&request.what)) {
    Workspace of = event->workspace;
    if (auto* said = std::get_if<Message>(&event->what)) {
      co_await message(key, std::move(of), std::move(*said), age);
    } else if (auto* stop = std::get_if<SessionStopped>(&event->what)) {
      co_await stopped(key, std::move(of), std::move(*stop));
    } else if (auto* gone = std::get_if<MessageDeleted>(&event->what)) {
      co_await deleted(std::move(of), std::move(*gone));
    } else if (const auto* home = std::get_if<HomeOpened>(&event->what)) {
      if (home->messages)
        co_await home_.suggest(of.team, home->channel, "");
      else
        co_await home_.show(of.team, home->user);
    } else if (const auto* thread = std::get_if<AssistantThread>(&event->what)) {
      look_at(of.team, thread->user, thread->context_channel);
      if (thread->has_started) co_await home_.suggest(of.team, thread->channel, thread->thread_ts);
    } else if (const auto* view = std::get_if<ContextChanged>(&event->what)) {
      look_at(of.team, view->user, view->channel);
    } else if (std::holds_alternative<Uninstalled>(event->what) ||
               std::holds_alternative<TokensRevoked>(event->what)) {
      const auto* revoked = std::get_if<TokensRevoked>(&event->what);
      if (uninstalled_ && (revoked == nullptr || !revoked->bots.empty())) uninstalled_(of.team);
    }
  } else if (auto* command = std::get_if<SlashCommand>(&request.what)) {
    co_await slash(key, std::move(*command), age);
  } else if (auto* pressed = std::get_if<BlockActions>(&request.what)) {
    co_await actions(key, std::move(*pressed), age);
  } else if (auto* action = std::get_if<MessageAction>(&request.what)) {
    co_await shortcut(key, std::move(*action), age);
  }
}

// ---------------------------------------------------------------- who may

bool Inbound::is_own(std::string_view team) const {
  const Installation* one = installations_.find(team);
  return installations_.all().size() == 1 ||
         (one != nullptr && !config_.bot_token.empty() && one->token == config_.bot_token);
}

net::Task<std::optional<chat::Asker>> Inbound::admit(chat::Asker asker, bool answer,
                                                     std::string user_team) {
  const Installation* here = installations_.find(asker.team);
  const Workspace home{"", asker.team, here == nullptr ? std::string() : here->enterprise, false};
  const bool own = is_own(asker.team);
  const auto may = [&](bool is_member) {
    return config_.allow.takes(asker.user, asker.channel, is_member, asker.team, own);
  };
  asker.is_operator = config_.is_operator(asker.user, asker.team, own);
  const bool is_named = asker.is_operator || may(false);
  bool is_member = false;
  if (is_named || may(true)) {
    const auto person = co_await reading_.person(asker.team, asker.user);
    if (person) {
      is_member = person->is_member(home) && !is_from_elsewhere(user_team, home);
      asker.name = person->name;
    } else {
      world_.log.warn("person not looked up reason=" + person.error().message);
    }
    // Not to know is not to refuse.
    if (!person && !is_named) {
      co_await commands_.tell(asker,
                              "This was not run: I cannot find out who you are, since " +
                                  escaped(person.error().message) + ". Send it again later.",
                              {}, "unknown");
      co_return std::nullopt;
    }
  }
  if (asker.name.empty()) asker.name = asker.user;
  if (is_named || may(is_member)) co_return asker;
  world_.log.info("person not allowed user=" + asker.user + " channel=" + asker.channel);
  if (answer)
    co_await commands_.tell(
        asker,
        "You may not use this bot here. Whoever runs it can let you in with this, in its "
        "configuration:\n```" +
            escaped(line_to_add(config_.allow, own ? asker.user : asker.team + "/" + asker.user)) +
            "```",
        {}, "refused");
  co_return std::nullopt;
}

net::Task<bool> Inbound::is_too_old(chat::Asker asker, std::chrono::milliseconds age,
                                    std::string words) {
  if (age <= kTooOld) co_return false;
  std::string told = "This came while I was away, " +
                     std::to_string(std::chrono::duration_cast<std::chrono::minutes>(age).count()) +
                     " minutes ago, and was not run. Send it again if you still want it";
  told += words.empty() ? "."
                        : ":\n> " + escaped(chat::whole_characters(
                                        std::string_view(words).substr(0, kMostRepeated)));
  co_await commands_.tell(std::move(asker), std::move(told), {}, "old");
  co_return true;
}

bool Inbound::drop_prepared(const chat::Place& place) {
  const auto found = prepared_.find(place.key());
  if (found == prepared_.end()) return false;
  *found->second = true;
  return true;
}

bool Inbound::stops(const Message& message, const std::string& bot) const {
  const bool is_mention = message.is_mention || mentions(message.text, bot);
  const auto command =
      is_mention ? chat::parse_addressed(without_own_mention(message.text, bot), config_.command)
      : message.is_direct() ? chat::parse_addressed(message.text, config_.command)
                            : chat::parse_in_thread(message.text, config_.command);
  return command && std::holds_alternative<chat::CancelCommand>(*command);
}

// ---------------------------------------------------------------- messages

net::Task<> Inbound::message(std::string key, Workspace of, Message said,
                             std::chrono::milliseconds age) {
  const Installation* installation = workspace(of);
  if (installation == nullptr) co_return;
  const std::string bot = installation->bot_user;
  const chat::Place place = place_of(installation->team, said);
  chat::Asker asker;
  asker.team = installation->team;
  asker.user = said.user;
  asker.channel = said.channel;
  asker.is_direct = said.is_direct();
  asker.thread = said.thread_ts;
  asker.message = said.ts;
  asker.key = key;
  const bool is_mention = said.is_mention || mentions(said.text, bot);
  // The thread's first message may have been seen before this surface was told that it is there.
  for (const auto until = std::chrono::steady_clock::now() + kLongestOpening;
       !is_mention && !is_bound(place) && network_.is_opening(place) &&
       std::chrono::steady_clock::now() < until;)
    co_await pause(world_.loop, 50ms);
  const bool bound = is_bound(place);
  // In a channel that a session has as a whole, what is said at the top is for that session, and
  // what is said in a thread for the thread's own.
  const bool is_own_channel = is_in_own_channel(place.team, said);
  const bool is_addressed = is_mention || said.is_direct();
  if (!is_addressed && (config_.mention_only || is_for_others(said.text, bot))) co_return;
  if (!is_addressed && !bound && commands_.is_left(place)) {
    // Who goes on where a session was is told what has become of it.
    if (const auto goes_on = co_await admit(std::move(asker), false, said.user_team))
      co_await commands_.tell_left(*goes_on);
    co_return;
  }
  if (!is_addressed && !bound && !is_own_channel) co_return;
  // Where it has been told that a session is gone, only a mention begins another.
  if (!is_addressed && !bound && world_.bindings.find(place) != nullptr) co_return;

  auto admitted = co_await admit(std::move(asker), is_addressed, said.user_team);
  if (!admitted) co_return;
  const std::string own(is_mention ? without_own_mention(said.text, bot)
                                   : std::string_view(said.text));
  const bool has_more = !said.files.empty() || !said.quoted.empty();
  const auto asks = [&](std::string_view text) -> std::optional<chat::Command> {
    if (text.empty() && has_more) return std::nullopt;
    return is_addressed ? chat::parse_addressed(text, config_.command)
                        : chat::parse_in_thread(text, config_.command);
  };
  const auto waited = std::max(age, age_of(said.ts));
  const bool is_empty = chat::trimmed(own).empty() && !has_more;
  const bool is_signed = waited <= kTooOld && !is_empty && !asks(chat::trimmed(own));
  if (is_signed) sign(place, said.ts, chat::Life::kWorking);
  const std::string text = co_await reading_.readable_text(place.team, own);
  const auto command = asks(text);
  if (co_await is_too_old(*admitted, waited, text)) co_return;
  if (command) {
    if (is_signed) sign(place, said.ts, chat::Life::kDone);
    if (std::holds_alternative<chat::CancelCommand>(*command) && drop_prepared(place)) {
      co_await commands_.tell(*admitted, "Stopped, before the agent had it.", {}, "dropped");
      const auto works = conversations_.at(place);
      if (!works || works->facts().state == "idle") co_return;
    }
    co_await commands_.run(*command, *admitted);
    co_return;
  }
  if (text.empty() && !has_more) {
    if (is_signed) sign(place, said.ts, chat::Life::kDone);
    co_await commands_.run(chat::HelpCommand(), *admitted);
    co_return;
  }
  if (!said.is_direct()) admitted->thread = place.thread;
  Prepared prepared(prepared_, place.key());
  const std::string words = co_await reading_.with_quotes(place.team, text, std::move(said.quoted));
  // What was said to others is given with the first message that is for the agent.
  Reading::Earlier before;
  if (!bound && !said.is_direct() && !said.thread_ts.empty())
    before = co_await reading_.earlier(place.team, said.channel, said.thread_ts, said.ts);
  if (!before.trouble.empty())
    co_await commands_.tell(
        *admitted,
        "The agent was not given all that was said here before: " + escaped(before.trouble) + ".",
        {}, "earlier");
  if (!bound && said.is_direct()) before.context = co_await seen_by(place.team, said.user);
  const auto files = co_await reading_.attached(place.team, std::move(said.files));
  prepared.end();
  const bool is_nothing = words.empty() && files.blocks.empty();
  if (prepared.is_dropped() || is_nothing) sign(place, said.ts, chat::Life::kDone);
  if (prepared.is_dropped()) co_return;
  if (!files.missing.empty())
    co_await commands_.tell(*admitted, "Not given to the agent:" + files.missing, {}, "files");
  if (is_nothing) co_return;
  if (is_own_channel && !bound)
    co_await commands_.tell(*admitted,
                            "This thread is a session of its own, which knows what was said in the "
                            "thread. The channel's session hears what is said outside of threads.",
                            {}, "own");
  co_await commands_.to_session(*admitted, {admitted->principal(), key, admitted->message, words,
                                            files.blocks, before.context});
}

void Inbound::sign(const chat::Place& place, const std::string& message, chat::Life life) {
  const auto one = conversations_.at(place);
  const std::string state = one ? one->facts().state : "";
  if (state == "running" || state == "waiting") {
    // The status of a direct message is that of what is answered now.
    if (place.channel.starts_with('D')) return;
    if (life == chat::Life::kWorking) life = chat::Life::kQueued;
  }
  world_.network.show_life(place, message, life);
}

// What a person has before them while they write to the bot, in words.
void Inbound::look_at(const std::string& team, const std::string& user,
                      const std::string& channel) {
  if (looks_at_.size() >= kMostLooks) looks_at_.clear();
  if (channel.empty())
    looks_at_.erase(team + "/" + user);
  else
    looks_at_[team + "/" + user] = channel;
}

net::Task<std::string> Inbound::seen_by(std::string team, std::string user) {
  const auto found = looks_at_.find(team + "/" + user);
  if (found == looks_at_.end()) co_return "";
  const std::string channel = co_await reading_.channel_name(team, found->second);
  co_return chat::context_json({{"(note)", "The person has " + channel + " open in Slack."}},
                               kMostRepeated);
}

net::Task<> Inbound::deleted(Workspace of, MessageDeleted gone) {
  const Installation* installation = workspace(of);
  if (installation == nullptr) co_return;
  for (const chat::Binding& one : world_.bindings.all_active()) {
    if (one.place.team != installation->team || one.place.channel != gone.channel) continue;
    if (const auto conversation = conversations_.at(one.place))
      co_await conversation->cancel_message({one.user, "", one.place.team, "", true}, gone.ts);
  }
}

net::Task<> Inbound::stopped(std::string key, Workspace of, SessionStopped stop) {
  const Installation* installation = workspace(of);
  if (installation == nullptr) co_return;
  const chat::Place place{installation->team, stop.channel, stop.thread_ts};
  chat::Asker asker;
  asker.team = place.team;
  asker.user = stop.user;
  asker.channel = stop.channel;
  asker.is_direct = stop.channel.starts_with('D');
  asker.thread = stop.thread_ts;
  asker.key = std::move(key);
  const auto admitted = co_await admit(std::move(asker), false, "");
  if (!admitted) co_return;
  drop_prepared(place);
  if (const auto one = conversations_.at(place)) co_await one->cancel(admitted->principal());
}

// ---------------------------------------------------------------- commands and buttons

net::Task<> Inbound::slash(std::string key, SlashCommand command, std::chrono::milliseconds age) {
  const Installation* installation = workspace(command.workspace);
  if (installation == nullptr) co_return;
  chat::Asker who;
  who.team = installation->team;
  who.user = command.user;
  who.name = command.user_name;
  who.channel = command.channel;
  who.is_direct = command.channel.starts_with('D');
  who.key = key;
  who.reply_url = command.response_url;
  const auto asker = co_await admit(std::move(who), true, "");
  if (!asker) co_return;
  const std::string text = co_await reading_.readable_text(asker->team, command.text);
  if (co_await is_too_old(*asker, age, command.command + " " + text)) co_return;
  co_await commands_.run(chat::parse_slash(text), *asker);
}

net::Task<> Inbound::actions(std::string key, BlockActions pressed, std::chrono::milliseconds age) {
  const Installation* installation = workspace(pressed.by.workspace);
  if (installation == nullptr) co_return;
  const auto asker =
      co_await admit(asker_of(installation->team, pressed.by, key), true, pressed.by.user_team);
  if (!asker) co_return;
  if (co_await is_too_old(*asker, age, "")) co_return;
  for (const Action& action : pressed.actions)
    co_await commands_.press(action.action_id, action.value, *asker);
}

// "Send to agent": the message as a prompt, in its own thread.
net::Task<> Inbound::shortcut(std::string key, MessageAction action,
                              std::chrono::milliseconds age) {
  const Installation* installation = workspace(action.by.workspace);
  if (installation == nullptr) co_return;
  const Message& message = action.message;
  chat::Asker who = asker_of(installation->team, action.by, key);
  who.thread = message.thread();
  auto asker = co_await admit(std::move(who), true, action.by.user_team);
  if (!asker) co_return;
  std::string own = co_await reading_.readable_text(asker->team, message.text);
  const std::string text =
      co_await reading_.with_quotes(asker->team, std::move(own), message.quoted);
  if (co_await is_too_old(*asker, age, text)) co_return;
  if (text.empty()) {
    co_await commands_.tell(*asker, "This message has no text.");
    co_return;
  }
  asker->message = message.ts;
  co_await commands_.to_session(*asker, {asker->principal(), key, message.ts, text, "", ""});
}

}  // namespace viaduct::slack
