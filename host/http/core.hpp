// What all connections of a server share: mounts, pages, open exchanges, deadlines, counters. On
// the loop, but for what is marked [any-thread]. Kept alive by its own asynchronous work.
#pragma once

#include "host/http/deadlines.hpp"
#include "host/http/exchanges.hpp"
#include "host/http/response.hpp"
#include "host/http/routes.hpp"
#include "host/http/server.hpp"
#include "host/http/stream.hpp"
#include "host/http/uri.hpp"
#include "host/loop.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::http {

// Counts of answers that were not reported to Metrics yet.
struct Traffic {
  explicit Traffic(std::string name) : seconds_labels{{"mount", name}}, mount(std::move(name)) {}
  Metrics::Labels seconds_labels;
  std::string mount;
  std::map<std::pair<std::string, unsigned>, std::uint64_t> answers;  // by method and status
};

struct MountState {
  MountState(std::string mount_name, Handler& mount_handler)
      : name(mount_name), handler(&mount_handler), traffic(std::move(mount_name)) {}
  const std::string name;
  Handler* handler;  // null once the mount is gone
  Traffic traffic;
  std::mutex mutex;  // guards `table`: plugins add routes from their own threads
  RouteTable table;
};

// The header of a request, before it is known what becomes of it.
struct RequestHead {
  std::string method;
  std::string target;
  std::vector<Header> headers;  // names in lower case
  unsigned version = 11;
  std::string_view header(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

// What is to be done with a request.
struct Plan {
  std::optional<Response> answer;  // this, at once; or else
  Server::Page* page = nullptr;    // a page of the host; or
  std::shared_ptr<MountState> mount;
  std::shared_ptr<const StaticFile> file;  // a file of the mount; or one of its routes:
  std::uint64_t token = 0;
  std::uint32_t flags = 0;
  std::vector<Header> params;
  std::string method;
  std::string target;  // as it came, without the query
  std::string path;    // decoded
  std::string below;   // the mount
  std::string query;
  std::string websocket_key;
  bool forwarded = false;  // a proxy says that it passed it on
  bool last = false;       // where the next request begins cannot be told
};

struct Command {
  enum class Kind : std::uint8_t { respond, begin, write, finish, accept, send, close };
  Kind kind;
  ExchangeId id;
  std::uint16_t code = 0;
  std::string text;
  Response response;
};

// A request's or message's cost in a queue: its bytes and what keeping them costs.
inline std::size_t queue_cost(std::size_t bytes) {
  return bytes + 64;
}

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(Loop& loop, Options options, Metrics& metrics, Logger log);

  Result<> start();
  std::string address(bool webhooks) const;
  std::shared_ptr<MountState> mount(std::string name, Handler& handler);
  void unmount(MountState& mount);
  // [any-thread] `path` from the root leads to the mount as well.
  Result<> add_alias(const std::string& path, const std::shared_ptr<MountState>& mount);
  void page(std::string path, Server::Page page);
  void drain(std::chrono::milliseconds limit, Done<> done);
  // Closes everything; nothing is called after it.
  void shut_down();

  // [any-thread]
  void submit(Command command);
  Exchanges& exchanges() { return exchanges_; }

  // For connections.
  Plan plan(const RequestHead& head, bool webhooks);
  const Limits& limits() const { return options_.limits; }
  const Logger& log() const { return log_; }
  std::span<char> scratch() { return scratch_; }
  std::string_view date();
  std::string next_request_id();
  ExchangeId next_exchange() { return ++last_exchange_; }
  bool draining() const { return draining_; }
  Loop& loop() { return loop_; }
  Traffic& host_traffic() { return host_traffic_; }
  void count(Traffic& traffic, std::string_view method, unsigned status, double seconds);
  void watch(Deadline& what, Clock::time_point when) { deadlines_.watch(what, when); }
  void websockets(int change) { websockets_ += change; }
  void flush_metrics();
  // Posts `writable`, since it must not come inside a call of the plugin's.
  void announce_writable(std::shared_ptr<MountState> mount, ExchangeId id);
  void gone(Connection& connection);

 private:
  struct Listener {
    Listener(boost::asio::io_context& context, bool for_webhooks)
        : acceptor(context), retry(context), webhooks(for_webhooks) {}
    boost::asio::ip::tcp::acceptor acceptor;
    boost::asio::steady_timer retry;
    bool webhooks;
    bool is_loopback = false;      // nobody else can reach it
    std::vector<Authority> names;  // what Host may say
    std::string address;
    bool complained = false;  // about errors of accept
  };
  Result<> listen(const std::string& where, bool webhooks);
  void accept(Listener& listener);
  void accepted(Listener& listener, Socket socket);
  void tick();
  void arm_tick();
  void run_commands();
  void execute(Command command);
  bool on_loop() { return loop_.context().get_executor().running_in_this_thread(); }
  std::optional<Response> refusal(const RequestHead& head, const Target& target, bool as_page);
  void drained(Result<> result);

  Loop& loop_;
  Options options_;
  Metrics& metrics_;
  Logger log_;
  std::array<char, 65536> scratch_;  // what is read goes here first; nothing stays

  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<std::string, std::shared_ptr<MountState>, std::less<>> mounts_;
  std::map<std::string, Server::Page, std::less<>> pages_;
  // Addresses of the server itself that a mount answers. Plugins add them from their own threads.
  std::mutex aliases_mutex_;
  std::map<std::string, std::weak_ptr<MountState>, std::less<>> aliases_;
  std::vector<std::shared_ptr<Connection>> connections_;  // each knows its place
  std::size_t refusing_ = 0;
  bool full_ = false;
  Exchanges exchanges_;
  ExchangeId last_exchange_ = 0;

  Deadlines deadlines_;
  boost::asio::steady_timer ticker_;
  bool ticking_ = false;

  std::string id_prefix_;
  std::uint64_t last_request_ = 0;
  std::time_t date_at_ = 0;
  std::string date_;
  Traffic host_traffic_;
  bool metrics_pending_ = false;
  int websockets_ = 0;

  bool draining_ = false;
  bool down_ = false;
  Done<> drain_done_;
  boost::asio::steady_timer drain_timer_;

  std::mutex commands_mutex_;  // guards the two below
  std::vector<Command> commands_;
  bool commands_posted_ = false;
};

}  // namespace viaduct::http
