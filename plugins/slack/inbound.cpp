#include "plugins/slack/inbound.hpp"

#include <viaduct/chat/text.hpp>
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <viaduct/chat/attachment.hpp>
#include <viaduct/chat/context.hpp>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

// An older message is no longer what its author expects an answer to.
constexpr auto kTooOld = std::chrono::minutes(30);
constexpr std::size_t kMostContext = 20'000;  // bytes
constexpr std::ptrdiff_t kMostEarlier = 200;  // messages of a thread
constexpr int kMostPages = 20;
constexpr std::size_t kMostOfAFile = 5 << 20;
constexpr std::size_t kMostOfFiles = 10 << 20;

const Message* message_of(const Request& request) {
  const auto* event = std::get_if<Event>(&request.what);
  return event == nullptr ? nullptr : std::get_if<Message>(&event->what);
}

std::chrono::milliseconds age_of(const std::string& ts) {
  const auto said = std::chrono::system_clock::from_time_t(std::strtoll(ts.c_str(), nullptr, 10));
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() -
                                                               said);
}

chat::Place place_of(const std::string& team, const Message& message) {
  if (message.is_direct()) return {team, message.channel, message.thread_ts};
  return {team, message.channel, message.thread()};
}

}  // namespace

Inbound::Inbound(chat::World& world, chat::Conversations& conversations, chat::Commands& commands,
                 WebApi& api, const Installations& installations, Directory& directory,
                 const Config& config)
    : world_(world),
      conversations_(conversations),
      commands_(commands),
      api_(api),
      installations_(installations),
      directory_(directory),
      config_(config),
      home_(world, commands, api, installations) {}

const Installation* Inbound::workspace(const Workspace& of) const {
  return installations_.find(of.team.empty() ? of.enterprise : of.team);
}

Self Inbound::self(const Installation& installation) const {
  return {installation.bot_user, installation.bot_id, installation.app_id};
}

bool Inbound::is_bound(const chat::Place& place) const {
  return world_.bindings.active(place) != nullptr || commands_.is_beginning(place);
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
           !is_bound({place.team, place.channel, ""});
  }
  return std::holds_alternative<OtherEvent>(event->what) ||
         std::holds_alternative<ReactionAdded>(event->what) ||
         std::holds_alternative<ContextChanged>(event->what) ||
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
  if (const auto* message = std::get_if<Message>(&event->what))
    return place_of(event->workspace.team, *message).key();
  if (const auto* stop = std::get_if<SessionStopped>(&event->what))
    return chat::Place{event->workspace.team, stop->channel, stop->thread_ts}.key();
  return "";
}

net::Task<> Inbound::handle(Request request, std::chrono::milliseconds age) {
  const std::string key = keys(request).front();
  if (auto* event = std::get_if<Event>(&request.what)) {
    Workspace of = event->workspace;
    if (auto* said = std::get_if<Message>(&event->what)) {
      co_await message(key, std::move(of), std::move(*said), age);
    } else if (auto* stop = std::get_if<SessionStopped>(&event->what)) {
      co_await stopped(std::move(of), std::move(*stop));
    } else if (auto* gone = std::get_if<MessageDeleted>(&event->what)) {
      co_await deleted(std::move(of), std::move(*gone));
    } else if (const auto* home = std::get_if<HomeOpened>(&event->what)) {
      if (home->messages)
        co_await home_.suggest(of.team, home->channel, "");
      else
        co_await home_.show(of.team, home->user);
    } else if (const auto* thread = std::get_if<AssistantThread>(&event->what)) {
      if (thread->has_started) co_await home_.suggest(of.team, thread->channel, thread->thread_ts);
    } else if (std::holds_alternative<Uninstalled>(event->what) ||
               std::holds_alternative<TokensRevoked>(event->what)) {
      if (uninstalled_) uninstalled_(of.team);
    }
  } else if (auto* command = std::get_if<SlashCommand>(&request.what)) {
    co_await slash(key, std::move(*command));
  } else if (auto* pressed = std::get_if<BlockActions>(&request.what)) {
    co_await actions(key, std::move(*pressed));
  } else if (auto* action = std::get_if<MessageAction>(&request.what)) {
    co_await shortcut(key, std::move(*action));
  }
}

// ---------------------------------------------------------------- who may

