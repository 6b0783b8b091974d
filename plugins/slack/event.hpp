// What Slack sends, as typed values: events, slash commands and interactions, over HTTP and over
// Socket Mode alike; what of it is a person's message, and by which keys the inbox knows it again.
// Any JSON may come: a field of another type than Slack's counts as not there. Pure functions on
// plain values; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace viaduct::slack {

// Which installation is meant: its token is the one to answer with.
struct Workspace {
  std::string app;
  std::string team;        // empty: an installation for a whole organisation
  std::string enterprise;  // empty: in none
  bool org_wide = false;   // installed for the organisation: looked up by `enterprise`

  bool operator==(const Workspace&) const = default;
};

struct File {
  std::string id;
  std::string name;
  std::string mimetype;
  std::uint64_t size = 0;
  std::string url;          // for a request with the bot's token
  bool needs_info = false;  // of another organisation: files.info says where it is
};

// A message of a person or of a bot, also one that mentions the bot: such comes twice.
struct Message {
  bool is_mention = false;  // came as app_mention
  std::string channel;
  std::string channel_type;  // channel, group, im, mpim; app_mention does not say
  std::string user;
  std::string user_team;  // where the person is from; empty: not said
  std::string text;       // as it came: see mentions.hpp
  std::string ts;         // the message's id in its channel; a text, never a number
  std::string thread_ts;  // of the thread's first message; empty: not in a thread
  std::string subtype;
  std::string bot_id;
  std::string app_id;  // of the app that posted it
  bool is_edited = false;
  bool is_hidden = false;
  std::vector<File> files;
  std::vector<std::string> quoted;  // texts of messages that were forwarded with it

  bool is_direct() const { return channel_type == "im" || channel.starts_with('D'); }
  // Where an answer goes: the thread's first message, which may be this one.
  const std::string& thread() const { return thread_ts.empty() ? ts : thread_ts; }
};

// Of a message that was there before: to change or drop what is still queued, never to run it.
struct MessageChanged {
  std::string channel;
  Message message;  // as it is now
};
struct MessageDeleted {
  std::string channel;
  std::string ts;
};
struct HomeOpened {
  std::string user;
  std::string channel;
  bool messages = false;  // the tab with the conversation; else the home tab
};
struct AssistantThread {  // assistant_thread_started, assistant_thread_context_changed
  bool has_started = false;
  std::string user;
  std::string channel;
  std::string thread_ts;
  std::string context_channel;  // what the person looks at
};
struct ContextChanged {  // app_context_changed
  std::string user;
  std::string channel;  // that the person has open; empty: none
};
struct SessionStopped {  // agent_session_stopped: the stop button
  std::string user;
  std::string channel;
  std::string thread_ts;
};
struct ReactionAdded {
  std::string user;
  std::string reaction;
  std::string channel;
  std::string ts;
};
struct MemberJoined {
  std::string user;
  std::string channel;
};
struct Uninstalled {};
struct TokensRevoked {
  std::vector<std::string> users;
  std::vector<std::string> bots;
};
struct OtherEvent {
  std::string type;
};

using AnyEvent = std::variant<Message, MessageChanged, MessageDeleted, HomeOpened, AssistantThread,
                              ContextChanged, SessionStopped, ReactionAdded, MemberJoined,
                              Uninstalled, TokensRevoked, OtherEvent>;

struct Event {
  Workspace workspace;
  std::string event_id;
  std::int64_t time = 0;  // seconds since the epoch; 0: not said
  AnyEvent what;
};

// Instead of events, when there were too many.
struct RateLimited {
  std::string team;
  std::int64_t minute = 0;  // seconds since the epoch
};
struct UrlVerification {
  std::string challenge;  // to be sent back
};
struct SslCheck {};

struct SlashCommand {
  Workspace workspace;
  std::string command;  // with its slash
  std::string text;     // as it came: see mentions.hpp
  std::string user;
  std::string user_name;  // no stable id
  std::string channel;
  std::string channel_name;  // "directmessage", "privategroup" …
  std::string response_url;  // secret
  std::string trigger_id;
};

