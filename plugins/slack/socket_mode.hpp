// Slack's Socket Mode: events come over WebSockets that this process opens, so that it needs no
// public address. It keeps one open at all times, as SocketPlan has it; what comes is handed on and
// acknowledged when its receiver says so. On the loop's thread.
#pragma once

#include "plugins/slack/socket_plan.hpp"
#include "plugins/slack/web_api.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <viaduct/net/loop.hpp>

namespace viaduct::slack {

struct Envelope {
  std::string type;            // events_api, slash_commands, interactive
  std::string payload;         // JSON, as the body of HTTP mode
  bool takes_payload = false;  // the acknowledgement may carry an answer
  unsigned retry = 0;          // how often Slack has sent it before; it may never have arrived
};

struct SocketModeOptions {
  // Acknowledges, on the connection that it came by: once, and only when the event is safe. Without
  // it Slack sends an event again. `answer`: JSON, or empty. Any number of times and at any time
  // later; what is too late is of no effect.
  using Ack = std::function<void(std::string answer)>;
  std::function<void(Envelope envelope, Ack ack)> receive{};
  // There was no connection since then, and there is one again: Slack does not send everything of
  // that time again. May be empty.
  std::function<void(std::chrono::system_clock::time_point since)> gap{};
  // There is a connection, and there was none; after `gap`. May be empty.
  std::function<void()> connected{};
  // For the log. kInfo, kWarn, kError.
  std::function<void(SocketAction::Kind level, const std::string& line)> log{};
  SocketTimes times{};
};

class SocketMode {
 public:
  // `api` outlives it.
  SocketMode(net::Loop& loop, WebApi& api, std::string app_token, SocketModeOptions options);
  // At once, without a close.
  ~SocketMode();
  SocketMode(const SocketMode&) = delete;
  SocketMode& operator=(const SocketMode&) = delete;

  void start();
  // Closes in order; over within about a second. Nothing is received from now on.
  net::Task<> stop();

  bool is_connected() const;
  // One line for doctor: what there is, or why there is nothing.
  std::string words() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace viaduct::slack
