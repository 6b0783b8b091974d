// What is done about each activity that Teams delivers, whichever way: whose it is, whether they
// may, and whether it is for a session, for the bridge, or for nobody; and what an invoke is
// answered with. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/teams/activity.hpp"
#include "plugins/teams/card.hpp"
#include "plugins/teams/config.hpp"
#include "plugins/teams/files.hpp"
#include "plugins/teams/network.hpp"
#include "plugins/teams/seldom.hpp"

#include <viaduct/chat/commands.hpp>
#include <viaduct/chat/inbox.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::teams {

class Inbound {
 public:
  // What the HTTP response or the socket's answer says.
  using Answer = std::function<void(int status, std::string body)>;

  Inbound(const sdk::Host& host, chat::World& world, chat::Conversations& conversations,
          chat::Commands& commands, TeamsNetwork& network, References& references,
          Connector& connector, Files& files, const Config& config);

  // An activity that is Teams' for certain, and what of it is to be kept. `answer` is told once:
  // when it is safe, of an invoke when it is known what became of it, at the latest after
  // kLongestInvoke.
  void take(Activity activity, std::string_view json, Answer answer);
  // What was received and not dealt with, from before the start.
  net::Task<> catch_up() { return inbox_.catch_up(); }
  void close();

  static constexpr std::chrono::milliseconds kLongestInvoke{2'500};

 private:
  struct Waiting;  // an invoke

  bool is_nothing(const Activity& activity) const;
  void keep(Activity activity, std::string_view json, Answer answer);
  // Answered without being kept; nullopt: it is not one of those.
  std::optional<InvokeAnswer> at_once(const Activity& activity, const Invoke& invoke);
  void settle(const std::string& key, InvokeAnswer answer);
  // What makes the key of an edit that of this one, where the message said the same before.
  std::string version_of(const Activity& activity);

  net::Task<> handle(Activity activity, std::chrono::milliseconds age);
  net::Task<> message(Activity activity, Message message, std::chrono::milliseconds age);
  net::Task<> press(Activity activity, std::string data);
  net::Task<> edited(Activity activity, MessageEdited edited);
  net::Task<> deleted(Activity activity);
  net::Task<> installed(Activity activity, bool is_added);
  net::Task<> greet(Activity activity);
  net::Task<> left(Activity activity);
  net::Task<> ended(Activity activity);
  net::Task<> say_to_session(chat::Asker asker, Activity activity, Message message,
                             std::string text, std::string key);

  chat::Asker asker_of(const Activity& activity) const;
  // Whether a person of a shared chat or a channel is of an allowed tenant and no guest; nullopt:
  // Teams does not say now.
  net::Task<std::optional<bool>> is_own_person(Activity activity);
  // Who asks, if they may. They have been told if they may not (`refuses`), or if nobody knows
  // now (`owns_up`): then they may be one who may, and what they said is lost.
  net::Task<std::optional<chat::Asker>> admit(Activity activity, bool refuses, bool owns_up);
  // What was sent with a message, as content blocks, or empty; what could not be had is told.
  net::Task<std::string> attachments(chat::Asker asker, std::vector<File> files);
  // Tells somebody who may not, if they and the place have had few of such words of late.
  net::Task<> refuse(chat::Asker asker, std::string words);
  // Tells somebody that nobody knows who they are. Of all that they say in a while it is one
  // message, which says how many were lost.
  net::Task<> own_up(chat::Asker asker);
  net::Task<> count_lost(chat::Asker asker);
  net::Task<> turn_away(chat::Asker asker, std::string key, std::string words, std::string of = "");
  bool is_bound(const chat::Place& place) const;

  net::Loop& loop_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  chat::World& world_;
  chat::Conversations& conversations_;
  chat::Commands& commands_;
  TeamsNetwork& network_;
  References& references_;
  Connector& connector_;
  Files& files_;
  const Config& config_;
  chat::Inbox<Activity> inbox_;
  std::map<std::string, std::shared_ptr<Waiting>, std::less<>> invokes_;  // by key
  std::map<std::string, InvokeAnswer, std::less<>> answered_;             // likewise, of late
  struct Version {
    std::string key;  // of the last edit
    std::uint64_t number = 0;
  };
  std::map<std::string, Version, std::less<>> versions_;  // by message
  struct Known {
    bool is_own = false;
    std::chrono::steady_clock::time_point at;
  };
  std::map<std::string, Known, std::less<>> people_;  // by conversation and id
  std::map<std::string, int, std::less<>> lost_;      // messages of late, by place and person
  Seldom lines_;                                      // of the log
  Seldom refused_{std::chrono::minutes(10), 1};       // by place and person
  Seldom told_here_{std::chrono::minutes(10), 10};    // by place
};

}  // namespace viaduct::teams
