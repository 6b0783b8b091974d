// What is done about each thing that Slack delivers: whose it is, whether they may, and whether it
// is for a session, for the bridge, or for nobody. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/slack/config.hpp"
#include "plugins/slack/directory.hpp"
#include "plugins/slack/event.hpp"
#include "plugins/slack/home.hpp"
#include "plugins/slack/network.hpp"
#include "plugins/slack/reading.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

class Inbound {
 public:
  Inbound(chat::World& world, chat::Conversations& conversations, chat::Commands& commands,
          const SlackNetwork& network, WebApi& api, const Installations& installations,
          Directory& directory, const Config& config);

  // Before the inbox: nothing is to be done about it, so it need not be kept.
  bool is_nothing(const Request& request) const;
  // By which it is known when it comes again; the first is its name.
  std::vector<std::string> keys(const Request& request) const;
  // What must be handled in order.
  std::string lane(const Request& request) const;
  net::Task<> handle(Request request, std::chrono::milliseconds age);

  // Somebody says that the installation is gone; what the token says decides.
  void on_uninstalled(std::function<void(const std::string& team)> told) {
    uninstalled_ = std::move(told);
  }
  // Whether something of a lane has come and has not been dealt with.
  void on_busy(std::function<bool(const std::string& lane)> asked) { is_busy_ = std::move(asked); }

 private:
  net::Task<> message(std::string key, Workspace workspace, Message message,
                      std::chrono::milliseconds age);
  net::Task<> slash(std::string key, SlashCommand command, std::chrono::milliseconds age);
  net::Task<> actions(std::string key, BlockActions actions, std::chrono::milliseconds age);
  net::Task<> shortcut(std::string key, MessageAction action, std::chrono::milliseconds age);
  net::Task<> stopped(std::string key, Workspace workspace, SessionStopped stopped);
  net::Task<> deleted(Workspace workspace, MessageDeleted deleted);

  // Who asks, if they may; they have been told if they may not, or if nobody can say who they are.
  // `answer`: strangers are answered, too. `user_team`: where Slack says that they are from, if it
  // does.
  net::Task<std::optional<chat::Asker>> admit(chat::Asker asker, bool answer,
                                              std::string user_team);
  // Whether it has waited too long to be run; the person has been told.
  net::Task<bool> is_too_old(chat::Asker asker, std::chrono::milliseconds age, std::string words);
  // The message whose files are still being fetched there is not to be run. False: there is none.
  bool drop_prepared(const chat::Place& place);

  const Installation* workspace(const Workspace& of) const;
  Self self(const Installation& installation) const;
  bool is_bound(const chat::Place& place) const;
  // Whether it is in a channel that a session has as a whole.
  bool is_in_own_channel(const std::string& team, const Message& message) const;
  // Where a message belongs: its thread, or the one that it may begin; at the top of a channel that
  // a session has as a whole, that.
  chat::Place place_of(const std::string& team, const Message& message) const;
  chat::Place place_of(const Workspace& of, const Message& message) const;
  // A sign of life, before its session has the message and shows one itself.
  void sign(const chat::Place& place, const std::string& message, chat::Life life);
  void look_at(const std::string& team, const std::string& user, const std::string& channel);
  // What a person has open in Slack, as context, or empty.
  net::Task<std::string> seen_by(std::string team, std::string user);
  // Words that stop what is running: they do not wait behind what is still being prepared.
  bool stops(const Message& message, const std::string& bot) const;
  // Plain ids in the configuration mean people of this workspace.
  bool is_own(std::string_view team) const;

  chat::World& world_;
  chat::Conversations& conversations_;
  chat::Commands& commands_;
  const SlackNetwork& network_;
  const Installations& installations_;
  const Config& config_;
  Home home_;
  Reading reading_;
  std::function<void(const std::string& team)> uninstalled_;
  std::function<bool(const std::string& lane)> is_busy_;
  std::map<std::string, std::shared_ptr<bool>> prepared_;  // by place; true: drop it
  std::map<std::string, std::string> looks_at_;            // channel, by team and person
};

}  // namespace viaduct::slack