net::Task<std::optional<chat::Asker>> Inbound::admit(chat::Asker asker, bool answer) {
  const auto person = co_await directory_.person(asker.team, asker.user);
  if (!person) world_.log.warn("person not looked up reason=" + person.error().message);
  const bool is_member = person && person->is_member();
  asker.name = person ? person->name : asker.name.empty() ? asker.user : asker.name;
  asker.is_operator = config_.is_operator(asker.user);
  if (asker.is_operator || config_.allow.takes(asker.user, asker.channel, is_member))
    co_return asker;
  world_.log.info("person not allowed user=" + asker.user + " channel=" + asker.channel);
  if (answer)
    co_await commands_.tell(
        asker,
        "You may not use this bot here. Whoever runs it can let you in with this line of "
        "its configuration:\n```" +
            escaped(line_to_add(config_.allow, asker.user)) + "```",
        {}, "refused");
  co_return std::nullopt;
}

net::Task<std::string> Inbound::readable_text(std::string team, std::string text) {
  const Names names = co_await directory_.names(std::move(team), mentioned(text));
  co_return std::string(chat::trimmed(readable(text, names)));
}

net::Task<std::string> Inbound::earlier(std::string team, std::string channel, std::string thread,
                                        std::string before) {
  const Installation* installation = installations_.find(team);
  if (installation == nullptr) co_return "";
  const Self me = self(*installation);
  const std::string token = installation->token;
  // The oldest come first: the newest are on the last page.
  std::vector<Message> messages;
  std::string cursor;
  for (int page = 0; page < kMostPages; ++page) {
    std::string args = R"({"channel":)" + sdk::json_string(channel) + R"(,"ts":)" +
                       sdk::json_string(thread) + R"(,"latest":)" + sdk::json_string(before) +
                       R"(,"limit":)" + std::to_string(kMostEarlier);
    if (!cursor.empty()) args += R"(,"cursor":)" + sdk::json_string(cursor);
    const ApiResult answer = co_await api_.call("conversations.replies", args + "}", token);
    auto had = answer ? parse_messages(*answer, channel)
                      : std::expected<std::vector<Message>, std::string>(
                            std::unexpected(answer.error().message));
    if (!had) {
      world_.log.warn("earlier messages not read channel=" + channel + " reason=" + had.error());
      break;
    }
    messages.insert(messages.end(), std::make_move_iterator(had->begin()),
                    std::make_move_iterator(had->end()));
    if (std::ssize(messages) > kMostEarlier)
      messages.erase(messages.begin(), messages.end() - kMostEarlier);
    cursor = next_cursor(*answer);
    if (cursor.empty()) break;
  }
  std::vector<chat::EarlierLine> lines;
  for (const Message& message : messages) {
    if (!is_earlier(message.ts, before) || message.text.empty()) continue;
    if (message.user == me.user || message.bot_id == me.bot) continue;
    std::string author = message.user;
    if (const auto person = co_await directory_.person(team, message.user)) author = person->name;
    lines.push_back({std::move(author), co_await readable_text(team, message.text)});
  }
  co_return chat::context_json(lines, kMostContext);
}

// ---------------------------------------------------------------- messages

net::Task<> Inbound::message(std::string key, Workspace of, Message said,
                             std::chrono::milliseconds age) {
  const Installation* installation = workspace(of);
  if (installation == nullptr) co_return;
  const std::string bot = installation->bot_user;
  const chat::Place place = place_of(installation->team, said);
  chat::Asker asker{installation->team,
                    said.user,
                    "",
                    false,
                    said.channel,
                    said.is_direct(),
                    said.is_direct() ? said.thread_ts : said.thread_ts,
                    said.ts,
                    key,
                    ""};
  const bool is_mention = said.is_mention || mentions(said.text, bot);
  // A channel of its own, that a session was moved to, is bound as a whole.
  const chat::Place whole{place.team, place.channel, ""};
  const bool in_thread = is_bound(place);
  const bool in_channel = !in_thread && !said.is_direct() && is_bound(whole);
  const bool bound = in_thread || in_channel;
  if (!said.is_direct() && !is_mention && !bound) co_return;
  if (bound && !is_mention && !said.is_direct() &&
      (config_.mention_only || is_for_others(said.text, bot)))
    co_return;

  auto admitted = co_await admit(std::move(asker), is_mention || said.is_direct());
  if (!admitted) co_return;
  if (in_channel) admitted->thread = "";
  const std::string_view own = is_mention ? without_own_mention(said.text, bot) : said.text;
  const std::string text = co_await readable_text(place.team, std::string(own));
  const auto command = is_mention || said.is_direct()
                           ? chat::parse_addressed(text, config_.command)
                           : chat::parse_in_thread(text, config_.command);
  age = std::max(age, age_of(said.ts));
  if (age > kTooOld) {
    co_await commands_.tell(
        *admitted,
        "This message came while I was away, " +
            std::to_string(std::chrono::duration_cast<std::chrono::minutes>(age).count()) +
            " minutes ago, and was not run. Send it again if you still want it:\n> " +
            escaped(text.substr(0, 300)),
        {}, "old");
    co_return;
  }
  if (command) {
    co_await commands_.run(*command, *admitted);
    co_return;
  }
  if (text.empty() && said.files.empty()) {
    co_await commands_.run(chat::HelpCommand(), *admitted);
    co_return;
  }
  // What was said to others is given with the first message that is for the agent.
  std::string context;
  if (!bound && !said.is_direct() && !said.thread_ts.empty())
    context = co_await earlier(place.team, said.channel, said.thread_ts, said.ts);
  if (!said.is_direct() && !in_channel) admitted->thread = place.thread;
  const std::string blocks = co_await attachments(*admitted, said.files);
  if (text.empty() && blocks.empty()) co_return;
  co_await commands_.to_session(
      *admitted, {admitted->principal(), key, admitted->message, text, blocks, context});
}

