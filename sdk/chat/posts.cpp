#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/posts.hpp>

#include <boost/asio/as_tuple.hpp>
#include <utility>

namespace viaduct::chat {

void Posts::keep(const std::string& key, Value result) {
  forget(key);
  if (arrived_.size() >= kMost) forget(std::string(in_order_.begin()->second));
  in_order_.emplace(++last_, key);
  arrived_.emplace(key, Arrived{std::move(result), last_});
}

void Posts::wake(const std::string& key, const std::string& refused) {
  const auto [first, last] = waiting_.equal_range(key);
  for (auto one = first; one != last; ++one) {
    one->second->refused = refused;
    one->second->timer.cancel();
  }
}

void Posts::arrived(const std::string& key, std::string_view result) {
  keep(key, Value::parsed(result));
  wake(key, {});
}

void Posts::refused(const std::string& key, const std::string& why) {
  wake(key, why);
}

void Posts::forget(std::string_view key) {
  const auto found = arrived_.find(key);
  if (found == arrived_.end()) return;
  in_order_.erase(found->second.number);
  arrived_.erase(found);
}

std::optional<Value> Posts::at(std::string_view key) const {
  const auto found = arrived_.find(key);
  if (found == arrived_.end()) return std::nullopt;
  return found->second.result;
}

net::Task<net::Result<Posts::Posted>> Posts::post(std::string key, std::string target,
                                                  std::string payload, bool edit) {
  const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
    delivery_.post({.key = key, .target = target, .payload_json = payload, .edit = edit},
                   std::move(done));
  });
  if (!answer.ok()) co_return std::unexpected(answer.status());
  const Value said = Value::parsed(answer.result);
  Posted posted{said.yes("new"), said.text("state"), std::nullopt};
  if (said.at("result").is_object()) {
    posted.at = said.at("result");
    keep(key, *posted.at);
  }
  co_return posted;
}

net::Task<std::optional<Value>> Posts::where(std::string key) {
  if (auto known = at(key)) co_return known;
  const sdk::Answer answer =
      co_await answered([&](sdk::Callback done) { delivery_.find(key, std::move(done)); });
  if (!answer.ok()) co_return std::nullopt;
  Value result = Value::parsed(answer.result).at("result");
  if (!result.is_object()) co_return std::nullopt;
  keep(key, result);
  co_return result;
}

net::Task<std::expected<Value, std::string>> Posts::wait_for(std::string key,
                                                             std::chrono::milliseconds limit) {
  if (auto known = at(key)) co_return *std::move(known);
  auto waiting =
      std::make_shared<Waiting>(boost::asio::steady_timer(loop_.context(), limit), std::string());
  const auto place = waiting_.emplace(key, waiting);
  co_await waiting->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  waiting_.erase(place);
  if (auto known = at(key)) co_return *std::move(known);
  co_return std::unexpected(waiting->refused.empty() ? network_ + " does not answer"
                                                     : waiting->refused);
}

}  // namespace viaduct::chat
