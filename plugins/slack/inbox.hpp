// What Slack delivers, over either transport: on disk before it is acknowledged, handled once, in
// order for each thread, and handled again after a crash in the middle. On the loop's thread; owned
// by the plugin.
#pragma once

#include "plugins/slack/event.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/delivery.hpp>

namespace viaduct::slack {

class Inbox {
 public:
  // What came, and how long ago; it has been dealt with when the task is over.
  using Handler = std::function<net::Task<>(Request request, std::chrono::milliseconds age)>;
  // What belongs together, to be handled in order; empty: with nothing.
  using Lane = std::function<std::string(const Request& request)>;
  Inbox(const sdk::Host& host, net::Loop& loop, Lane lane, Handler handler);

  // `keys`: by which it is known when it comes again. `source` and `text` are what parse_http or
  // parse_envelope was given. `done` is told when it is on disk, or why not: then Slack must not
  // hear that it was taken.
  void receive(Request request, std::vector<std::string> keys, bool is_http,
               std::string_view source, std::string_view text,
               std::function<void(sdk::Status)> done);
  // What was received and not dealt with, from before the start.
  net::Task<> catch_up();

  static constexpr std::size_t kMostWaiting = 20'000;  // beyond that nothing is taken

 private:
  struct Item {
    Request request;
    std::string key;
    std::chrono::milliseconds age;
  };

  void handle(Item item);
  net::Task<> work(std::string lane);
  net::Task<> one(Item item);

  net::Loop& loop_;
  sdk::Delivery delivery_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  Lane lane_;
  Handler handler_;
  std::map<std::string, std::deque<Item>> lanes_;  // those that are being worked on
  std::size_t waiting_ = 0;
};

// As the inbox keeps it.
std::string kept_json(bool is_http, std::string_view source, std::string_view text);
struct Kept {
  std::uint64_t number = 0;
  std::string key;
  bool is_http = false;
  std::string source;
  std::string text;
  std::chrono::milliseconds age{0};
};
struct KeptPage {
  std::vector<Kept> events;
  bool more = false;
};
KeptPage parse_kept(std::string_view answer);

}  // namespace viaduct::slack
