#include "plugins/slack/network.hpp"

#include "plugins/slack/event.hpp"
#include "plugins/slack/guard.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongestPost = 48h;            // after which the outbox has given it up
constexpr std::size_t kMostReplies = 10'000;  // of which it is known that they were answered
constexpr int kMostNames = 20;                // that are tried for a channel
constexpr int kTries = 3;
constexpr int kMostPages = 10;  // of channels

}  // namespace

SlackNetwork::SlackNetwork(const sdk::Host& host, net::Loop& loop, WebApi& api,
                           Installations& installations, Outbox& outbox)
    : loop_(loop),
      log_(host),
      api_(api),
      installations_(installations),
      outbox_(outbox),
      signs_(loop, api, installations) {}

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
                                                     const chat::File& file) {
  const auto posted = co_await outbox_.post_file(std::move(key), std::move(place), file);
  if (!posted) co_return std::unexpected(posted.error());
  co_return posted->is_new;
}

net::Task<net::Result<>> SlackNetwork::whisper(chat::Asker asker, std::string key,
                                               chat::Body body) {
  Shipment out{Shipment::Kind::kPost, key, "to/" + key, asker.team,
               "chat.postEphemeral",  "",  "",          ""};
  if (!asker.reply_url.empty()) {
    out.kind = Shipment::Kind::kRespond;
    out.method = asker.reply_url;
    // The first answer to a slash command takes the place of what it was acknowledged with.
    if (answered_.size() >= kMostReplies) answered_.clear();
    const bool is_first =
        asker.key.starts_with("command/") && answered_.insert(asker.reply_url).second;
    out.args = response_json(body, true, is_first);
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
  const std::string channel = chat::Place{asker.team, asker.channel, ""}.key();
  const auto opening = opening_.insert(channel);
  const auto kept = co_await post({asker.team, asker.channel, ""}, key, std::move(root));
  if (!kept) {
    opening_.erase(opening);
    co_return std::unexpected(kept.error().message);
  }
  const auto at = co_await outbox_.wait_for(key, kLongestPost);
  opening_.erase(opening);
  if (!at) co_return std::unexpected(at.error());
  co_return at->ts;
}

net::Task<std::expected<chat::Place, std::string>> SlackNetwork::open_channel(chat::Asker asker,
                                                                              std::string name) {
  const Installation* workspace = installations_.find(asker.team);
  if (workspace == nullptr) co_return std::unexpected("the app is not installed here any more");
  const std::string token = workspace->token;
  std::string wanted = name;
  bool may_be_there = false;  // it was asked for, and no answer came
  ApiResult made;
  for (int number = 1, tries = 0;;) {
    made = co_await api_.call("conversations.create",
                              R"({"name":)" + sdk::json_string(wanted) + "}", token);
    if (made) break;
    const bool is_taken = made.error().error == "name_taken";
    if (is_taken && may_be_there) {
      made = co_await find_channel(wanted, token);
      break;
    }
    if (is_taken && ++number <= kMostNames) {
      wanted = name + "-" + std::to_string(number);
      continue;
    }
    if (made.error().trouble != ApiTrouble::kRetryLater || ++tries == kTries) break;
    may_be_there = may_be_there || !made.error().not_done;
    boost::asio::steady_timer timer(loop_.context(), 1s);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  if (!made) co_return std::unexpected(made.error().message);
  const chat::Place channel{asker.team, created_channel(*made), ""};
  if (channel.channel.empty())
    co_return std::unexpected("Slack does not say which channel it made");
  co_await invite(channel, asker.user);
  co_return channel;
}

// One that the bot is in, as conversations.create answers.
net::Task<ApiResult> SlackNetwork::find_channel(std::string name, std::string token) {
  std::string cursor;
  for (int page = 0; page < kMostPages; ++page) {
    std::string args = R"({"types":"public_channel","limit":200)";
    if (!cursor.empty()) args += R"(,"cursor":)" + sdk::json_string(cursor);
    const ApiResult answer = co_await api_.call("users.conversations", args + "}", token);
    if (!answer) co_return answer;
    for (const Conversation& one : parse_conversations(*answer))
      if (one.name == name) co_return R"({"channel":{"id":)" + sdk::json_string(one.id) + "}}";
    cursor = next_cursor(*answer);
    if (cursor.empty()) break;
  }
  co_return std::unexpected(
      ApiFailure{ApiTrouble::kOther, "name_taken", "there is a channel of this name already"});
}

bool SlackNetwork::is_opening(const chat::Place& place) const {
  return opening_.contains(chat::Place{place.team, place.channel, ""}.key());
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

void SlackNetwork::show_life(const chat::Place& place, const std::string& message,
                             chat::Life life) {
  signs_.show(place, message, life);
}

void SlackNetwork::show_title(const chat::Place& place, const std::string& title) {
  signs_.title(place, title);
}

net::Task<> SlackNetwork::hint(Shipment refused, ApiFailure why, const chat::Bindings& bindings) {
  const bool is_file = refused.kind == Shipment::Kind::kFile;
  const std::string channel = argument(refused.args, is_file ? "channel_id" : "channel");
  const chat::Place place{refused.team, channel, argument(refused.args, "thread_ts")};
  if (refused.kind == Shipment::Kind::kPost && why.trouble == ApiTrouble::kContent &&
      refused.method != "chat.postEphemeral" && !refused.key.starts_with("refused/")) {
    const auto kept = co_await post(place, "refused/" + refused.key,
                                    note("Slack did not take something that I said here, so it is "
                                         "not shown: " +
                                             escaped(why.message) + ".",
                                         {}));
    if (!kept) log_.error("hint not kept for sending reason=" + kept.error().message);
    co_return;
  }
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
