// What Teams sends, as typed values: messages, edits, reactions, invokes and the rest, over HTTP
// and over Socket Mode alike; where it belongs, and by which key the inbox knows it again. Any JSON
// may come: a field of another type than Teams' counts as not there. Pure functions on plain
// values; any thread.
#pragma once

#include <viaduct/chat/place.hpp>

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace viaduct::teams {

// Teams allows 100 KB of text; the same as HTML and cards with what was typed come beside it.
inline constexpr std::size_t kLongestActivity = 1 << 20;  // bytes
// Of conversations, activities and people; places are keys on disk.
inline constexpr std::size_t kLongestId = 300;

// A person, a bot, or the bot itself.
struct Account {
  std::string id;    // "29:1…" of a person, "28:<app id>" of a bot
  std::string name;  // as people see it; may be empty
  std::string aad;   // Entra's object id, in small letters; empty: not said
  bool is_bot = false;

  bool operator==(const Account&) const = default;
};

enum class ConversationKind { kPersonal, kGroup, kChannel };

struct ConversationRef {
  std::string id;    // as it came, with ";messageid=…" in a channel's thread
  std::string base;  // without that
  std::string root;  // what stood behind it: the thread's first message; empty: none
  ConversationKind kind = ConversationKind::kPersonal;
  std::string tenant;  // in small letters
  std::string name;
};

struct Mention {
  std::string id;
  std::string name;
  std::string text;  // exactly as it stands in the message: "<at>Ada</at>"
};

// A message that was quoted with the answer to it.
struct Quote {
  std::string message;  // its id
  std::string sender;   // name
  std::string text;     // as far as Teams shows it
};

struct File {
  enum class Kind {
    kDownload,  // fetched from `url` as it is, without any token; for a short time
    kImage,     // fetched from `url` with the connector's token, if the host may have it
    kCard,      // `content` is its JSON
    kStub,      // somewhere in the channel's files: only Graph could fetch it
    kOther
  };
  Kind kind = Kind::kOther;
  std::string name;
  std::string type;       // MIME; of a download: empty where its extension tells none
  std::string extension;  // of a download, without a dot
  std::string url;
  std::string id;       // unique
  std::string content;  // kCard: JSON
};

struct Message {
  std::string text;  // as it came: see text.hpp
  bool is_xml = false;
  std::string html;  // the same as HTML; empty: it came without
  std::vector<Mention> mentions;
  std::vector<Quote> quotes;
  std::vector<File> files;
  std::string value;                  // JSON: what a button of Action.Submit says; empty: none
  bool wants_answer_at_once = false;  // deliveryMode expectReplies: of the Playground
};
// Of a message that was there before: Activity::id is its id.
struct MessageEdited {
  Message message;           // as it is now
  bool is_restored = false;  // it had been deleted
};
struct MessageDeleted {};
struct Reactions {
  std::string message;             // to which
  std::vector<std::string> added;  // "like", "heart" …
  std::vector<std::string> removed;
};
struct ConversationUpdate {
  std::string event;  // channelData.eventType: "teamMemberAdded", "channelRenamed" …; may be empty
  std::vector<Account> added;
  std::vector<Account> removed;
  bool adds_bot = false;  // the bot itself is among them
  bool removes_bot = false;
  std::string team_name;
  std::string channel_name;
};
struct InstallationUpdate {
  bool is_added = false;  // else removed
  bool is_upgrade = false;
  std::string selected_channel;  // where a person has asked for it; empty: not said
};

// ---- what is answered in the response itself
struct CardAction {  // adaptiveCard/action
  std::string verb;
  std::string data;           // JSON, as the button has it, with what was typed
  bool is_automatic = false;  // a refresh
};
struct Feedback {        // message/submitAction
  std::string reaction;  // "like" or "dislike"
  std::string text;      // may be empty
  std::string message;   // to which: replyToId
};
struct FeedbackForm {};   // message/fetchTask
struct SuggestedAction {  // suggestedActions/submit
  std::string value;      // JSON
};
struct TaskModule {  // task/fetch, task/submit
  bool is_submit = false;
  std::string data;  // JSON
};
struct FileConsent {  // fileConsent/invoke
  bool is_accepted = false;
  std::string context;     // JSON, as the card has it
  std::string upload_url;  // a secret, good for one upload
  std::string content_url;
  std::string name;
  std::string id;  // unique
  std::string extension;
};
struct SignIn {
  enum class Kind { kVerifyState, kTokenExchange, kFailure } kind = Kind::kVerifyState;
  std::string state;       // kVerifyState: a code
  std::string id;          // kTokenExchange
  std::string connection;  // kTokenExchange
  std::string token;       // kTokenExchange: a secret
  std::string code;        // kFailure
};
struct BotConfig {  // config/fetch, config/submit
  bool is_submit = false;
  std::string data;  // JSON
};
struct OtherInvoke {};  // 501

using AnyInvoke = std::variant<CardAction, Feedback, FeedbackForm, SuggestedAction, TaskModule,
                               FileConsent, SignIn, BotConfig, OtherInvoke>;
struct Invoke {
  std::string name;
  std::string value;  // JSON
  AnyInvoke what;
};

struct Event {
  std::string name;   // "application/vnd.microsoft.readReceipt" …
  std::string value;  // JSON
};
struct EndOfConversation {
  std::string code;
};
struct Typing {};
struct OtherActivity {};

using AnyActivity =
    std::variant<Message, MessageEdited, MessageDeleted, Reactions, ConversationUpdate,
                 InstallationUpdate, Invoke, Event, EndOfConversation, Typing, OtherActivity>;

struct Activity {
  // By which the inbox knows a second copy of the same delivery; never empty.
  std::string key;
  std::string type;  // as it came
  std::string id;    // may be empty, but not of messages
  std::string timestamp;
  std::string service_url;
  std::string channel;  // channelId: "msteams"
  std::string locale;
  std::string timezone;
  Account from;
  Account bot;               // the recipient
  bool is_targeted = false;  // a slash command that nobody else sees
  ConversationRef conversation;
  std::string team;                 // channelData.team.id; empty: in none
  std::string team_aad;             // its Entra group
  std::string channel_id;           // channelData.channel.id
  std::string meeting;              // channelData.meeting.id
  std::string channel_tenant;       // channelData.tenant.id, as it came: for the check of who sends
  std::string conversation_tenant;  // conversation.tenantId, as it came
  std::string reply_to;             // replyToId; not to be relied on for threads
  AnyActivity what;

  bool is_own() const { return !from.id.empty() && from.id == bot.id; }
};

// The error is for the log and tells nothing of the content; the answer is 400.
std::expected<Activity, std::string> parse_activity(std::string_view json);

// Where it belongs: tenant, base conversation and thread, encoded so that none has a slash.
chat::Place place_of(const Activity& activity);
// Of a place: the id to send to, with the thread's root. place_of() backwards.
std::string conversation_id_of(const chat::Place& place);
// The part of it without the thread.
std::string base_conversation_of(const chat::Place& place);
// The place of a thread that begins with a message in a place's conversation.
chat::Place thread_of(const chat::Place& place, std::string_view root);

enum class Ignored {
  kNot,  // it is a person's message
  kOwn,
  kOtherBot,
  kNoPlace,  // no conversation, or no id by which to answer
  kNobody,   // no sender
  kEmpty     // neither text nor files nor a button's value
};
Ignored why_ignored(const Activity& activity, const Message& message);
std::string_view words(Ignored why);

// A MIME type for a file's extension, which is all that Teams says; empty: not known.
std::string_view type_of_extension(std::string_view extension);

}  // namespace viaduct::teams
