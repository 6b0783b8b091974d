// What goes to Slack as messages: blocks, buttons and the arguments of the methods that post them
// (limits: docs of Block Kit and chat.postMessage). Pure functions; any thread.
#pragma once

#include <viaduct/chat/place.hpp>
#include <viaduct/chat/session.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

// Longest of one message's Markdown, in bytes: a streamed message takes no more, whatever its
// blocks could hold.
inline constexpr std::size_t kLongestPart = 9000;

// What a message is made of. `text` is what notifications and screen readers have.
struct Body {
  std::string text;
  std::string blocks;  // JSON array, or empty
};

// A button's press comes back with both.
struct Button {
  std::string action;  // action_id, see below
  std::string label;
  std::string value;  // to 2000 characters
  enum class Style { kPlain, kPrimary, kDanger } style = Style::kPlain;
};

// The action ids of this plugin's buttons; what follows the colon makes them unique in a message.
inline constexpr std::string_view kConnectAction = "connect";
inline constexpr std::string_view kRetryAction = "retry";
inline constexpr std::string_view kStopAction = "stop";
inline constexpr std::string_view kPermitAction = "permit";
inline constexpr std::string_view kPickAction = "pick";  // a session for a command

// A part of an answer, Markdown of the model.
Body answer_body(std::string_view markdown);
// A line or a few of this plugin's own, mrkdwn, with buttons below.
Body note_body(std::string_view mrkdwn, const std::vector<Button>& buttons = {});
// Small print.
Body work_body(std::string_view text, const std::vector<Button>& buttons = {});
// Lines with a button each; one without an action has none.
struct ListItem {
  std::string mrkdwn;
  Button button;
};
Body list_body(std::string_view title, const std::vector<ListItem>& items, std::string_view below);
// An entry of type kPermission, with buttons while it is pending.
Body permission_body(const chat::Entry& entry, std::string_view session);

// What a permission's or a retry's button says.
struct PermitValue {
  std::string session;
  std::uint64_t entry = 0;
  std::string option;
};
std::string permit_value(const PermitValue& value);
std::optional<PermitValue> parse_permit(std::string_view value);
struct TurnValue {
  std::string session;
  std::uint64_t turn = 0;
};
std::string turn_value(const TurnValue& value);
std::optional<TurnValue> parse_turn(std::string_view value);

// Arguments of views.publish: the home tab of a person.
std::string home_args(std::string_view user, std::string_view command,
                      const std::vector<ListItem>& sessions);
// Arguments of assistant.threads.setSuggestedPrompts; `thread` may be empty.
std::string prompts_args(std::string_view channel, std::string_view thread);

// What the memory service answers, in words.
std::string remembered_words(std::string_view answer);
std::string recalled_words(std::string_view answer, std::string_view query);
std::string work_words(std::string_view answer);
// The id of a channel that conversations.create or .open made.
std::string created_channel(std::string_view answer);
// Where the next page of a list begins; empty: there is none.
std::string next_cursor(std::string_view answer);
// Where files.info says that a file is; empty: it does not.
std::string file_url(std::string_view answer);

// Arguments of chat.postMessage, by whose metadata it is found again.
std::string post_args(const chat::Place& place, const Body& body, std::string_view key);
// Of chat.startStream; `asker` is the user who gets it.
std::string stream_args(const chat::Place& place, std::string_view asker,
                        std::string_view markdown);
// Of files.completeUploadExternal, without the files.
std::string file_args(const chat::Place& place, std::string_view comment);
// Of chat.postEphemeral.
std::string whisper_args(const chat::Place& place, std::string_view user, const Body& body);
// Of chat.update, without channel and ts, which are known when it is sent.
std::string update_args(const Body& body);
// Of an answer to a response_url.
std::string response_json(const Body& body, bool ephemeral, bool replaces);

}  // namespace viaduct::slack
