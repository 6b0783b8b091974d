// What answers instead of Slack in the simulator: the Web API as far as this plugin calls it, and
// the deliveries that follow from what a person does in the page, as Socket Mode's. Everything else
// of the plugin is what it is with Slack. On the loop's thread; owned by the plugin, and by the
// WebApi as its carrier.
#pragma once

#include "plugins/slack/carrier.hpp"
#include "plugins/slack/form.hpp"
#include "plugins/slack/simulator/workspace.hpp"
#include "plugins/slack/socket_mode.hpp"

#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack::simulator {

// No address of anybody: nothing leaves this process.
inline constexpr std::string_view kBase = "https://simulator.invalid/api/";
inline constexpr std::string_view kToken = "xoxb-simulator";

class StandIn final : public Carrier, public std::enable_shared_from_this<StandIn> {
 public:
  using Deliver = std::function<void(Envelope envelope, SocketModeOptions::Ack ack)>;
  // A part of what snapshot() has, which takes the place of what was there by that name or ts.
  using Watcher = std::function<void(const std::string& change)>;

  explicit StandIn(std::string command) : command_(std::move(command)) {}

  // Before anything else. Nothing is delivered until then.
  void connect(Deliver deliver) { deliver_ = std::move(deliver); }
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }

  net::Task<net::HttpResult<net::HttpResponse>> fetch(net::HttpRequest request) override;

  // All of it, as a JSON object.
  std::string snapshot();
  // What somebody does, a JSON object: {"as","do","channel",…}. The error is for them.
  std::expected<void, std::string> act(std::string_view json);
  // A thread that is bound since before a restart: of what was said there, only the place is left.
  void recall(const std::string& channel, const std::string& thread);

 private:
  struct ReplyPlace {  // of a response_url
    std::string id;
    std::string channel;
    std::string thread;
    std::string user;
    std::string message;  // that it replaces; empty: a slash command's
  };
  struct Upload {
    std::string id;
    std::string name;
    std::string words;
    std::string bytes;  // of a picture, its data: address
    bool is_there = false;
  };

  net::HttpResponse answer(const net::HttpRequest& request);
  std::string called(std::string_view method, const Form& form);
  std::string posted(const Form& form, bool is_stream);
  std::string whispered(const Form& form);
  std::string updated(const Form& form);
  std::string grown(const Form& form, bool ends);
  std::string listed(const Form& form, bool is_thread);
  std::string reacted(const Form& form, bool add);
  std::string made_channel(const Form& form);
  std::string completed(const Form& form);
  std::string shown_home(const Form& form);
  std::string shown_status(const Form& form);
  std::string responded(const ReplyPlace& place, std::string_view json);

  void say(const Person& who, Channel& channel, const std::string& thread, std::string_view typed);
  void slash(const Person& who, const Channel& channel, std::string_view typed);
  std::expected<void, std::string> press(const Person& who, const Channel& channel,
                                         const Message& message, std::string_view action,
                                         std::string_view option);
  void send_message(const Person& who, const Channel& channel, const Message& message);
  void invite(const Person& who, Channel& channel);
  void event(const std::string& event_json);
  void deliver(std::string type, std::string payload, SocketModeOptions::Ack ack = {});
  std::string new_reply(ReplyPlace place);  // the response_url

  Message& add(Message message);
  void changed(const Message& message);
  void tell(std::string_view part, const std::string& items);

  const std::string command_;
  Deliver deliver_;
  Watcher watcher_;
  Workspace workspace_;
  std::deque<ReplyPlace> replies_;
  std::deque<Upload> uploads_;
  std::map<std::string, std::string> homes_;     // blocks, by person
  std::map<std::string, std::string> statuses_;  // by channel and thread
  std::map<std::string, std::string> prompts_;   // by channel
};

}  // namespace viaduct::slack::simulator
