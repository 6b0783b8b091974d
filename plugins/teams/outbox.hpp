// What goes out to Teams and must arrive: on disk first, in order for each conversation, never
// posted twice blindly (host/delivery). Knows where each message is that it has posted in this
// life, and the streams that are open. On the loop's thread; owned by the plugin.
//
// Teams has no way to look whether a message has arrived. A post that was cut off stays ambiguous,
// and the host tells the Sender (`undelivered`). The first words of an answer (kBegin) are an
// exception: nothing is lost with them, so that they count as arrived at an unknown place, and
// their kEnd posts the whole as a new message, by a shipment with a key of its own.
#pragma once

#include "plugins/teams/files.hpp"
#include "plugins/teams/shipment.hpp"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <viaduct/chat/posts.hpp>
#include <viaduct/chat/shelf.hpp>
#include <viaduct/net/loop.hpp>
#include <viaduct/sdk/delivery.hpp>

namespace viaduct::teams {

class Outbox {
 public:
  struct Times {
    std::chrono::milliseconds longest_stream{100'000};  // the service ends it after two minutes
    std::chrono::milliseconds between_frames{1500};
    // At what Teams fails at, and does not say why: half an hour with the pauses between, in which
    // nothing else is said there.
    std::uint64_t most_attempts = 35;
  };

  Outbox(const sdk::Host& host, net::Loop& loop, Connector& connector, Files& files);
  Outbox(const sdk::Host& host, net::Loop& loop, Connector& connector, Files& files, Times times);

  struct Posted {
    bool is_new = false;
    std::string state;  // as the host has it: "ready", "sent", …
    std::optional<Arrival> arrival;
  };
  // On disk when it is done; a known key is posted once only, whatever it says now.
  net::Task<net::Result<Posted>> post(Shipment shipment);
  // As the host has it; empty: it does not know it; nullopt: it does not say.
  net::Task<std::optional<std::string>> state_of(std::string key);
  // Where the message of this key is, once it has arrived in this life, or `post` has said so.
  std::optional<Arrival> arrived(std::string_view key) const;
  void forget(std::string_view key);
  // The same, once it is known; the error: why it will not arrive, or that it has not by `limit`.
  net::Task<std::expected<Arrival, std::string>> wait_for(std::string key,
                                                          std::chrono::milliseconds limit);

  // Told of a shipment that Teams will not have. kTargetGone: the conversation is dead for the bot.
  void on_refused(std::function<void(const Shipment& shipment, const Failure& why)> told) {
    refused_ = std::move(told);
  }
  // The person has stopped the stream that kBegin with this key began: its turn is to be cancelled,
  // and its end is not shown.
  void on_cancelled(std::function<void(const std::string& key)> told) {
    cancelled_ = std::move(told);
  }

  // Who gets words to a person who is among others (kAlone); kept until it has succeeded or has
  // been refused for good.
  void on_alone(std::function<net::Task<CallResult>(Shipment shipment)> deliver) {
    alone_ = std::move(deliver);
  }

  // ---- what changes a message while it grows: tried once, and nothing depends on it
  // Whether a new answer there would be streamed now.
  bool streams(const Destination& to) const;
  // The stream of this key shows `text` now, or soon. False: it takes no more, and is to be ended
  // (close) or changed by `update`.
  net::Task<bool> grow(std::string key, std::string text);
  // Ends the stream of this key with what it has; the message can be updated after that. False: it
  // was over.
  net::Task<bool> close(std::string key);
  net::Task<bool> update(Destination to, std::string key, std::string activity);

  // ---- sdk::Sender
  void send(const sdk::Parcel& parcel, sdk::Sending sending);
  void reconcile(const sdk::Parcel& parcel, sdk::Sending sending);

 private:
  using Clock = std::chrono::steady_clock;
  struct Stream {
    Destination to;
    std::string format;  // the activity that began it
    std::string id;
    std::string said;  // what it may have been given
    std::uint64_t sequence = 1;
    Clock::time_point begun, changed;
    int failures = 0;  // one after the other
    bool open = true;
    bool cancelled = false;
    bool busy = false;  // a frame is under way: at most one
    std::shared_ptr<boost::asio::steady_timer> idle;
  };

  net::Task<> deliver(Shipment shipment, std::uint64_t attempt, sdk::Sending sending);
  net::Task<CallResult> perform(const Shipment& shipment);
  net::Task<CallResult> begin(const Shipment& shipment);
  net::Task<CallResult> edit(const Shipment& shipment);
  net::Task<CallResult> end(const Shipment& shipment);
  net::Task<CallResult> finish(const Shipment& shipment, std::string id);
  net::Task<> settled(std::string key);
  net::Task<CallResult> post_whole(const Shipment& shipment);
  net::Task<CallResult> upload(const Shipment& shipment);
  net::Task<CallResult> show_picture(const Shipment& shipment);
  net::Task<> let_go(Shipment shipment);
  net::Task<> look_at(Shipment shipment, sdk::Sending sending);
  net::Task<std::optional<Arrival>> where(std::string key);
  void was_cancelled(const std::string& key);
  Stream* stream(std::string_view key);
  void tidy();

  net::Loop& loop_;
  Connector& connector_;
  Files& files_;
  const Times times_;
  chat::Posts posts_;
  sdk::Delivery delivery_;
  chat::Shelf shelf_;
  sdk::Log log_;
  std::map<std::string, Stream, std::less<>> streams_;  // by the key of what began them
  std::set<std::string, std::less<>> no_streams_;       // tenants that have none
  std::function<void(const Shipment&, const Failure&)> refused_;
  std::function<void(const std::string&)> cancelled_;
  std::function<net::Task<CallResult>(Shipment)> alone_;
};

}  // namespace viaduct::teams
