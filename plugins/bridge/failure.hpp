// What went wrong with a request to a model server, in words for a person and without secrets, and
// when it is worth trying again. Any thread.
#pragma once

#include "plugins/bridge/config.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::bridge {

// As the plugin ABI numbers them.
enum class Code { kInvalidArgument = 1, kFailedPrecondition = 5, kUnavailable = 7, kInternal = 13 };

struct Failure {
  Code code = Code::kUnavailable;
  std::string message;
  bool transient = false;  // the same request may do better later
  bool overflow = false;   // the conversation no longer fits the model
  std::optional<std::chrono::milliseconds> retry_after;  // what the server asked for
};

// The server answered with an error. `retry_after` and `retry_after_ms`: the headers of these
// names, or empty.
struct Refusal {
  int status = 0;
  std::string_view body, retry_after, retry_after_ms;
};
Failure refused(const Llm& llm, const Refusal& refusal, std::chrono::system_clock::time_point now);

// An error in the middle of a stream; `json` is the event's data.
Failure error_event(const Llm& llm, std::string_view json);

// No connection, a broken one, silence, or something that is no answer. `what` continues "The model
// server …".
Failure broken(const Llm& llm, std::string_view what);

// "5", "1.5" or an HTTP date; nothing for what is neither.
std::optional<std::chrono::milliseconds> parse_retry_after(
    std::string_view value, std::chrono::system_clock::time_point now);

// When to send a request again. One for each request.
class Retry {
 public:
  explicit Retry(const RetryConfig& config) : config_(config) {}
  // After a failure: how long to wait, or nothing when it is not worth it. `random` is from [0, 1).
  std::optional<std::chrono::milliseconds> next(const Failure& failure, double random);

 private:
  RetryConfig config_;
  unsigned failures_ = 0;
};

}  // namespace viaduct::bridge
