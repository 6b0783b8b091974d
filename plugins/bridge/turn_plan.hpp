// What one turn (or one compaction) requests of a model server and when: retries, compaction when
// the conversation no longer fits, and the end. The driver performs the steps. Any thread, one at a
// time.
#pragma once

#include "plugins/bridge/answer.hpp"
#include "plugins/bridge/compaction.hpp"
#include "plugins/bridge/config.hpp"
#include "plugins/bridge/failure.hpp"
#include "plugins/bridge/messages.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::bridge {

// What a session knows; the driver holds one for each.
struct Conversation {
  std::vector<Message> messages;
  std::uint64_t tokens = 0;  // of the messages, as the server last counted; 0: unknown
  std::size_t counted = 0;   // how many of the messages that was
  std::uint32_t turns = 0;   // since it was compacted

  std::uint64_t estimated_tokens() const;
};

class TurnPlan {
 public:
  struct Step {
    enum class Kind { kRequest, kWait, kEnd, kFail };
    Kind kind = Kind::kEnd;
    std::string body{};                 // kRequest
    bool shown = true;                  // kRequest: its answer is for the user
    std::chrono::milliseconds wait{0};  // kWait
    Failure failure{};                  // kFail
    std::string notice{};               // to say before the step, or empty
  };
  // How a request went.
  struct Outcome {
    std::optional<Failure> failure;
    std::string text;   // what was said
    bool said = false;  // also a thought
  };

  // The conversation ends with the message to answer. `random` is from [0, 1).
  TurnPlan(const Llm& llm, Conversation& conversation, std::function<double()> random)
      : llm_(llm), conversation_(conversation), random_(std::move(random)), retry_(llm.retry) {}

  Step answer();                    // the first step of a turn
  Step compact();                   // the first step of a compaction that was asked for
  Step requested(Outcome outcome);  // after kRequest
  Step waited();                    // after kWait

 private:
  enum class Phase { kAnswer, kSummary };
  enum class Why { kDue, kOverflow, kAsked };

  Step request();
  Step begin_compaction(Why why, const Failure& cause);
  Step summarised(Outcome outcome);
  Step after_compaction(std::string notice);
  bool due() const;

  const Llm& llm_;
  Conversation& conversation_;
  std::function<double()> random_;
  Retry retry_;
  Phase phase_ = Phase::kAnswer;
  Why why_ = Why::kDue;
  std::optional<Compaction> compaction_;
  Failure cause_;  // of the compaction
  unsigned overflows_ = 0;
};

}  // namespace viaduct::bridge
