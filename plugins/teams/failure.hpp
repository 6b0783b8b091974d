// Why Teams would not do what was asked of it (reference section 3.3), as what must be done about
// it, and what a person is told. Values and pure functions; any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::teams {

enum class Trouble {
  kRetryLater,   // rate limit, overload, network
  kCredentials,  // no token, or none that is taken: nothing works until somebody mends it
  kSetUp,        // a permission or a setting is missing
  kTargetGone,  // the conversation: the bot was removed from it, is blocked there, or it is no more
  kMissing,     // the message or the person that was named is not there
  kTooLarge,    // the message; a shorter one may go
  kStream,      // see StreamTrouble
  kContent,     // what was sent is malformed
  kOther
};

// Why a stream takes no more (section 3.6).
enum class StreamTrouble {
  kNone,
  kCancelled,  // by the person: the agent is to stop, and nothing is to be sent again
  kTimeOver,
  kNotEnabled,  // streams are not for this bot, or not for this kind of conversation
  kPrefix,      // the text is not a continuation of what was sent
  kCompleted,
  kSequence,   // a frame was dropped: a later one came before it
  kNotAllowed  // without a reason
};

struct Failure {
  Trouble trouble = Trouble::kOther;
  StreamTrouble stream = StreamTrouble::kNone;
  int status = 0;       // of HTTP; 0: there was no answer
  std::string error;    // the service's own word; may be empty
  std::string message;  // for a person, with what to do
  // Nothing was done for certain. False: it may have been.
  bool not_done = true;
  std::optional<std::chrono::milliseconds> retry_after = std::nullopt;
};

// What an answer of the service says went wrong.
struct Complaint {
  std::string error;   // "ConversationNotFound"
  std::string detail;  // its words
};
Complaint parse_complaint(std::string_view body);  // both may be empty

// `sends`: it would have made a message; some refusals tell of the conversation only then.
Failure failure_of(int status, const Complaint& complaint, bool sends);

}  // namespace viaduct::teams
