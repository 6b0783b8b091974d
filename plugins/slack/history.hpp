// What was said while there was no connection: it is read from the threads with sessions and from
// the channels and direct messages that the bot is in, and goes through the inbox like everything
// else, which knows what has come. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/slack/inbound.hpp"
#include "plugins/slack/inbox.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

class History {
 public:
  using Time = std::chrono::system_clock::time_point;

  History(chat::World& world, WebApi& api, const Installations& installations, Inbound& inbound,
          Inbox& inbox)
      : world_(world), api_(api), installations_(installations), inbound_(inbound), inbox_(inbox) {}

  // One at a time: what is asked for meanwhile comes after. What cannot be read or kept for the
  // moment is tried again a few times.
  void fill(Time since);
  // There is no gap that is still to be read.
  bool is_idle() const { return !is_running_; }

 private:
  using Places = std::map<std::string, chat::Place>;  // by their keys

  net::Task<> run();
  net::Task<> fill_all(Time since);
  net::Task<> fill_place(chat::Place place, Time since);
  // Into the inbox; how many could not be kept.
  net::Task<std::size_t> keep(std::vector<std::string> events);
  // Adds what the bot is in.
  net::Task<> find_channels(Installation of, Places& channels);
  void failed(const ApiFailure& why);

  chat::World& world_;
  WebApi& api_;
  const Installations& installations_;
  Inbound& inbound_;
  Inbox& inbox_;
  std::optional<Time> next_;
  bool is_running_ = false;
  std::size_t found_ = 0;  // messages
  bool is_to_do_ = false;  // something has failed that may do later
  bool is_last_try_ = false;
};

// Each message of such an answer, from `oldest` on, as an event's payload. A thread's first message
// is in every answer, however old it is.
std::vector<std::string> history_events(std::string_view answer, std::string_view team,
                                        std::string_view app, std::string_view channel,
                                        std::string_view oldest);

}  // namespace viaduct::slack
