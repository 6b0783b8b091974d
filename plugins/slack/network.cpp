#include "plugins/slack/network.hpp"

#include "plugins/slack/event.hpp"
#include "plugins/slack/guard.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongestPost = 48h;  // after which the outbox has given it up
constexpr std::string_view kWorking = "is working on it…";
constexpr std::string_view kSeen = "eyes";
constexpr std::string_view kQueued = "hourglass_flowing_sand";

}  // namespace

SlackNetwork::SlackNetwork(const sdk::Host& host, net::Loop& loop, WebApi& api,
                           Installations& installations, Outbox& outbox)
    : loop_(loop), log_(host), api_(api), installations_(installations), outbox_(outbox) {}

// ---------------------------------------------------------------- words

std::string SlackNetwork::escaped(std::string_view plain) const {
  return slack::escaped(plain);
}

std::string SlackNetwork::code(std::string_view plain) const {
  std::string text = slack::escaped(plain);
  std::ranges::replace(text, '`', '\'');
  return "`" + text + "`";
}

std::string SlackNetwork::bold(std::string_view words) const {
  return "*" + std::string(words) + "*";
}

std::string SlackNetwork::italic(std::string_view words) const {
  return "_" + std::string(words) + "_";
}

std::string SlackNetwork::words(std::string_view text) const {
  return slack::escaped(text);
}

std::string SlackNetwork::person(const chat::Asker& asker) const {
  return "<@" + asker.user + ">";
}

// A link to the thread, so that it is found again.
std::string SlackNetwork::where(const chat::Binding& binding) const {
  const chat::Place& place = binding.place;
  const std::string said =
      place.channel.starts_with('D') ? "in a direct message" : "in <#" + place.channel + ">";
  const Installation* workspace = installations_.find(place.team);
  if (workspace == nullptr || workspace->url.empty() || place.thread.empty()) return said;
  std::string ts = place.thread;
  std::erase(ts, '.');
  return said + " (<" + workspace->url + "archives/" + place.channel + "/p" + ts + "|open>)";
}

std::string SlackNetwork::help_hint() const {
  return "The same words work after a mention and in a direct message. In a thread with a session "
         "every message goes to it, unless it begins by addressing somebody else. Slack has no "
         "slash commands in threads: mention me there instead.";
}

// ---------------------------------------------------------------- messages

chat::Body SlackNetwork::note(std::string_view words,
                              const std::vector<chat::Button>& buttons) const {
  return note_body(words, buttons);
}

chat::Body SlackNetwork::work(std::string_view text,
                              const std::vector<chat::Button>& buttons) const {
  return work_body(text, buttons);
}

chat::Body SlackNetwork::list(std::string_view title, const std::vector<chat::ListItem>& items,
                              std::string_view below) const {
  return list_body(title, items, below);
}

chat::Body SlackNetwork::permission(const chat::Entry& entry, const std::string& session) const {
  return permission_body(entry, session);
}

chat::Body SlackNetwork::answer(std::string_view markdown) const {
  return answer_body(markdown);
}

std::vector<std::string> SlackNetwork::parts(std::string_view answer, bool ended) const {
  return split_markdown(answer, kLongestPart, ended);
}

// ---------------------------------------------------------------- what must arrive

net::Task<net::Result<bool>> SlackNetwork::ship(Shipment shipment) {
  const auto posted = co_await outbox_.post(std::move(shipment));
  if (!posted) co_return std::unexpected(posted.error());
  co_return posted->is_new;
}

net::Task<net::Result<bool>> SlackNetwork::post(chat::Place place, std::string key,
                                                chat::Body body) {
  std::string args = post_args(place, body, key);
  co_return co_await ship({Shipment::Kind::kPost, std::move(key), place.key(), place.team,
                           "chat.postMessage", std::move(args), "", ""});
}

net::Task<net::Result<>> SlackNetwork::edit(chat::Place place, std::string key, std::string of,
                                            chat::Body body) {
  const auto kept = co_await ship({Shipment::Kind::kEdit, std::move(key), place.key(), place.team,
                                   "", update_args(body), std::move(of), ""});
  if (!kept) co_return std::unexpected(kept.error());
  co_return net::Result<>();
}

