#include "plugins/slack/signs.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kSetStatus = "assistant.threads.setStatus";
constexpr std::string_view kWorking = "is working on it…";
constexpr std::string_view kSeen = "eyes";
constexpr std::string_view kQueued = "hourglass_flowing_sand";
constexpr std::size_t kMostMarks = 5'000;
constexpr std::size_t kMostRemoving = 30;  // behind which no new sign is given
constexpr auto kLongestRemoval = 10min;    // Slack takes 20 of them a minute
constexpr int kTries = 5;

}  // namespace

void Signs::show(const chat::Place& place, const std::string& message, chat::Life life) {
  const bool waits = life == chat::Life::kQueued;
  std::string_view reaction = waits                          ? kQueued
                              : life == chat::Life::kWorking ? kSeen
                                                             : std::string_view();
  if (has_status(place)) {
    // A thread has one status, which is of what is answered now.
    const auto mark = marks_.find(place.key() + "/" + message);
    const bool is_let_go =
        life == chat::Life::kDone && mark != marks_.end() && mark->second->wanted == kQueued;
    if (!waits && !is_let_go) status(place, place.thread.empty() ? message : place.thread, life);
    if (!waits && takes(place, kSetStatus)) reaction = "";
  }
  want(place, message, reaction);
}

void Signs::status(const chat::Place& place, const std::string& thread, chat::Life life) {
  const std::string where = R"({"channel_id":)" + sdk::json_string(place.channel) +
                            R"(,"thread_ts":)" + sdk::json_string(thread) + R"(,"status":)";
  // With it, Slack shows a button to stop.
  const bool works = life == chat::Life::kWorking;
  call(place, "agents.sessions.setStatus", where + (works ? R"("processing"})" : R"("active"})"));
  call(place, kSetStatus, where + sdk::json_string(works ? kWorking : "") + "}");
}

void Signs::title(const chat::Place& place, const std::string& title) {
  if (!has_status(place) || place.thread.empty()) return;
  call(place, "assistant.threads.setTitle",
       R"({"channel_id":)" + sdk::json_string(place.channel) + R"(,"thread_ts":)" +
           sdk::json_string(place.thread) + R"(,"title":)" + sdk::json_string(title) + "}");
}

bool Signs::takes(const chat::Place& place, std::string_view method) const {
  return !refused_.contains(place.team + "/" + std::string(method));
}

void Signs::call(const chat::Place& place, std::string_view method, std::string args) {
  if (!takes(place, method)) return;
  loop_.spawn(
      [](Signs& self, std::string team, std::string called, std::string arguments) -> net::Task<> {
        const Installation* workspace = self.installations_.find(team);
        if (workspace == nullptr) co_return;
        const ApiResult done = co_await self.api_.call(called, arguments, workspace->token);
        if (!done && done.error().trouble == ApiTrouble::kSetUp)
          self.refused_.insert(team + "/" + called);
      }(*this, place.team, std::string(method), std::move(args)));
}

// ---------------------------------------------------------------- reactions

void Signs::want(const chat::Place& place, const std::string& ts, std::string_view reaction) {
  const std::string key = place.key() + "/" + ts;
  auto found = marks_.find(key);
  if (found == marks_.end()) {
    if (marks_.size() >= kMostMarks) return;
    found = marks_.emplace(key, std::make_shared<Mark>()).first;
    found->second->place = place;
    found->second->ts = ts;
    // One of an earlier life may be there still.
    const bool is_old = std::chrono::duration<double>(begun_.time_since_epoch()).count() >
                        std::strtod(ts.c_str(), nullptr);
    if (is_old && reaction != kQueued) found->second->shows = kQueued;
    if (is_old && reaction.empty() && !has_status(place)) found->second->shows = kSeen;
  }
  const auto mark = found->second;
  mark->wanted = reaction;
  if (std::exchange(mark->is_at_work, true)) return;
  loop_.spawn(settle(key, mark));
}

net::Task<> Signs::settle(std::string key, std::shared_ptr<Mark> mark) {
  while (mark->shows != mark->wanted) {
    if (!mark->shows.empty()) {
      const std::string shown = std::exchange(mark->shows, "");
      co_await remove(*mark, shown);
      continue;
    }
    const std::string next = mark->wanted;
    const bool is_late = removing_ > kMostRemoving;
    const ApiResult done =
        is_late ? ApiResult(std::unexpected(ApiFailure{}))
                : co_await react(*mark, "reactions.add", next, std::chrono::milliseconds(10s));
    // What may be there is taken away like what is there.
    if (done || !done.error().not_done)
      mark->shows = next;
    else if (mark->wanted == next)
      mark->wanted.clear();
  }
  mark->is_at_work = false;
  if (mark->wanted.empty()) marks_.erase(key);
}

net::Task<> Signs::remove(const Mark& mark, std::string reaction) {
  ++removing_;
  auto wait = std::chrono::milliseconds(1s);
  for (int i = 0; i < kTries; ++i) {
    const ApiResult done = co_await react(mark, "reactions.remove", reaction, kLongestRemoval);
    if (done || done.error().trouble != ApiTrouble::kRetryLater) break;
    wait = std::max(wait * 2, done.error().retry_after.value_or(0ms));
    boost::asio::steady_timer timer(loop_.context(), wait);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  --removing_;
}

net::Task<ApiResult> Signs::react(const Mark& mark, std::string method, std::string reaction,
                                  std::chrono::milliseconds patience) {
  const Installation* workspace = installations_.find(mark.place.team);
  if (workspace == nullptr) co_return std::unexpected(ApiFailure{});
  const std::string args = R"({"channel":)" + sdk::json_string(mark.place.channel) +
                           R"(,"timestamp":)" + sdk::json_string(mark.ts) + R"(,"name":)" +
                           sdk::json_string(reaction) + "}";
  co_return co_await api_.call(std::move(method), args, workspace->token, patience);
}

}  // namespace viaduct::slack
