#include "plugins/slack/error_words.hpp"

#include <algorithm>
#include <array>
#include <viaduct/net/text.hpp>

namespace viaduct::slack {
namespace {

using enum ApiTrouble;

struct Known {
  std::string_view error;
  ApiTrouble trouble;
  std::string_view words;  // what it is, and what to do
};

constexpr std::string_view kLater = "Slack has trouble of its own; it is tried again";
constexpr std::string_view kToken =
    "Slack does not accept the token any more; install the app again and put the new token into "
    "the configuration";
constexpr std::string_view kLogin =
    "the workspace asks for more than the token; its administrator must allow the app";
constexpr std::string_view kThreadGone = "the thread is gone; what is said goes on elsewhere only";
constexpr std::string_view kTooLong = "the text is too long for one message; it is sent in parts";
constexpr std::string_view kBlocks = "Slack refused the blocks; the text is sent without them";
constexpr std::string_view kStream = "the streamed message has ended; the rest goes into another";
constexpr std::string_view kChange = "the message cannot be changed any more; a new one is posted";
constexpr std::string_view kPressed = "the button's time is over; press it again";

constexpr auto kKnown = std::to_array<Known>({
    {"ratelimited", kRetryLater, "Slack takes no more for now; it is sent when the limit is over"},
    {"rate_limited", kRetryLater, "Slack takes no more for now; it is sent when the limit is over"},
    {"message_limit_exceeded", kRetryLater,
     "the channel takes no more messages for now; it is sent when the limit is over"},
    {"internal_error", kRetryLater, kLater},
    {"fatal_error", kRetryLater, kLater},
    {"service_unavailable", kRetryLater, kLater},
    {"request_timeout", kRetryLater, kLater},
    {"messaging_processing_failed", kRetryLater, kLater},
    {"team_added_to_org", kRetryLater,
     "the workspace is moving into an organisation; it is tried again"},
    {"external_channel_migrating", kRetryLater, "the channel is moving; it is tried again"},

    {"invalid_auth", kCredentials, kToken},
    {"not_authed", kCredentials, "no token was sent; set bot_token in the configuration"},
    {"account_inactive", kCredentials,
     "the app has been removed from the workspace; install it again"},
    {"token_revoked", kCredentials, kToken},
    {"token_expired", kCredentials,
     "the token's time is over; install the app again, or give client_id and client_secret so that "
     "it can be renewed"},
    {"user_removed_from_team", kCredentials,
     "the app's user has been removed from the workspace; install the app again"},
    {"team_disabled", kCredentials, "the workspace has been switched off"},
    {"org_login_required", kCredentials, kLogin},
    {"two_factor_setup_required", kCredentials, kLogin},
    {"access_denied", kCredentials, kLogin},
    {"team_access_not_granted", kCredentials,
     "the app is not allowed in this workspace of the organisation; its administrator must add it"},
    {"forbidden_team", kCredentials, "the app is not allowed in this workspace"},

    {"missing_scope", kSetUp, "the app lacks a permission"},
    {"not_allowed_token_type", kSetUp,
     "this is a token of another kind: bot_token begins with xoxb-, app_token with xapp-"},
    {"no_permission", kSetUp, "the app may not do this; look at its scopes and install it again"},
    {"not_authorized", kSetUp, "the app may not do this; look at its scopes and install it again"},
    {"messages_tab_disabled", kSetUp,
     "direct messages are switched off; switch on the Messages tab in the app's settings, under "
     "App Home"},
    {"accesslimited", kSetUp, "the workspace's plan or rules do not allow this"},
    {"not_agent_app", kSetUp,
     "the app is no agent; switch on Agents in its settings, or do without assistant threads"},
    {"feature_disabled", kSetUp, "the workspace has this switched off"},
    {"unknown_method", kSetUp, "this Slack does not know the method; another way is taken"},
    {"method_deprecated", kSetUp, "Slack has given up the method; Viaduct needs an update"},
    {"channel_type_not_supported", kSetUp, "this does not work in this kind of channel"},
    {"ekm_access_denied", kSetUp, "the workspace's administrators have suspended posting"},
    {"insecure_request", kSetUp, "api_base_url must begin with https://"},
    {"file_uploads_disabled", kSetUp, "the workspace takes no files"},
    {"storage_limit_reached", kSetUp, "the workspace has no room left for files"},
    {"bad_client_secret", kSetUp, "client_secret is not the one of this app"},
    {"invalid_client_id", kSetUp, "client_id is not the one of this app"},
    {"bad_redirect_uri", kSetUp,
     "the address of the installation is not among the app's redirect URLs; add it under OAuth & "
     "Permissions"},

    {"channel_not_found", kTargetGone,
     "the channel is gone, or private and the bot is not in it; invite it with `/invite`"},
    {"not_in_channel", kTargetGone, "the bot is not in this channel; invite it with `/invite`"},
    {"is_archived", kTargetGone, "the channel is archived"},
    {"thread_not_found", kTargetGone, kThreadGone},
    {"invalid_thread_ts", kTargetGone, kThreadGone},
    {"message_not_found", kTargetGone, "the message is gone"},
    {"message_not_owned_by_app", kTargetGone, "the message is another app's"},
    {"cannot_reply_to_message", kTargetGone, "nobody can reply to this message"},
    {"user_not_found", kTargetGone, "there is no such person"},
    {"users_not_found", kTargetGone, "there is no such person"},
    {"user_disabled", kTargetGone, "the person's account is switched off"},
    {"user_not_in_channel", kTargetGone, "the person is not in this channel"},
    {"user_not_visible", kTargetGone, "the app may not see this person"},
    {"cannot_dm_bot", kTargetGone, "bots take no direct messages"},
    {"file_not_found", kTargetGone, "the file is gone"},
    {"file_deleted", kTargetGone, "the file is gone"},
    {"team_not_found", kTargetGone, "there is no such workspace"},

    {"msg_too_long", kContent, kTooLong},
    {"msg_blocks_too_long", kContent, kTooLong},
    {"msg_blocks_too_many", kContent, kTooLong},
    {"no_text", kContent, "there was nothing to send"},
    {"markdown_text_conflict", kContent, kBlocks},
    {"invalid_chunks", kContent, kBlocks},
    {"metadata_too_large", kContent, "the message's data is too large; it is sent without"},
    {"metadata_must_be_sent_from_app", kContent, "only apps may send a message's data"},
    {"too_many_attachments", kContent, "the message has too many attachments"},
    {"snippet_too_large", kContent, "the file is too large for a snippet; it is sent as a file"},
    {"file_type_not_allowed", kContent, "the workspace does not take files of this kind"},
    {"missing_recipient_user_id", kContent, "Slack asks whom the stream is for"},
    {"missing_recipient_team_id", kContent, "Slack asks whom the stream is for"},
    {"invalid_name", kContent, "this is no name for a channel or reaction"},
    {"name_taken", kContent, "there is a channel of this name already; choose another"},
    {"too_many_reactions", kContent, "the message has too many reactions"},

    {"message_not_in_streaming_state", kState, kStream},
    {"stopped_by_user", kState, "the person has stopped the answer"},
    {"streaming_state_conflict", kState, kStream},
    {"cant_update_message", kState, kChange},
    {"edit_window_closed", kState, kChange},
    {"already_reacted", kState, "the reaction is there already"},
    {"no_reaction", kState, "the reaction is gone already"},
    {"already_in_channel", kState, "the bot is in the channel already"},
    {"expired_trigger_id", kState, kPressed},
    {"exchanged_trigger_id", kState, kPressed},
    {"trigger_expired", kState, kPressed},
    {"hash_conflict", kState, "the view has changed meanwhile; open it again"},
    {"used_url", kState, "this answer's address has been used up; the answer comes as a message"},
    {"expired_url", kState, "this answer's address is too old; the answer comes as a message"},
    {"invalid_code", kState, "the installation took too long; begin it again"},
    {"code_already_used", kState, "the installation was done already; begin it again"},
    {"invalid_refresh_token", kCredentials, kToken},
});

// Kinds that share the beginning of their words.
constexpr auto kPrefixes = std::to_array<Known>({
    {"restricted_action_thread_locked", kTargetGone, "the thread is locked"},
    {"restricted_action", kSetUp,
     "the workspace's rules do not let the app post here; an administrator can allow it"},
    {"invalid_blocks", kContent, kBlocks},
    {"invalid_attachments", kContent, kBlocks},
    {"invalid_arg", kContent, "Slack did not understand the request; this is a defect of Viaduct"},
    {"missing_arg", kContent, "Slack did not understand the request; this is a defect of Viaduct"},
});

const Known* find(std::string_view error) {
  for (const Known& known : kKnown)
    if (known.error == error) return &known;
  for (const Known& known : kPrefixes)
    if (error.starts_with(known.error)) return &known;
  return nullptr;
}

}  // namespace

ApiTrouble trouble_of(std::string_view error) {
  const Known* const known = find(error);
  return known == nullptr ? kOther : known->trouble;
}

bool is_as_good_as_done(std::string_view error) {
  return error == "already_reacted" || error == "no_reaction" || error == "already_in_channel";
}

bool is_final_for_sockets(std::string_view error) {
  const ApiTrouble trouble = trouble_of(error);
  return trouble == kCredentials || trouble == kSetUp || error.starts_with("missing_arg");
}

std::string words_of(std::string_view error, std::string_view needed, std::string_view provided,
                     std::string_view detail) {
  const Known* const known = find(error);
  // What a server says is shown on one line, and not without end.
  const auto shown = [](std::string_view text) { return net::one_line(text, 300); };
  std::string text = known == nullptr ? "Slack refused the request" : std::string(known->words);
  if (error == "missing_scope") {
    if (!needed.empty()) text += ": " + shown(needed);
    text += "; add it under OAuth & Permissions of the app, and install the app again";
    if (!provided.empty()) text += " (it has " + shown(provided) + ")";
  }
  if (!error.empty()) text += " [" + shown(error) + "]";
  if (!detail.empty()) text += ": " + shown(detail);
  return text;
}

}  // namespace viaduct::slack
