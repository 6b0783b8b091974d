// What is done about each thing that Slack delivers: whose it is, whether they may, and whether it
// is for a session, for the bridge, or for nobody. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/slack/config.hpp"
#include "plugins/slack/directory.hpp"
#include "plugins/slack/event.hpp"
#include "plugins/slack/home.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

class Inbound {
 public:
  Inbound(chat::World& world, chat::Conversations& conversations, chat::Commands& commands,
          WebApi& api, const Installations& installations, Directory& directory,
          const Config& config);

  // Before the inbox: nothing is to be done about it, so it need not be kept.
  bool is_nothing(const Request& request) const;
  // By which it is known when it comes again; the first is its name.
  std::vector<std::string> keys(const Request& request) const;
  // What must be handled in order.
  std::string lane(const Request& request) const;
  net::Task<> handle(Request request, std::chrono::milliseconds age);

  // The installation is gone: the token is dead already.
  void on_uninstalled(std::function<void(const std::string& team)> told) {
    uninstalled_ = std::move(told);
  }

 private:
  net::Task<> message(std::string key, Workspace workspace, Message message,
                      std::chrono::milliseconds age);
  net::Task<> slash(std::string key, SlashCommand command);
  net::Task<> actions(std::string key, BlockActions actions);
  net::Task<> shortcut(std::string key, MessageAction action);
  net::Task<> stopped(Workspace workspace, SessionStopped stopped);
  net::Task<> deleted(Workspace workspace, MessageDeleted deleted);

  // Who asks, if they may; they have been told if they may not.
  net::Task<std::optional<chat::Asker>> admit(chat::Asker asker, bool answer);
  // What the agent gets: names instead of ids.
  net::Task<std::string> readable_text(std::string team, std::string text);
  // What others said in the thread before, as JSON, or empty.
  net::Task<std::string> earlier(std::string team, std::string channel, std::string thread,
                                 std::string before);
  // What was posted with a message, as content blocks, or empty; what could not be had is told.
  net::Task<std::string> attachments(chat::Asker asker, std::vector<File> files);

  const Installation* workspace(const Workspace& of) const;
  Self self(const Installation& installation) const;
  bool is_bound(const chat::Place& place) const;

  chat::World& world_;
  chat::Conversations& conversations_;
  chat::Commands& commands_;
  WebApi& api_;
  const Installations& installations_;
  Directory& directory_;
  const Config& config_;
  Home home_;
  std::function<void(const std::string& team)> uninstalled_;
};

}  // namespace viaduct::slack
