#include "plugins/slack/history.hpp"

#include "plugins/slack/message_json.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace viaduct::slack {
namespace {

constexpr std::size_t kMostThreads = 200;   // that are asked about, the newest
constexpr std::size_t kMostChannels = 200;  // of a workspace
constexpr int kMostPages = 20;              // of a place
constexpr std::string_view kPageSize = "200";
constexpr std::chrono::seconds kPatience{60};
constexpr int kTries = 6;
constexpr std::chrono::milliseconds kFirstPause{2'000};  // doubled each time

std::string oldest_of(History::Time since) {
  return std::to_string(
             std::chrono::duration_cast<std::chrono::seconds>(since.time_since_epoch()).count()) +
         ".000000";
}

}  // namespace

void History::fill(Time since) {
  next_ = next_ ? std::min(*next_, since) : since;
  if (!std::exchange(is_running_, true)) world_.loop.spawn(run());
}

net::Task<> History::run() {
  while (next_) {
    const Time since = *std::exchange(next_, std::nullopt);
    auto wait = kFirstPause;
    for (int tries = 1; tries <= kTries; ++tries) {
      found_ = 0;
      is_to_do_ = false;
      is_last_try_ = tries == kTries;
      co_await fill_all(since);
      if (found_ > 0)
        world_.log.info("messages of the time without a connection messages=" +
                        std::to_string(found_));
      if (!is_to_do_ || is_last_try_) break;
      boost::asio::steady_timer pause(world_.loop.context(), wait);
      co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      wait *= 2;
    }
    if (is_to_do_)
      world_.log.error("what was said without a connection is given up, not all of it is known");
  }
  is_running_ = false;
}

void History::failed(const ApiFailure& why) {
  if (why.trouble == ApiTrouble::kRetryLater || why.trouble == ApiTrouble::kCredentials)
    is_to_do_ = true;
}

net::Task<> History::fill_all(Time since) {
  // Threads first: there, people wait for an answer.
  auto bound = world_.bindings.all_active();
  std::ranges::reverse(bound);
  std::size_t threads = 0;
  Places channels;
  for (const chat::Binding& one : bound) {
    const chat::Place channel{one.place.team, one.place.channel, ""};
    channels.emplace(channel.key(), channel);
    if (one.place.thread.empty()) continue;
    if (++threads > kMostThreads) {
      world_.log.warn("there are more threads than are looked through threads=" +
                      std::to_string(bound.size()));
      break;
    }
    co_await fill_place(one.place, since);
  }
  const auto installed = installations_.all();
  for (const auto& [team, one] : installed) co_await find_channels(one, channels);
  for (const auto& [key, channel] : channels) co_await fill_place(channel, since);
}

net::Task<> History::find_channels(Installation of, Places& channels) {
  std::string cursor;
  std::size_t count = 0;
  for (;;) {
    std::string args =
        R"({"types":"im,mpim,public_channel,private_channel","exclude_archived":true,"limit":)" +
        std::string(kPageSize);
    if (!cursor.empty()) args += R"(,"cursor":)" + sdk::json_string(cursor);
    const ApiResult answer =
        co_await api_.call("users.conversations", args + "}", of.token, kPatience);
    if (!answer) {
      world_.log.warn("the bot's channels are not known, only those with sessions are read team=" +
                      of.team + " reason=" + answer.error().message);
      failed(answer.error());
      co_return;
    }
    for (const Conversation& one : parse_conversations(*answer)) {
      const chat::Place channel{of.team, one.id, ""};
      if (++count <= kMostChannels) channels.emplace(channel.key(), channel);
    }
    cursor = next_cursor(*answer);
    if (count > kMostChannels)
      world_.log.warn("the bot is in more channels than are read channels=" +
                      std::to_string(count));
    if (cursor.empty() || count > kMostChannels) co_return;
  }
}

net::Task<> History::fill_place(chat::Place place, Time since) {
  const Installation* installation = installations_.find(place.team);
  if (installation == nullptr) co_return;
  const Installation one = *installation;
  const bool is_thread = !place.thread.empty();
  const std::string oldest = oldest_of(since);
  std::vector<std::string> events;
  std::string cursor;
  bool is_whole = false;
  bool is_later = false;
  for (int page = 0; page < kMostPages && !is_whole; ++page) {
    std::string args = R"({"channel":)" + sdk::json_string(place.channel) + R"(,"oldest":")" +
                       oldest + R"(","limit":)" + std::string(kPageSize);
    if (is_thread) args += R"(,"ts":)" + sdk::json_string(place.thread);
    if (!cursor.empty()) args += R"(,"cursor":)" + sdk::json_string(cursor);
    const ApiResult answer =
        co_await api_.call(is_thread ? "conversations.replies" : "conversations.history",
                           args + "}", one.token, kPatience);
    if (!answer) {
      world_.log.warn("what was said meanwhile cannot be read channel=" + place.channel +
                      " reason=" + answer.error().message);
      failed(answer.error());
      is_later = is_to_do_ && !is_last_try_;
      break;
    }
    auto more = history_events(*answer, one.team, one.app_id, place.channel, oldest);
    events.insert(events.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
    cursor = next_cursor(*answer);
    is_whole = cursor.empty();
  }
  if (!is_whole && !is_later) {
    world_.log.warn("not all that was said meanwhile is known channel=" + place.channel +
                    " thread=" + place.thread);
    if (is_thread) {
      const auto kept = co_await world_.network.post(
          place, "gap/" + place.key() + "/" + oldest,
          world_.network.note("I was away, and could not read all that was said here meanwhile. "
                              "Say again what you still want."));
      if (!kept)
        world_.log.error("a note of a gap is not kept for sending channel=" + place.channel +
                         " reason=" + kept.error().message);
    }
  }
  if (!is_thread) std::ranges::reverse(events);  // history has the newest first
  if (const std::size_t lost = co_await keep(std::move(events)); lost > 0) {
    is_to_do_ = true;
    world_.log.error("messages of the time without a connection could not be kept messages=" +
                     std::to_string(lost) + " channel=" + place.channel);
  }
}

net::Task<std::size_t> History::keep(std::vector<std::string> events) {
  struct Keeping {
    boost::asio::steady_timer all;
    std::size_t open = 0;
    std::size_t lost = 0;
  };
  const auto keeping = std::make_shared<Keeping>(boost::asio::steady_timer(
      world_.loop.context(), boost::asio::steady_timer::time_point::max()));
  for (const std::string& payload : events) {
    auto request = parse_envelope("events_api", payload);
    if (!request || inbound_.is_nothing(*request)) continue;
    const auto keys = inbound_.keys(*request);
    ++found_;
    ++keeping->open;
    inbox_.receive(*std::move(request), keys, kept_json(false, "events_api", payload),
                   [keeping](const sdk::Status& status) {
                     if (!status.ok()) ++keeping->lost;
                     if (--keeping->open == 0) keeping->all.cancel();
                   });
  }
  if (keeping->open > 0)
    co_await keeping->all.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  co_return keeping->lost;
}

}  // namespace viaduct::slack