// Who did something in a message or a view, and where.
struct By {
  Workspace workspace;
  std::string user;
  std::string user_name;
  std::string user_team;
  std::string channel;  // empty: in a view, or nowhere
  std::string message_ts;
  std::string thread_ts;
  bool is_ephemeral = false;
  std::string response_url;  // secret
  std::string trigger_id;    // good for 3 s
};
struct Action {
  std::string type;  // button, static_select, overflow …
  std::string action_id;
  std::string block_id;
  std::string value;                // of a select: of the option
  std::vector<std::string> values;  // where several can be chosen
  std::string action_ts;
};
struct Field {
  std::string block_id;
  std::string action_id;
  std::string value;
  std::vector<std::string> values;
};
struct View {
  std::string id;
  std::string callback_id;
  std::string private_metadata;
  std::string hash;
  std::vector<Field> fields;
};
struct BlockActions {
  By by;
  std::vector<Action> actions;
  std::string message_text;  // of the message with the button; empty if ephemeral
  View view;
  std::vector<Field> fields;  // of the inputs beside the button
};
struct ViewSubmission {
  By by;
  View view;
};
struct ViewClosed {
  By by;
  View view;
  bool is_cleared = false;
};
struct Shortcut {  // of nowhere
  By by;
  std::string callback_id;
};
struct MessageAction {  // of a message
  By by;
  std::string callback_id;
  Message message;
};
struct BlockSuggestion {  // to be answered with options
  By by;
  std::string action_id;
  std::string block_id;
  std::string value;  // what has been typed
};
struct OtherRequest {  // acknowledged, and nothing else
  std::string type;
};

using AnyRequest = std::variant<Event, SlashCommand, BlockActions, ViewSubmission, ViewClosed,
                                Shortcut, MessageAction, BlockSuggestion, RateLimited,
                                UrlVerification, SslCheck, OtherRequest>;

struct Request {
  // By which the inbox knows a second copy of the same delivery; never empty.
  std::string key;
  AnyRequest what;
};

// A request of HTTP mode, whose signature has been checked. The error is for the log and tells
// nothing of the content; the answer is 400.
std::expected<Request, std::string> parse_http(std::string_view content_type,
                                               std::string_view body);

// An envelope of Socket Mode: its type (events_api, slash_commands, interactive) and its payload.
std::expected<Request, std::string> parse_envelope(std::string_view type, std::string_view payload);

// The same human message comes as app_mention and as message, and by history: one key for all.
std::string message_key(const Workspace& workspace, const std::string& channel,
                        const std::string& ts);

// "1729000000.000100". Anything else is not to be sent back to Slack.
bool is_ts(std::string_view text);
// By time; both must be is_ts().
bool is_earlier(std::string_view a, std::string_view b);

// One message as conversations.replies and conversations.history list it; `channel`, which they do
// not repeat, is filled in.
std::expected<std::vector<Message>, std::string> parse_messages(std::string_view json,
                                                                const std::string& channel);

// Who this app is, from auth.test.
struct Self {
  std::string user;  // U…
  std::string bot;   // B…
  std::string app;   // A…
};

enum class Ignored {
  kNot,  // it is a person's message
  kOwn,
  kOtherBot,
  kHidden,
  kSubtype,  // a note of Slack's, such as that somebody joined
  kEdited,   // a mention that was put in later: the message was there before
  kNoPlace,  // no channel, or no time by which to answer
  kNobody,   // no user
  kEmpty,    // neither text nor files
};
Ignored why_ignored(const Message& message, const Self& self);
std::string_view words(Ignored why);

// Somebody, from users.info.
struct Person {
  std::string id;
  std::string team;
  std::string enterprise;          // empty: in none
  std::vector<std::string> teams;  // of the enterprise, that they are in
  std::string name;                // as shown to people; never empty for one that was found
  std::string timezone;
  bool is_bot = false;
  bool is_deleted = false;
  bool is_guest = false;  // is_restricted, is_ultra_restricted
  // Of another organisation, and in no channel that is shared with this one: who is in one, who can
  // talk to the bot, is known by `team`.
  bool is_stranger = false;

  // Of this workspace, or of the organisation that it belongs to: neither guest nor stranger.
  bool is_member(const Workspace& of) const;
};
// The answer of users.info.
std::expected<Person, std::string> parse_person(std::string_view json);
// Whether what came itself says that whoever did it is of another workspace. Within an organisation
// only users.info tells.
bool is_from_elsewhere(std::string_view user_team, const Workspace& workspace);

}  // namespace viaduct::slack
