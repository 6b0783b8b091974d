// When to open, ping and replace the connection of Socket Mode to one geography (reference section
// 8). A plain state machine: what happened goes in with the time, what to do comes out. A
// connection is replaced before its token expires, and stays until the new one delivers. Any
// thread, one at a time.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::teams {

struct SocketTimes {
  using Milliseconds = std::chrono::milliseconds;
  Milliseconds ready{30'000};     // from the connection to SocketReady
  Milliseconds ping{15'000};      // between two of ours
  Milliseconds silence{30'000};   // nothing came: it is dead
  Milliseconds renew{60'000};     // so long before the token expires
  Milliseconds leaving{10'000};   // that a connection which was replaced may still deliver
  Milliseconds stable{10'000};    // what ends sooner counts as a failure
  Milliseconds first_wait{1000};  // doubles with each failure; any time up to that
  Milliseconds longest_wait{15'000};
  Milliseconds refused_wait{300'000};  // until somebody has mended the set-up
};

struct SocketEvent {
  enum class Kind {
    kStart,
    kOpened,  // connection and handshake are done, with `expires_in`
    kFailed,  // it could not be opened
    kReady,   // SocketReady
    kLost,    // it is closed or broken
    kTick,    // it is time: see SocketPlan::wake
    kStop
  };
  Kind kind = Kind::kTick;
  int link = 0;
  std::string text{};  // kFailed, kLost: why, for a person
  bool is_final =
      false;  // kFailed, kLost: no other attempt can help until somebody mends something
  std::optional<std::chrono::milliseconds> retry_after{};  // kFailed
  std::chrono::milliseconds expires_in{0};                 // kOpened; 0: not known
};

struct SocketAction {
  enum class Kind {
    kOpen,
    kPing,
    kClose,  // kLost may come of it
    kInfo,   // a line for the log
    kWarn,
    kError
  };
  Kind kind = Kind::kInfo;
  int link = 0;
  std::string text{};
};

class SocketPlan {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Actions = std::vector<SocketAction>;

  // `name`: of the geography, for the log. `chance`: from 0 to 1.
  SocketPlan(std::string name, SocketTimes times, std::function<double()> chance)
      : name_(std::move(name)), times_(times), chance_(std::move(chance)) {}

  // What is not about a link that is known any more is of no effect.
  Actions next(const SocketEvent& event, Time now);
  // When anything came on a link; to be told before each kTick.
  void heard(int link, Time at);
  // When kTick is due.
  std::optional<Time> wake() const;

  bool is_connected() const;
  // For doctor and status: what there is, or why there is nothing.
  std::string words(Time now) const;

 private:
  enum class State { kOpening, kGreeting, kReady, kLeaving };
  struct Link {
    State state = State::kOpening;
    Time since;  // of the state
    Time heard;  // anything came
    Time pinged;
    std::optional<Time> renew;
    bool was_ready = false;
    bool is_replaced = false;  // another one is on its way
  };

  void open(Actions& actions, Time now);
  void ready(Actions& actions, int id, Time now);
  void ended(Actions& actions, const SocketEvent& event, Time now);
  void tick(Actions& actions, Time now);
  bool has_fresh_link() const;
  std::chrono::milliseconds backoff();

  const std::string name_;
  const SocketTimes times_;
  const std::function<double()> chance_;
  std::map<int, Link> links_;
  int last_link_ = 0;
  int failures_ = 0;
  bool stopped_ = true;
  std::optional<Time> retry_at_;
  std::optional<Time> uncovered_since_;  // heard on the last link that delivered
  std::string trouble_;                  // why there is no connection
};

}  // namespace viaduct::teams
