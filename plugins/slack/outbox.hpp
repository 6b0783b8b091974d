// What goes out to Slack and must arrive: on disk first, in order for each thread, never posted
// twice blindly (host/delivery). Knows where each message is that it has posted in this life. On
// the loop's thread; owned by the plugin.
#pragma once

#include "plugins/slack/installations.hpp"
#include "plugins/slack/shipment.hpp"
#include "plugins/slack/web_api.hpp"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <viaduct/chat/place.hpp>
#include <viaduct/chat/shelf.hpp>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/delivery.hpp>

namespace viaduct::slack {

class Outbox {
 public:
  Outbox(const sdk::Host& host, net::Loop& loop, WebApi& api, Installations& installations);

  // On disk when it is done; a known key is posted once only, whatever it says now.
  net::Task<net::Result<Posted>> post(Shipment shipment);
  // The same of a file, which is on disk, too, until it has arrived.
  net::Task<net::Result<Posted>> post_file(std::string key, chat::Place place,
                                           const chat::File& file);
  // Gives up what is left of files that have arrived, or never will.
  net::Task<> tidy();
  // Where the message of this key is, once it has arrived in this life, or `post` has said so.
  std::optional<Arrival> arrived(std::string_view key) const;
  // It is not asked for any more; a stream lasts until it has been ended.
  void forget(std::string_view key);
  // The host has given it up: nobody need wait for it.
  void given_up(std::string_view key, const std::string& why) { wake(std::string(key), why); }
  // The same, once it is known; the error: why it will not arrive, or that it has not by `limit`.
  net::Task<std::expected<Arrival, std::string>> wait_for(std::string key,
                                                          std::chrono::milliseconds limit);

  // Told of a shipment that Slack will not have, with its word for it.
  void on_refused(std::function<void(const Shipment& shipment, const ApiFailure& why)> told) {
    refused_ = std::move(told);
  }

  // ---- what changes a message while it grows: tried once, and nothing depends on it
  // The stream of this key gets what it lacks of `text`. False: it takes no more.
  net::Task<bool> grow(std::string key, std::string text);
  net::Task<bool> stop_stream(std::string key);
  net::Task<bool> update(std::string team, std::string key, std::string args);

  // ---- sdk::Sender
  void send(const sdk::Parcel& parcel, sdk::Sending sending);
  void reconcile(const sdk::Parcel& parcel, sdk::Sending sending);

 private:
  struct Stream {
    std::string team;
    std::string said;  // what it has been given
    bool open = true;
  };

  net::Task<> deliver(Shipment shipment, bool repeats, std::uint64_t attempt, sdk::Sending sending);
  net::Task<ApiResult> perform(const Shipment& shipment, std::uint64_t attempt);
  net::Task<ApiResult> edit(const Shipment& shipment);
  net::Task<ApiResult> end_stream(const Shipment& shipment);
  // Where the message cannot be changed: what it was to say, in a message of its own.
  net::Task<ApiResult> post_whole(const Shipment& shipment);
  net::Task<ApiResult> upload(const Shipment& shipment, std::uint64_t attempt);
  // Of a file whose bytes are at Slack: its id, and how long ago it was to be shared.
  struct Uploaded {
    std::string file;
    std::chrono::seconds age = std::chrono::seconds::max();
  };
  net::Task<net::Result<Uploaded>> uploaded(std::string key);
  // Without its blocks where Slack does not take them.
  net::Task<ApiResult> say(std::string method, std::string args, std::string token);
  net::Task<std::optional<std::string>> state_of(std::string key);
  net::Task<> let_go(std::string key);
  net::Task<> look_for(Shipment shipment, sdk::Sending sending);
  net::Task<std::optional<Arrival>> where(std::string key);
  void keep(const std::string& key, Arrival arrival);
  void drop(std::string_view key);
  // As far as this life knows.
  bool is_of_another(const Arrival& at, std::string_view key) const;
  void wake(const std::string& key, const std::string& refused = {});
  std::string token(std::string_view team) const;

  net::Loop& loop_;
  WebApi& api_;
  Installations& installations_;
  sdk::Delivery delivery_;
  chat::Shelf shelf_;
  sdk::Log log_;
  struct Kept {
    Arrival at;
    std::uint64_t number = 0;  // in in_order_
  };
  std::map<std::string, Kept, std::less<>> arrived_;
  std::map<std::uint64_t, std::string> in_order_;  // the oldest is forgotten first
  std::uint64_t last_number_ = 0;
  std::map<std::string, Stream, std::less<>> streams_;  // by the key of what began them
  std::function<void(const Shipment& shipment, const ApiFailure& why)> refused_;
  // Who waits for a key; woken when it has arrived or never will.
  struct Waiting {
    boost::asio::steady_timer timer;
    std::string refused;
  };
  std::multimap<std::string, std::shared_ptr<Waiting>> waiting_;
};

}  // namespace viaduct::slack
