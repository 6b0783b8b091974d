// Teams' Socket Mode (reference section 8): activities come over WebSockets that this process
// opens, one to each geography, so that it needs no public address. What comes is handed on and
// answered when its receiver says so. On the loop's thread.
#pragma once

#include "plugins/teams/service_token.hpp"
#include "plugins/teams/socket_plan.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <viaduct/net/loop.hpp>

namespace viaduct::teams {

struct SocketActivity {
  std::string activity;    // JSON
  bool is_invoke = false;  // it waits for an answer with a body
};

struct SocketModeOptions {
  // Answers, on the connection that it came by: once, and only when the activity is safe. `body`:
  // JSON, or empty. Any number of times and at any time later; what is too late is of no effect.
  using Answer = std::function<void(int status, std::string body)>;

  std::string connect;  // Endpoints::connect: https, or http on this computer
  std::string app_id;
  std::vector<std::string> geos{"amer", "emea", "apac"};  // an empty one: without a geography
  std::function<void(SocketActivity activity, Answer answer)> receive{};
  // For the log. kInfo, kWarn, kError.
  std::function<void(SocketAction::Kind level, const std::string& line)> log{};
  SocketTimes times{};
};

class SocketMode {
 public:
  // `token`: outlives it, and what it has begun.
  SocketMode(net::Loop& loop, ServiceToken& token, SocketModeOptions options);
  // At once, without a close.
  ~SocketMode();
  SocketMode(const SocketMode&) = delete;
  SocketMode& operator=(const SocketMode&) = delete;

  void start();
  // Closes in order; over within about two seconds. Nothing is received from now on.
  net::Task<> stop();

  // To every geography.
  bool is_connected() const;
  // One line for doctor: what there is, or why there is nothing.
  std::string words() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace viaduct::teams
