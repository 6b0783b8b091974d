// What goes to Slack as messages: blocks, buttons and the arguments of the methods that post them
// (limits: docs of Block Kit and chat.postMessage). Pure functions; any thread.
#pragma once

#include <viaduct/chat/network.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

// Longest of one message's Markdown, in bytes: a streamed message takes no more, whatever its
// blocks could hold.
inline constexpr std::size_t kLongestPart = 9000;

// A part of an answer, Markdown of the model.
chat::Body answer_body(std::string_view markdown);
// A line or a few of this plugin's own, mrkdwn, with buttons below.
chat::Body note_body(std::string_view mrkdwn, const std::vector<chat::Button>& buttons = {});
// Small print.
chat::Body work_body(std::string_view text, const std::vector<chat::Button>& buttons = {});
// Lines with a button each; one without an action has none.
chat::Body list_body(std::string_view title, const std::vector<chat::ListItem>& items,
                     std::string_view below);
// An entry of type kPermission, with buttons while it is pending.
chat::Body permission_body(const chat::Entry& entry, std::string_view session);

// Arguments of views.publish: the home tab of a person.
std::string home_args(std::string_view user, std::string_view command,
                      const std::vector<chat::ListItem>& sessions);
// Arguments of assistant.threads.setSuggestedPrompts; `thread` may be empty.
std::string prompts_args(std::string_view channel, std::string_view thread);

// The id of a channel that conversations.create or .open made.
std::string created_channel(std::string_view answer);
// Where the next page of a list begins; empty: there is none.
std::string next_cursor(std::string_view answer);
// What users.conversations lists: where the bot is.
struct Conversation {
  std::string id;
  std::string name;
};
std::vector<Conversation> parse_conversations(std::string_view answer);
// What files.info says of a file; empty: it does not.
struct FileInfo {
  std::string url;
  std::string name;
  std::string mimetype;
};
FileInfo parse_file_info(std::string_view answer);

// The metadata by which a message is found again.
std::string key_metadata(std::string_view key);
// Arguments of chat.postMessage, with that.
std::string post_args(const chat::Place& place, const chat::Body& body, std::string_view key);
// Of chat.startStream; `asker` is the user who gets it.
std::string stream_args(const chat::Place& place, std::string_view asker,
                        std::string_view markdown);
// Of files.completeUploadExternal, without the files; `comment` is plain and may be empty.
std::string file_args(const chat::Place& place, std::string_view comment);
// Of chat.postEphemeral.
std::string whisper_args(const chat::Place& place, std::string_view user, const chat::Body& body);
// Of chat.update, without channel and ts, which are known when it is sent.
std::string update_args(const chat::Body& body);
// Of an answer to a response_url.
std::string response_json(const chat::Body& body, bool ephemeral, bool replaces);

}  // namespace viaduct::slack
