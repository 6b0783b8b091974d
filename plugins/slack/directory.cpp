#include "plugins/slack/directory.hpp"

#include <viaduct/chat/value.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <viaduct/sdk/base.hpp>

namespace viaduct::slack {
namespace {

constexpr std::chrono::hours kFresh{1};
constexpr std::size_t kMost = 20'000;   // that are remembered
constexpr std::size_t kMostNames = 20;  // that are asked for one message

}  // namespace

template <class T>
bool Directory::is_fresh(const Known<T>& known) {
  return std::chrono::steady_clock::now() < known.at + kFresh;
}

net::Task<std::expected<Person, ApiFailure>> Directory::person(std::string team, std::string user) {
  const std::string key = team + "/" + user;
  if (const auto known = people_.find(key); known != people_.end() && is_fresh(known->second))
    co_return known->second.value;
  if (const auto found = asked_.find(key); found != asked_.end()) {
    const auto asked = found->second;
    co_await asked->answered.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_return asked->answer;
  }
  const auto asked = std::make_shared<Asked>(boost::asio::steady_timer(
      co_await boost::asio::this_coro::executor, std::chrono::steady_clock::time_point::max()));
  asked_.emplace(key, asked);
  asked->answer = co_await ask(std::move(team), std::move(user));
  asked_.erase(key);
  asked->answered.cancel();
  co_return asked->answer;
}

net::Task<std::expected<Person, ApiFailure>> Directory::ask(std::string team, std::string user) {
  const std::string key = team + "/" + user;
  const Installation* workspace = installations_.find(team);
  if (workspace == nullptr)
    co_return std::unexpected(ApiFailure{ApiTrouble::kSetUp, "", "the app is not installed there"});
  const ApiResult answer = co_await api_.call(
      "users.info", R"({"user":)" + sdk::json_string(user) + "}", workspace->token);
  if (!answer) {
    // Better an hour old than nothing.
    if (const auto known = people_.find(key); known != people_.end()) co_return known->second.value;
    co_return std::unexpected(answer.error());
  }
  auto person = parse_person(*answer);
  if (!person) co_return std::unexpected(ApiFailure{ApiTrouble::kOther, "", person.error()});
  if (people_.size() >= kMost) people_.erase(people_.begin());
  people_.insert_or_assign(key, Known<Person>{*person, std::chrono::steady_clock::now()});
  co_return *std::move(person);
}

net::Task<Names> Directory::names(std::string team, Mentioned ids) {
  Names names;
  std::size_t asked = 0;
  for (const std::string& user : ids.users) {
    if (++asked > kMostNames) break;
    if (const auto found = co_await person(team, user)) names[user] = found->name;
  }
  for (const std::string& channel : ids.channels) {
    const std::string key = team + "/" + channel;
    if (const auto known = channels_.find(key);
        known != channels_.end() && is_fresh(known->second)) {
      names[channel] = known->second.value;
      continue;
    }
    const Installation* workspace = installations_.find(team);
    if (workspace == nullptr || ++asked > kMostNames) break;
    const ApiResult answer = co_await api_.call(
        "conversations.info", R"({"channel":)" + sdk::json_string(channel) + "}", workspace->token);
    if (!answer) continue;
    const std::string name = chat::Value::parsed(*answer).at("channel").text("name");
    if (name.empty()) continue;
    if (channels_.size() >= kMost) channels_.erase(channels_.begin());
    channels_.insert_or_assign(key, Known<std::string>{name, std::chrono::steady_clock::now()});
    names[channel] = name;
  }
  co_return names;
}

void Directory::forget(std::string_view team) {
  const std::string prefix = std::string(team) + "/";
  std::erase_if(people_, [&](const auto& one) { return one.first.starts_with(prefix); });
  std::erase_if(channels_, [&](const auto& one) { return one.first.starts_with(prefix); });
}

}  // namespace viaduct::slack
