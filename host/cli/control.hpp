// The control socket: how the command line talks to the running host, so that nothing but the host
// opens its database. A Unix socket in the home folder, 0600. One connection is one request and one
// answer, each a line of JSON:
// {"command": …, …} → {"result": …} or {"error": {"code", "message"}}.
#pragma once

#include "host/error.hpp"
#include "host/loop.hpp"
#include "host/telemetry/log.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace viaduct::cli {

struct ControlRequest {
  std::string command;  // "reload", "sessions.list" …
  std::string id{};     // of a session
  std::string before{};
  std::uint64_t entry = 0;
  std::uint32_t limit = 50;
  bool all = false;
  std::vector<std::string> arguments{};  // of "tool.run", whose id is the name of an instance
  std::string backend{};                 // "sessions.discover", "sessions.adopt"
  std::string surface{};                 // "sessions.adopt"
  std::uint64_t older_than_ms = 0;       // "sessions.purge"
  bool dry_run = false;
};

// Serves the socket until it is destroyed. Lives on the loop; `handle` answers with JSON text.
class ControlServer {
 public:
  using Handle = std::function<void(ControlRequest, Done<std::string>)>;
  static Result<std::unique_ptr<ControlServer>> open(Loop& loop, std::string path, Handle handle,
                                                     Logger log);
  ~ControlServer();

 private:
  struct Impl;
  explicit ControlServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// Asks the host behind the socket. Blocks. unavailable: no host is running there.
Result<std::string> ask_host(const std::string& socket, const ControlRequest& request);

// control_json.cpp
std::string to_json(const ControlRequest& request);
Result<ControlRequest> parse_request(std::string_view line);
std::string reply_line(const Result<std::string>& answer);
Result<std::string> parse_reply(std::string_view line);

}  // namespace viaduct::cli
