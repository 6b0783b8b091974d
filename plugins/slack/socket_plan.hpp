// When to open, ping and give up the connections of Socket Mode (reference section 12). A plain
// state machine: what happened goes in with the time, what to do comes out. At least one connection
// stays open while another is replaced; one that is dead is found by its frames, never by quiet.
// Any thread, one at a time.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::slack {

struct SocketTimes {
  using Milliseconds = std::chrono::milliseconds;
  Milliseconds hello{10'000};  // from the upgrade to Slack's hello
  Milliseconds ping{10'000};   // after so much quiet
  Milliseconds dead{30'000};   // without any frame, of these `answer` behind a ping
  Milliseconds answer{10'000};
  Milliseconds leaving{10'000};  // that a connection which Slack gives up may still deliver
  Milliseconds stable{10'000};   // what ends sooner counts as a failure, if it happens often
  Milliseconds first_wait{500};  // doubles with each failure; the first attempt is made at once
  Milliseconds longest_wait{30'000};
  Milliseconds crowded_wait{60'000};    // too many connections
  Milliseconds disabled_wait{300'000};  // until somebody has mended the set-up
};

struct SocketEvent {
  enum class Kind {
    kStart,
    kOpened,      // the upgrade is done
    kFailed,      // it could not be opened
    kHello,       // with `connections`
    kDisconnect,  // Slack gives it up, with `text` as its reason
    kLost,        // it is closed or broken
    kTick,        // it is time: see SocketPlan::wake
    kStop
  };
  Kind kind = Kind::kTick;
  int link = 0;
  int connections = 0;    // kHello: of this app, as Slack counts them
  std::string text{};     // kFailed, kLost: why, for a person; kDisconnect: Slack's word
  bool is_final = false;  // kFailed: no other attempt can help until somebody mends the set-up
  std::optional<std::chrono::milliseconds> retry_after{};  // kFailed
};

struct SocketAction {
  enum class Kind {
    kOpen,
    kPing,
    kClose,  // kLost comes of it
    kGap,    // there was no connection since `since`: what came meanwhile is to be fetched
    kInfo,   // a line for the log
    kWarn,
    kError
  };
  Kind kind = Kind::kInfo;
  int link = 0;
  std::string text{};
  std::chrono::steady_clock::time_point since{};
};

class SocketPlan {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Actions = std::vector<SocketAction>;

  // `chance`: from 0 to 1.
  SocketPlan(SocketTimes times, std::function<double()> chance)
      : times_(times), chance_(std::move(chance)) {}

  // What is not about a link that is known any more is of no effect.
  Actions next(const SocketEvent& event, Time now);
  // When anything came on a link; to be told before each kTick.
  void heard(int link, Time at);
  // When kTick is due; never, without a connection to care for.
  std::optional<Time> wake() const;

  bool is_connected() const;
  // For doctor and status: what there is, or why there is nothing.
  std::string words(Time now) const;

 private:
  enum class State { kOpening, kGreeting, kReady, kLeaving };
  struct Link {
    State state = State::kOpening;
    Time since;                 // of the state
    Time heard;                 // anything came
    std::optional<Time> asked;  // the first ping behind that
    Time last_ping;
    bool was_ready = false;
  };

  void open(Actions& actions, Time now);
  // No link is on its way or there: another attempt, after a while.
  void try_again(Actions& actions, Time now, std::optional<std::chrono::milliseconds> at_least);
  void ended(Actions& actions, int id, const std::string& why, Time now,
             std::optional<std::chrono::milliseconds> at_least = std::nullopt);
  void hello(Actions& actions, int id, int connections, Time now);
  void disconnect(Actions& actions, int id, const std::string& reason, Time now);
  void tick(Actions& actions, Time now);
  bool has_fresh_link() const;
  bool was_stable(const Link& link, Time now) const;
  std::chrono::milliseconds backoff();

  const SocketTimes times_;
  const std::function<double()> chance_;
  std::map<int, Link> links_;
  int last_link_ = 0;
  int failures_ = 0;
  bool stopped_ = true;
  std::optional<Time> retry_at_;
  std::optional<Time> uncovered_since_;  // heard on the last link that delivered
  std::vector<Time> lost_;               // in the last minute; Slack may still count these
  std::vector<Time> greeted_;            // in the last ten minutes
  int others_ = 0;                       // connections that are not ours
  std::string trouble_;                  // why there is no connection
};

}  // namespace viaduct::slack
