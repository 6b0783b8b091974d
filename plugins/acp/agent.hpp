// One agent process that has shaken hands, and which of its sessions a message is for. On the
// loop's thread; owned by Agents, and by every session that it holds.
#pragma once

#include "plugins/acp/connection.hpp"
#include "plugins/acp/protocol.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace viaduct::acp {

class Agent final : public std::enable_shared_from_this<Agent>, Connection::Events {
 public:
  // One session of it. All in the order of the wire.
  class Session {
   public:
    virtual ~Session() = default;
    virtual void updated(Update update) = 0;
    virtual void requested(const std::string& id, std::string_view method,
                           std::string_view params) = 0;
    // A request of the agent needs no answer any more ($/cancel_request).
    virtual void withdrawn(const std::string& id) = 0;
    // Whether it is the one that made this request of ours.
    virtual bool made(std::uint64_t /*call*/) const { return false; }
    // The process is gone, or will be in a moment. The last call.
    virtual void agent_ended(const std::string& why) = 0;
  };
  // Whoever owns it: told once when it has ended, `wanted` or by itself.
  using Ended = std::function<void(Agent&, const std::string& why, bool wanted)>;
  using Started = std::function<void(net::Result<>)>;

  Agent(const sdk::Host& host, net::Loop& loop, const Config& config, std::uint64_t generation,
        Ended ended);

  // Starts the process and shakes hands; `started` is told once.
  void start(Started started);
  // Ends the process, first gently. What its sessions waited for has failed when this returns.
  void stop(const std::string& why);
  void kill(const std::string& why);

  bool usable() const { return usable_ && connection_->is_open(); }
  std::uint64_t generation() const { return generation_; }  // told apart from earlier processes
  pid_t pid() const { return connection_ ? connection_->pid() : 0; }
  const AgentCapabilities& can() const { return can_; }
  Connection& connection() { return *connection_; }

  // Requests, with the limit of the handshake's phases.
  std::uint64_t request(std::string_view method, std::string_view params,
                        std::function<void(CallResult)> done);

  // What comes for this native id goes to `session` from now on, first what came early, that is, in
  // the time that a request may take. False: another session has it.
  bool attach(const std::string& native_id, Session& session);
  void detach(const std::string& native_id, const Session& session);
  bool has_sessions() const { return !sessions_.empty(); }

  // While anything is under way it is not idle.
  void begin();
  void finish();
  bool busy() const { return under_way_ > 0; }

  // It tells what was said before after its answer to session/load, not before.
  bool replays_late() const { return replays_late_; }
  void note_late_replay() { replays_late_ = true; }

  void on_idle(std::function<void()> idle) { idle_ = std::move(idle); }

 private:
  void notified(std::string_view method, std::string_view params) override;
  void requested(const std::string& id, std::string_view method, std::string_view params) override;
  void skipped() override { metrics_.count("agent_noise_lines_total"); }
  void ended(std::string why) override;

  void initialized(const CallResult& answer);
  void started(net::Result<> result);
  void lose_sessions(const std::string& why);
  Session* find(const std::string& native_id) const;
  void drop_early();
  void asked(const std::string& id, std::string_view params);

  net::Loop& loop_;
  const Config& config_;
  const std::uint64_t generation_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  Ended ended_;
  Started started_;
  std::shared_ptr<Connection> connection_;
  AgentCapabilities can_;
  bool usable_ = false;
  bool replays_late_ = false;
  bool wanted_end_ = false;
  std::unordered_map<std::string, Session*> sessions_;
  struct Early {
    std::chrono::steady_clock::time_point at;
    std::string native_id;
    std::size_t size = 0;
    std::function<void(Session&)> tell;
  };
  std::size_t early_bytes_ = 0;
  std::deque<Early> early_;  // of sessions whose id is not known yet
  std::size_t under_way_ = 0;
  std::function<void()> idle_;
};

// What an agent's error means for the one who asked.
sdk::Status status_of(const CallError& error, const Config& config);
// It says that it does not know this session.
bool is_unknown_session(const CallError& error);

}  // namespace viaduct::acp
