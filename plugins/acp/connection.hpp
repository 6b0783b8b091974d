// One agent process and the JSON-RPC with it: lines out in order, lines in dispatched strictly in
// the order of the wire, requests matched with their answers. On the loop's thread; owned by an
// Agent, kept alive by its own coroutines until the process is gone.
#pragma once

#include "plugins/acp/config.hpp"
#include "plugins/acp/rpc.hpp"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <viaduct/net/child_process.hpp>
#include <viaduct/net/loop.hpp>

namespace viaduct::acp {

namespace asio = boost::asio;

// Why a request has no result: the agent's own error, or none of its words.
struct CallError {
  bool answered = false;  // by the agent, with `rpc`
  bool unread = false;    // it has ended, and never read the request, for certain
  RpcError rpc;
  sdk::Status status;  // of what was not answered: kUnavailable (it died), kTimeout
};
using CallResult = std::expected<std::string, CallError>;  // JSON text of the result

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Calls come one after the other, each inside of the dispatch of its line.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void notified(std::string_view method, std::string_view params) = 0;
    // To be answered by `answer` or `refuse` with this id.
    virtual void requested(const std::string& id, std::string_view method,
                           std::string_view params) = 0;
    // A line that is no message: noise.
    virtual void skipped() = 0;
    // The process is gone; what waited for an answer was told before. Once, the last call.
    virtual void ended(std::string why) = 0;
  };

  // kFailedPrecondition: no such program. `events` must live until ended() or the loop's end.
  static net::Result<std::shared_ptr<Connection>> start(net::Loop& loop, const Config& config,
                                                        Events& events);
  ~Connection();

  // `done` is called once, inside of the dispatch of the answer's line, or when the time is over
  // (0: never) or the process is gone. The id names the request until then.
  std::uint64_t request(std::string_view method, std::string_view params,
                        std::chrono::milliseconds limit, std::function<void(CallResult)> done);
  // So long from now on, in place of the limit that it had.
  void prolong(std::uint64_t id, std::chrono::milliseconds limit);
  void notify(std::string_view method, std::string_view params);
  void answer(std::string_view id, std::string_view result);
  void refuse(std::string_view id, std::int64_t code, std::string_view message);

  // While anybody holds it, nothing more is read, and the agent waits.
  void hold(bool held);

  // End of its input, then TERM, then KILL to the whole group: within 5 s.
  void stop();
  // KILL at once.
  void kill();

  pid_t pid() const;
  bool is_open() const { return open_; }
  // The last that it wrote to its standard error, without secrets.
  std::string error_output() const;

 private:
  struct Call {
    std::string method;
    std::function<void(CallResult)> done;
    std::uint64_t place = 0;  // in all that is written
    std::chrono::steady_clock::time_point began;
    std::unique_ptr<asio::steady_timer> timer;
  };

  Connection(net::Loop& loop, const Config& config, Events& events);
  net::Task<> read();
  net::Task<> write();
  net::Task<> end();
  void dispatch(const net::ChildLine& line);
  void answered(const Incoming& message);
  void late(std::uint64_t id);
  void send(std::string line);
  void fail_calls(const sdk::Status& status);

  net::Loop& loop_;
  const std::vector<std::string> secrets_;
  const std::string name_;  // of the program
  Events* events_;
  std::unique_ptr<net::ChildProcess> child_;
  std::unordered_map<std::uint64_t, Call> calls_;
  std::uint64_t last_id_ = 0;
  std::deque<std::string> out_;
  std::size_t out_bytes_ = 0;
  std::uint64_t sent_ = 0;  // bytes, since the start
  bool flooded_ = false;    // it asks and does not read: it has to wait
  asio::steady_timer to_write_;
  asio::steady_timer to_read_;
  std::size_t held_ = 0;
  bool open_ = true;       // the process may still speak
  bool stopping_ = false;  // nothing more is written
};

}  // namespace viaduct::acp