net::Task<net::Result<bool>> SlackNetwork::post_file(chat::Place place, std::string key,
                                                     std::string name, std::string words,
                                                     std::string content) {
  std::string args = file_args(place, words);
  co_return co_await ship({Shipment::Kind::kFile, std::move(key), place.key(), place.team,
                           std::move(name), std::move(args), "", std::move(content)});
}

net::Task<net::Result<>> SlackNetwork::whisper(chat::Asker asker, std::string key,
                                               chat::Body body) {
  Shipment out{Shipment::Kind::kPost, key, "to/" + key, asker.team,
               "chat.postEphemeral",  "",  "",          ""};
  if (!asker.reply_url.empty()) {
    out.kind = Shipment::Kind::kRespond;
    out.method = asker.reply_url;
    out.args = response_json(body, true, false);
    out.markdown = whisper_args(asker.place(), asker.user, body);
  } else if (asker.is_direct) {
    out.method = "chat.postMessage";
    out.args = post_args(asker.place(), body, key);
    out.target = asker.place().key();
  } else {
    out.args = whisper_args(asker.place(), asker.user, body);
  }
  const auto kept = co_await ship(std::move(out));
  if (!kept) co_return std::unexpected(kept.error());
  co_return net::Result<>();
}

net::Task<std::expected<std::string, std::string>> SlackNetwork::open_thread(chat::Asker asker,
                                                                             std::string key,
                                                                             chat::Body root) {
  const auto kept = co_await post({asker.team, asker.channel, ""}, key, std::move(root));
  if (!kept) co_return std::unexpected(kept.error().message);
  const auto at = co_await outbox_.wait_for(key, kLongestPost);
  if (!at) co_return std::unexpected(at.error());
  co_return at->ts;
}

net::Task<std::expected<chat::Place, std::string>> SlackNetwork::open_channel(chat::Asker asker,
                                                                              std::string name) {
  const Installation* workspace = installations_.find(asker.team);
  if (workspace == nullptr) co_return std::unexpected("the app is not installed here any more");
  const std::string token = workspace->token;
  const ApiResult made = co_await api_.call("conversations.create",
                                            R"({"name":)" + sdk::json_string(name) + "}", token);
  if (!made) co_return std::unexpected(made.error().message);
  const chat::Place channel{asker.team, created_channel(*made), ""};
  co_await invite(channel, asker.user);
  co_return channel;
}

net::Task<> SlackNetwork::invite(chat::Place channel, std::string user) {
  const Installation* workspace = installations_.find(channel.team);
  if (workspace == nullptr) co_return;
  const ApiResult invited =
      co_await api_.call("conversations.invite",
                         R"({"channel":)" + sdk::json_string(channel.channel) + R"(,"users":)" +
                             sdk::json_string(user) + "}",
                         workspace->token);
  if (!invited)
    log_.warn("person not invited channel=" + channel.channel +
              " reason=" + invited.error().message);
}

// ---------------------------------------------------------------- while an answer grows

bool SlackNetwork::can_stream(const chat::Place& place, std::string_view asker) const {
  return !place.thread.empty() && !asker.empty();
}

net::Task<net::Result<bool>> SlackNetwork::begin_stream(chat::Place place, std::string key,
                                                        std::string asker, std::string text) {
  std::string args = stream_args(place, asker, text);
  co_return co_await ship({Shipment::Kind::kPost, std::move(key), place.key(), place.team,
                           "chat.startStream", std::move(args), "", std::move(text)});
}

net::Task<net::Result<>> SlackNetwork::end_stream(chat::Place place, std::string key,
                                                  std::string of, std::string text) {
  const auto kept = co_await ship({Shipment::Kind::kEnd, std::move(key), place.key(), place.team,
                                   "", update_args(answer_body(text)), std::move(of), text});
  if (!kept) co_return std::unexpected(kept.error());
  co_return net::Result<>();
}

net::Task<bool> SlackNetwork::grow(std::string key, std::string text) {
  co_return co_await outbox_.grow(std::move(key), std::move(text));
}

net::Task<bool> SlackNetwork::stop_stream(std::string key) {
  co_return co_await outbox_.stop_stream(std::move(key));
}

net::Task<> SlackNetwork::update(chat::Place place, std::string of, chat::Body body) {
  co_await outbox_.update(place.team, std::move(of), update_args(body));
}

