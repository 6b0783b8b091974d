// What a surface has given to the host's outbox (sdk/delivery.hpp), and where it has arrived in
// this life, so that what comes later can change it, and whoever waits for it goes on. On the
// loop's thread.
#pragma once

#include <viaduct/chat/value.hpp>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/delivery.hpp>

namespace viaduct::chat {

class Posts {
 public:
  // `network`: its name, for what is said to a person.
  Posts(const sdk::Host& host, net::Loop& loop, std::string network)
      : loop_(loop), delivery_(host), network_(std::move(network)) {}

  struct Posted {
    bool is_new = false;
    std::string state;
    std::optional<Value> at;  // the result that arrived() was given, here or before a restart
  };
  // On disk when it is done. A known key is sent once only, unless it is an edit.
  net::Task<net::Result<Posted>> post(std::string key, std::string target, std::string payload,
                                      bool edit);

  // It has arrived; `result`: JSON object.
  void arrived(const std::string& key, std::string_view result);
  // It never will.
  void refused(const std::string& key, const std::string& why);
  void forget(std::string_view key);

  // Where it has arrived, as far as this life knows.
  std::optional<Value> at(std::string_view key) const;
  // The same, and the host is asked.
  net::Task<std::optional<Value>> where(std::string key);
  // Once it is known; the error: why it will not arrive, or that it has not by `limit`.
  net::Task<std::expected<Value, std::string>> wait_for(std::string key,
                                                        std::chrono::milliseconds limit);

 private:
  static constexpr std::size_t kMost = 20'000;
  struct Waiting {
    boost::asio::steady_timer timer;
    std::string refused;
  };
  struct Arrived {
    Value result;
    std::uint64_t number = 0;  // in in_order_
  };
  void keep(const std::string& key, Value result);
  void wake(const std::string& key, const std::string& refused);

  net::Loop& loop_;
  sdk::Delivery delivery_;
  const std::string network_;
  std::map<std::string, Arrived, std::less<>> arrived_;
  std::map<std::uint64_t, std::string> in_order_;  // their keys
  std::uint64_t last_ = 0;
  std::multimap<std::string, std::shared_ptr<Waiting>> waiting_;
};

}  // namespace viaduct::chat
