#include "plugins/teams/failure.hpp"

#include <array>
#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::teams {
namespace {

constexpr std::size_t kLongestWord = 100;
constexpr std::size_t kLongestDetail = 300;

// What is known of the service's words (reference sections 3.3 and 3.6).
struct Known {
  std::string_view error;  // in lower case; the beginning of it
  Trouble trouble;
  std::string_view words;
};
constexpr std::array kKnown = {
    Known{"conversationnotfound", Trouble::kTargetGone, "the conversation does not exist any more"},
    Known{"botnotinconversationroster", Trouble::kTargetGone,
          "the app is not in this conversation any more; add it again"},
    Known{"conversationblockedbyuser", Trouble::kTargetGone,
          "the person has blocked the app; they can unblock it in Teams"},
    Known{"messagewritesblocked", Trouble::kTargetGone,
          "the person has blocked the app, or nobody may write in this conversation"},
    Known{"botdisabledbyadmin", Trouble::kTargetGone,
          "an administrator has blocked the app; it is allowed in the Teams admin centre under "
          "Manage apps"},
    Known{"activitynotfoundinconversation", Trouble::kMissing, "the message is not there any more"},
    Known{"membernotfoundinconversation", Trouble::kMissing,
          "the person is not in this conversation"},
    Known{"messagesizetoobig", Trouble::kTooLarge, "the message is too long for Teams"},
    Known{"notenoughpermissions", Trouble::kSetUp,
          "the app lacks a permission for that; add it to the manifest and install the app again"},
    Known{"invalidbotapihost", Trouble::kSetUp,
          "the tenant is in another cloud; set cloud or endpoints.service_hosts"},
    Known{"botnotregistered", Trouble::kCredentials,
          "Teams does not know the bot: check app_id, and that the Teams channel is switched on in "
          "the bot's registration"},
};

struct KnownStream {
  std::string_view detail;  // in lower case
  StreamTrouble trouble;
  std::string_view words;
};
constexpr std::array kStreams = {
    KnownStream{"canceled by user", StreamTrouble::kCancelled, "the person has stopped the answer"},
    KnownStream{"cancelled by user", StreamTrouble::kCancelled,
                "the person has stopped the answer"},
    KnownStream{"exceeded streaming time", StreamTrouble::kTimeOver,
                "the answer has grown for longer than Teams lets it"},
    KnownStream{"already completed", StreamTrouble::kCompleted, "the stream has ended"},
    KnownStream{"previously streamed content", StreamTrouble::kPrefix,
                "the text does not continue what was sent"},
};

bool says(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

const KnownStream* known_stream(std::string_view detail) {
  for (const KnownStream& one : kStreams)
    if (says(detail, one.detail)) return &one;
  return nullptr;
}

Failure plain(Trouble trouble, int status, bool not_done, std::string message) {
  Failure failure;
  failure.trouble = trouble;
  failure.status = status;
  failure.not_done = not_done;
  failure.message = std::move(message);
  return failure;
}

Failure by_status(int status) {
  const std::string number = std::to_string(status);
  switch (status) {
    case 401:
      return plain(Trouble::kCredentials, status, true,
                   "Teams does not accept the bot's token; check app_id, tenant_id, and that the "
                   "secret or certificate belongs to them");
    case 403:
      return plain(Trouble::kSetUp, status, true,
                   "Teams does not allow it; check that the app is installed there and has the "
                   "permissions of its manifest");
    case 408:
      return plain(Trouble::kRetryLater, status, false,
                   "Teams took too long (408); it is tried again");
    case 412:
      return plain(Trouble::kRetryLater, status, true,
                   "Teams was busy with the same conversation; it is tried again");
    case 413: return plain(Trouble::kTooLarge, status, true, "the message is too long for Teams");
    case 429:
      return plain(Trouble::kRetryLater, status, true,
                   "Teams takes no more at the moment (429); it is tried again");
    case 502:
    case 504:
      return plain(Trouble::kRetryLater, status, false,
                   "Teams did not answer in time (" + number + ")");
    case 503:
      return plain(Trouble::kRetryLater, status, true,
                   "Teams is overloaded (503); it is tried again");
    default: break;
  }
  if (status >= 500)
    return plain(Trouble::kOther, status, false, "Teams has failed (" + number + ")");
  if (status >= 300 && status < 400)
    return plain(Trouble::kSetUp, status, true,
                 "the service is elsewhere (" + number + "); check endpoints.service_hosts");
  if (status == 400) return plain(Trouble::kContent, status, true, "Teams does not understand it");
  return plain(Trouble::kOther, status, status >= 400, "Teams answered " + number);
}

}  // namespace

Complaint parse_complaint(std::string_view body) {
  constexpr std::size_t kMostOfIt = 64 << 10;
  if (body.empty() || body.size() > kMostOfIt) return {};
  const chat::Value all = chat::Value::parsed(body);
  const chat::Value error = all.at("error");
  Complaint complaint{error.is_object() ? error.text("code") : error.text(),
                      error.is_object() ? error.text("message") : std::string()};
  if (complaint.detail.empty()) complaint.detail = all.text("message");
  // {"errorCode":209,"message":"{\"subCode\":\"MessageWritesBlocked\",…}"}
  const chat::Value inner = chat::Value::parsed(complaint.detail);
  if (const std::string sub = inner.text("subCode"); !sub.empty()) {
    complaint.error = sub;
    complaint.detail = inner.text("details");
  }
  return complaint;
}

Failure failure_of(int status, const Complaint& complaint, bool sends) {
  const std::string error = chat::lower(complaint.error), detail = chat::lower(complaint.detail);
  Failure failure = by_status(status);
  failure.error = net::one_line(complaint.error, kLongestWord);
  const auto is = [&](std::string_view word) { return error.starts_with(word); };
  const auto set = [&](Trouble trouble, std::string_view words) {
    failure.trouble = trouble;
    failure.message = words;
  };
  const auto set_stream = [&](StreamTrouble why, std::string_view words) {
    set(Trouble::kStream, words);
    failure.stream = why;
    failure.not_done = true;
  };
  if (is("contentstreamsequenceorder")) {
    set_stream(StreamTrouble::kSequence, "a frame came too late");
  } else if (says(detail, "streaming api is not enabled")) {
    set_stream(StreamTrouble::kNotEnabled, "answers cannot be streamed here");
  } else if (is("contentstream")) {
    if (says(detail, "size too large"))
      set(Trouble::kTooLarge, "the message is too long for Teams");
    else if (const KnownStream* known = known_stream(detail))
      set_stream(known->trouble, known->words);
    else
      set_stream(StreamTrouble::kNotAllowed, "answers cannot be streamed here now");
  } else if (is("forbiddenoperation") && sends) {
    set(Trouble::kTargetGone,
        "the app is not installed in this conversation any more; add it again");
  } else if (status < 500 && status != 429) {
    for (const Known& known : kKnown)
      if (is(known.error)) set(known.trouble, known.words);
  }
  if (!complaint.error.empty() || !complaint.detail.empty()) {
    failure.message += " [" + (failure.error.empty() ? std::to_string(status) : failure.error);
    if (!complaint.detail.empty())
      failure.message += ": " + net::one_line(complaint.detail, kLongestDetail);
    failure.message += "]";
  }
  return failure;
}

}  // namespace viaduct::teams