bool SlackNetwork::has_arrived(std::string_view key) const {
  return outbox_.arrived(key).has_value();
}

void SlackNetwork::forget(std::string_view key) {
  outbox_.forget(key);
}

// ---------------------------------------------------------------- signs of life

// A message's key is team/channel/ts; a slash command's and a button's are not.
std::string SlackNetwork::message_of(std::string_view key) const {
  const std::size_t slash = key.rfind('/');
  std::string ts(slash == std::string_view::npos ? "" : key.substr(slash + 1));
  return is_ts(ts) ? ts : "";
}

bool SlackNetwork::has_status(const chat::Place& place) const {
  return place.channel.starts_with('D') && takes_status_;
}

void SlackNetwork::show_life(const chat::Place& place, const std::string& message,
                             chat::Life life) {
  if (has_status(place)) {
    const std::string_view status = life == chat::Life::kQueued    ? "will come to this next"
                                    : life == chat::Life::kWorking ? kWorking
                                                                   : "";
    call_quietly(place, "assistant.threads.setStatus",
                 R"({"channel_id":)" + sdk::json_string(place.channel) + R"(,"thread_ts":)" +
                     sdk::json_string(place.thread.empty() ? message : place.thread) +
                     R"(,"status":)" + sdk::json_string(status) + "}");
    return;
  }
  const std::string key = place.key() + "/" + message;
  const auto found = reactions_.find(key);
  // Done, one of an earlier life may be there still.
  const std::string shows = found != reactions_.end()   ? found->second
                            : life == chat::Life::kDone ? std::string(kSeen)
                                                        : "";
  const std::string_view wanted = life == chat::Life::kQueued    ? kQueued
                                  : life == chat::Life::kWorking ? kSeen
                                                                 : "";
  if (shows == wanted) return;
  if (!shows.empty()) react(place, "reactions.remove", message, shows);
  if (wanted.empty()) {
    reactions_.erase(key);
    return;
  }
  reactions_[key] = wanted;
  react(place, "reactions.add", message, wanted);
}

void SlackNetwork::react(const chat::Place& place, std::string_view method, const std::string& ts,
                         std::string_view reaction) {
  call_quietly(place, std::string(method),
               R"({"channel":)" + sdk::json_string(place.channel) + R"(,"timestamp":)" +
                   sdk::json_string(ts) + R"(,"name":)" + sdk::json_string(reaction) + "}");
}

void SlackNetwork::call_quietly(const chat::Place& place, std::string method, std::string args) {
  loop_.spawn([](SlackNetwork& self, std::string team, std::string called,
                 std::string arguments) -> net::Task<> {
    const Installation* workspace = self.installations_.find(team);
    if (workspace == nullptr) co_return;
    const ApiResult done = co_await self.api_.call(called, arguments, workspace->token);
    if (!done && called.starts_with("assistant.") && done.error().trouble == ApiTrouble::kSetUp)
      self.takes_status_ = false;
  }(*this, place.team, std::move(method), std::move(args)));
}

void SlackNetwork::show_title(const chat::Place& place, const std::string& title) {
  if (!has_status(place) || place.thread.empty()) return;
  call_quietly(place, "assistant.threads.setTitle",
               R"({"channel_id":)" + sdk::json_string(place.channel) + R"(,"thread_ts":)" +
                   sdk::json_string(place.thread) + R"(,"title":)" + sdk::json_string(title) + "}");
}

net::Task<> SlackNetwork::hint(Shipment refused, ApiFailure why, const chat::Bindings& bindings) {
  const std::string channel = argument(refused.args, "channel");
  if (why.error != "not_in_channel" || channel.empty() || channel.starts_with('U')) co_return;
  std::string user = argument(refused.args, "user");
  for (const chat::Binding& one : bindings.all_active())
    if (user.empty() && one.place.key() == refused.target) user = one.user;
  if (user.empty()) co_return;
  const auto kept = co_await post({refused.team, user, ""}, "hint/" + channel + "/" + user,
                                  note("I cannot write in <#" + channel +
                                           ">, I am not a member there. Say `/invite` with my name "
                                           "in that channel, and ask again.",
                                       {}));
  if (!kept) log_.error("hint not kept for sending reason=" + kept.error().message);
}

}  // namespace viaduct::slack
