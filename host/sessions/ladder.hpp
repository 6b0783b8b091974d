// Decides how a lost session is had back: native, transcript, fresh, or not at all (architecture:
// "the ladder"). Pure: it says what to do next, the conversation does it and reports. A value for
// one resume.
#pragma once

#include "host/error.hpp"
#include "host/sessions/backend.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace viaduct::sessions {

class Ladder {
 public:
  struct Facts {
    ResumePolicy policy;
    bool can_restore = false;
    bool has_native = false;     // an id, of this agent type, not given up
    std::string native_refused;  // why the id is not offered although there is one; empty: it is
    const char* refused_cause = "";  // the same in one word
    bool has_transcript = false;     // something was said
    std::uint32_t failures =
        0;  // resumes that failed for a transient cause, since the last good one
  };

  enum class Step { restore, inject, open, wait, fail };
  struct Action {
    Step step = Step::fail;
    std::chrono::milliseconds wait{0};  // then call again()
    Error error;                        // of fail
  };

  explicit Ladder(Facts facts) : facts_(std::move(facts)), failures_(facts_.failures) {}

  Action begin();
  Action again();                     // the wait is over
  Action failed(const Error& error);  // the last step failed

  // Once a step has succeeded: "native", "transcript" or "fresh", and why it was no better one.
  std::string rung() const;
  const std::string& reason() const { return reason_; }
  // Why it was no better rung, or why it failed, in one word (for metrics); empty: no reason.
  const char* cause() const { return cause_; }
  bool lost_context() const { return rung_ == Rung::fresh && facts_.has_transcript; }

  std::uint32_t failures() const { return failures_; }  // to be stored when the ladder ends
  bool native_given_up() const { return native_given_up_; }

 private:
  enum class Rung { native, transcript, fresh };
  Action present() const;
  Action enter_transcript(std::string reason, const char* cause);
  Action enter_fresh(std::string reason, const char* cause);

  Facts facts_;
  Rung rung_ = Rung::native;
  std::uint32_t attempt_ = 0;
  std::uint32_t failures_;
  bool native_given_up_ = false;
  std::string reason_;
  const char* cause_ = "";
};

// Errors that may go away by themselves: the session may still be had.
bool is_transient(Errc code);

}  // namespace viaduct::sessions