net::Task<std::string> Inbound::attachments(chat::Asker asker, std::vector<File> files) {
  const Installation* installation = installations_.find(asker.team);
  if (installation == nullptr || files.empty()) co_return "";
  const std::string token = installation->token;
  std::string blocks;
  std::string missing;
  std::size_t total = 0;
  for (const File& file : files) {
    std::string url = file.url;
    if (file.needs_info || url.empty()) {
      const ApiResult info =
          co_await api_.call("files.info", R"({"file":)" + sdk::json_string(file.id) + "}", token);
      if (info) url = file_url(*info);
    }
    std::string why = "Slack does not say where it is";
    if (total >= kMostOfFiles) {
      why = "there are too many";
    } else if (!url.empty()) {
      const auto had = co_await api_.download(url, token, kMostOfAFile);
      if (had) {
        total += had->bytes.size();
        const std::string type = file.mimetype.empty() ? had->type : file.mimetype;
        blocks += (blocks.empty() ? "" : ",") +
                  chat::attachment_json("slack", file.id, file.name, type, had->bytes);
        continue;
      }
      why = had.error().message;
    }
    missing += "\n• " + escaped(file.name) + ": " + escaped(why);
  }
  if (!missing.empty())
    co_await commands_.tell(asker, "Not given to the agent:" + missing, {}, "files");
  co_return blocks.empty() ? "" : "[" + blocks + "]";
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

net::Task<> Inbound::stopped(Workspace of, SessionStopped stop) {
  const Installation* installation = workspace(of);
  if (installation == nullptr) co_return;
  if (const auto one = conversations_.at({installation->team, stop.channel, stop.thread_ts}))
    co_await one->cancel({stop.user, "", installation->team, "", config_.is_operator(stop.user)});
}

// ---------------------------------------------------------------- commands and buttons

net::Task<> Inbound::slash(std::string key, SlashCommand command) {
  const Installation* installation = workspace(command.workspace);
  if (installation == nullptr) co_return;
  auto asker =
      co_await admit({installation->team, command.user, command.user_name, false, command.channel,
                      command.channel.starts_with('D'), "", "", key, command.response_url},
                     true);
  if (!asker) co_return;
  const std::string text = co_await readable_text(asker->team, command.text);
  co_await commands_.run(chat::parse_slash(text), *asker);
}

net::Task<> Inbound::actions(std::string key, BlockActions pressed) {
  const Installation* installation = workspace(pressed.by.workspace);
  if (installation == nullptr) co_return;
  auto asker = co_await admit(
      {installation->team, pressed.by.user, pressed.by.user_name, false, pressed.by.channel,
       pressed.by.channel.starts_with('D'), pressed.by.thread_ts, "", key, pressed.by.response_url},
      true);
  if (!asker) co_return;
  for (const Action& action : pressed.actions)
    co_await commands_.press(action.action_id, action.value, *asker);
}

// "Send to agent": the message as a prompt, in its own thread.
net::Task<> Inbound::shortcut(std::string key, MessageAction action) {
  const Installation* installation = workspace(action.by.workspace);
  if (installation == nullptr) co_return;
  const Message& message = action.message;
  auto asker = co_await admit(
      {installation->team, action.by.user, action.by.user_name, false, action.by.channel,
       action.by.channel.starts_with('D'), message.thread(), "", key, action.by.response_url},
      true);
  if (!asker) co_return;
  const std::string text = co_await readable_text(asker->team, message.text);
  if (text.empty()) {
    co_await commands_.tell(*asker, "This message has no text.");
    co_return;
  }
  asker->message = message.ts;
  co_await commands_.to_session(*asker, {asker->principal(), key, message.ts, text, "", ""});
}

}  // namespace viaduct::slack
