#include "plugins/slack/error_words.hpp"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::slack {
namespace {

struct Class {
  const char* name;
  ApiTrouble trouble;
  const char* errors;  // of reference section 11
};
void PrintTo(const Class& c, std::ostream* os) {
  *os << c.name;
}
class SlackErrors : public testing::TestWithParam<Class> {};

TEST_P(SlackErrors, OfOneClassAreAllKnownAndHaveWords) {
  std::string errors = GetParam().errors;
  while (!errors.empty()) {
    const std::size_t end = std::min(errors.find(' '), errors.size());
    const std::string error = errors.substr(0, end);
    errors.erase(0, std::min(end + 1, errors.size()));
    EXPECT_EQ(trouble_of(error), GetParam().trouble) << error;
    const std::string words = words_of(error);
    EXPECT_NE(words.find("[" + error + "]"), std::string::npos) << error;
    EXPECT_EQ(words.find("Slack refused the request"), std::string::npos) << error;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, SlackErrors,
    testing::Values(
        Class{"RetryLater", ApiTrouble::kRetryLater,
              "ratelimited rate_limited internal_error fatal_error service_unavailable "
              "request_timeout team_added_to_org external_channel_migrating "
              "messaging_processing_failed"},
        Class{"Credentials", ApiTrouble::kCredentials,
              "invalid_auth not_authed account_inactive token_revoked token_expired "
              "org_login_required two_factor_setup_required access_denied "
              "team_access_not_granted user_removed_from_team team_disabled forbidden_team"},
        Class{"SetUp", ApiTrouble::kSetUp,
              "missing_scope not_allowed_token_type no_permission messages_tab_disabled "
              "accesslimited not_agent_app feature_disabled restricted_action "
              "restricted_action_read_only_channel unknown_method insecure_request "
              "file_uploads_disabled storage_limit_reached"},
        Class{"TargetGone", ApiTrouble::kTargetGone,
              "channel_not_found not_in_channel is_archived thread_not_found message_not_found "
              "cannot_reply_to_message restricted_action_thread_locked user_not_found "
              "user_disabled user_not_in_channel invalid_thread_ts message_not_owned_by_app"},
        Class{"Content", ApiTrouble::kContent,
              "msg_too_long msg_blocks_too_long msg_blocks_too_many invalid_blocks "
              "invalid_blocks_format no_text markdown_text_conflict invalid_chunks "
              "metadata_too_large too_many_attachments invalid_arguments missing_args "
              "snippet_too_large file_type_not_allowed missing_recipient_user_id "
              "missing_recipient_team_id"},
        Class{"State", ApiTrouble::kState,
              "message_not_in_streaming_state stopped_by_user streaming_state_conflict "
              "cant_update_message edit_window_closed already_reacted no_reaction "
              "expired_trigger_id exchanged_trigger_id used_url expired_url"}),
    testing::PrintToStringParamName());

TEST(SlackErrors, ThatNobodyKnowsAreSaidAsTheyAre) {
  EXPECT_EQ(trouble_of("what_comes_next"), ApiTrouble::kOther);
  EXPECT_EQ(trouble_of(""), ApiTrouble::kOther);
  EXPECT_EQ(words_of("what_comes_next"), "Slack refused the request [what_comes_next]");
  EXPECT_EQ(words_of(""), "Slack refused the request");
}

TEST(SlackErrors, OfAMissingScopeNameIt) {
  EXPECT_EQ(words_of("missing_scope", "files:read", "chat:write,commands"),
            "the app lacks a permission: files:read; add it under OAuth & Permissions of the app, "
            "and install the app again (it has chat:write,commands) [missing_scope]");
}

TEST(SlackErrors, SayWhatToDo) {
  EXPECT_NE(words_of("not_in_channel").find("/invite"), std::string::npos);
  EXPECT_NE(words_of("token_revoked").find("install the app again"), std::string::npos);
  EXPECT_EQ(words_of("invalid_blocks", "", "", "must be shorter [json-pointer:/blocks/0]"),
            "Slack refused the blocks; the text is sent without them [invalid_blocks]: must be "
            "shorter [json-pointer:/blocks/0]");
}

TEST(SlackErrors, OfAServerAreShownOnOneShortLine) {
  const std::string words = words_of("x\n" + std::string(5000, 'y'));
  EXPECT_EQ(words.find('\n'), std::string::npos);
  EXPECT_LT(words.size(), 400U);
}

TEST(SlackErrors, OfReactionsAreAsGoodAsDone) {
  EXPECT_TRUE(is_as_good_as_done("already_reacted"));
  EXPECT_TRUE(is_as_good_as_done("no_reaction"));
  EXPECT_FALSE(is_as_good_as_done("message_not_found"));
}

TEST(SlackErrors, EndSocketModeWhereNoOtherAttemptHelps) {
  for (const char* error :
       {"invalid_auth", "not_authed", "account_inactive", "user_removed_from_team", "team_disabled",
        "forbidden_team", "missing_args", "insecure_request", "not_allowed_token_type",
        "missing_scope"})
    EXPECT_TRUE(is_final_for_sockets(error)) << error;
  for (const char* error : {"ratelimited", "internal_error", "fatal_error", "request_timeout", ""})
    EXPECT_FALSE(is_final_for_sockets(error)) << error;
}

}  // namespace
}  // namespace viaduct::slack
