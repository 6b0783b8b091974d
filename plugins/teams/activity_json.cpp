// No JSON library is needed here: value.hpp looks into it.
#include "plugins/teams/activity.hpp"

#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

namespace viaduct::teams {
namespace {

using chat::Value;

constexpr std::string_view kRoot = ";messageid=";
constexpr std::size_t kLongestUrl = 4096;
constexpr std::size_t kLongestName = 1000;
constexpr std::size_t kLongestKey = 400;
constexpr std::size_t kMostMentions = 100;
constexpr std::size_t kMostFiles = 50;
constexpr std::size_t kMostQuotes = 10;
constexpr std::size_t kMostMembers = 1000;
constexpr std::size_t kMostReactions = 50;

std::string first_of(std::string a, std::string b) {
  return a.empty() ? std::move(b) : std::move(a);
}

// What is longer than anything of Teams' is nothing.
std::string short_text(const Value& from, std::string_view name, std::size_t longest) {
  std::string text = from.text(name);
  return text.size() > longest ? std::string() : text;
}
std::string id_of(const Value& from, std::string_view name = "id") {
  return short_text(from, name, kLongestId);
}
std::string url_of(const Value& from, std::string_view name) {
  return short_text(from, name, kLongestUrl);
}

// JSON of a field; empty: it is not there, or null.
std::string json_of(const Value& from, std::string_view name) {
  std::string json = from.at(name).json();
  return json == "null" ? std::string() : json;
}

std::string hash_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kHex[hash[i] >> 4U];
    out += kHex[hash[i] & 0xFU];
  }
  return out;
}

Account account_of(const Value& from) {
  Account account{.id = id_of(from),
                  .name = short_text(from, "name", kLongestName),
                  .aad = chat::lower(id_of(from, "aadObjectId"))};
  const std::string role = from.text("role");
  account.is_bot = account.id.starts_with("28:") || role == "bot" || role == "skill";
  return account;
}

ConversationKind kind_of(const Value& conversation, std::string_view base) {
  const std::string kind = conversation.text("conversationType");
  if (kind == "personal") return ConversationKind::kPersonal;
  if (kind == "channel") return ConversationKind::kChannel;
  if (!kind.empty()) return ConversationKind::kGroup;
  if (base.find("@thread.tacv2") != base.npos || base.find("@thread.skype") != base.npos)
    return ConversationKind::kChannel;
  const bool is_group = conversation.yes("isGroup") || base.starts_with("19:");
  return is_group ? ConversationKind::kGroup : ConversationKind::kPersonal;
}

ConversationRef conversation_of(const Value& from, const Value& channel_data) {
  ConversationRef of;
  of.id = id_of(from);
  const std::size_t root = of.id.find(kRoot);
  of.base = of.id.substr(0, root);
  if (root != of.id.npos) of.root = of.id.substr(root + kRoot.size());
  of.kind = kind_of(from, of.base);
  of.tenant =
      chat::lower(first_of(id_of(from, "tenantId"), id_of(channel_data.at("tenant"), "id")));
  of.name = short_text(from, "name", kLongestName);
  return of;
}

Quote quote_of(const Value& from) {
  return {.message = id_of(from, "messageId"),
          .sender = short_text(from, "senderName", kLongestName),
          .text = from.yes("isReplyDeleted") ? std::string() : from.text("preview")};
}

void add_entity(const Value& entity, Message& message) {
  const std::string type = entity.text("type");
  if (type == "mention" && message.mentions.size() < kMostMentions) {
    const Value who = entity.at("mentioned");
    message.mentions.push_back({.id = id_of(who),
                                .name = short_text(who, "name", kLongestName),
                                .text = short_text(entity, "text", kLongestName)});
  }
  if (type == "quotedReply" && message.quotes.size() < kMostQuotes)
    if (Quote quote = quote_of(entity.at("quotedReply")); !quote.text.empty())
      message.quotes.push_back(std::move(quote));
}

File download_of(const Value& from) {
  const Value content = from.at("content");
  File file;
  file.kind = File::Kind::kDownload;
  file.name = short_text(from, "name", kLongestName);
  file.extension = chat::lower(short_text(content, "fileType", 20));
  file.url = url_of(content, "downloadUrl");
  file.id = id_of(content, "uniqueId");
  if (file.extension.empty() && file.name.find('.') != file.name.npos)
    file.extension = chat::lower(file.name.substr(file.name.rfind('.') + 1));
  file.type = type_of_extension(file.extension);
  return file;
}

void add_attachment(const Value& from, Message& message) {
  const std::string type = chat::lower(short_text(from, "contentType", 200));
  if (type == "text/html") {
    std::string html = from.text("content");
    if (message.html.empty()) message.html = std::move(html);
    return;
  }
  if (message.files.size() >= kMostFiles) return;
  if (type == "application/vnd.microsoft.teams.file.download.info")
    return message.files.push_back(download_of(from));
  File file;
  file.name = short_text(from, "name", kLongestName);
  file.type = type;
  file.url = url_of(from, "contentUrl");
  file.id = id_of(from);
  if (type.starts_with("image/")) file.kind = File::Kind::kImage;
  if (type.starts_with("application/vnd.microsoft.card.") ||
      type.starts_with("application/vnd.microsoft.teams.card.")) {
    file.kind = File::Kind::kCard;
    file.content = json_of(from, "content");
  }
  if (type == "reference") file.kind = File::Kind::kStub;
  message.files.push_back(std::move(file));
}

Message message_of(const Value& activity) {
  Message message;
  message.text = activity.text("text");
  message.is_xml = activity.text("textFormat") == "xml";
  message.wants_answer_at_once = activity.text("deliveryMode") == "expectReplies";
  for (const Value& one : activity.at("entities").items()) add_entity(one, message);
  for (const Value& one : activity.at("attachments").items()) add_attachment(one, message);
  message.value = json_of(activity, "value");
  return message;
}

std::vector<std::string> reactions_of(const Value& list) {
  std::vector<std::string> all;
  for (const Value& one : list.items())
    if (std::string type = short_text(one, "type", 100);
        !type.empty() && all.size() < kMostReactions)
      all.push_back(std::move(type));
  return all;
}

std::vector<Account> members_of(const Value& list) {
  std::vector<Account> all;
  for (const Value& one : list.items())
    if (all.size() < kMostMembers) all.push_back(account_of(one));
  return all;
}

bool has(const std::vector<Account>& all, const std::string& id) {
  return !id.empty() && std::ranges::find(all, id, &Account::id) != all.end();
}

ConversationUpdate update_of(const Value& activity, const Value& data, const std::string& bot) {
  ConversationUpdate update;
  update.event = short_text(data, "eventType", 100);
  update.added = members_of(activity.at("membersAdded"));
  update.removed = members_of(activity.at("membersRemoved"));
  update.adds_bot = has(update.added, bot);
  update.removes_bot = has(update.removed, bot);
  update.team_name = short_text(data.at("team"), "name", kLongestName);
  update.channel_name = short_text(data.at("channel"), "name", kLongestName);
  return update;
}

InstallationUpdate installation_of(const Value& activity, const Value& data) {
  const std::string action = activity.text("action");
  return {.is_added = action.starts_with("add"),
          .is_upgrade = action.ends_with("-upgrade"),
          .selected_channel = id_of(data.at("settings").at("selectedChannel"))};
}

FileConsent consent_of(const Value& value) {
  const Value upload = value.at("uploadInfo");
  return {.is_accepted = value.text("action") == "accept",
          .context = json_of(value, "context"),
          .upload_url = url_of(upload, "uploadUrl"),
          .content_url = url_of(upload, "contentUrl"),
          .name = short_text(upload, "name", kLongestName),
          .id = id_of(upload, "uniqueId"),
          .extension = short_text(upload, "fileType", 20)};
}

Feedback feedback_of(const Value& value, const std::string& reply_to) {
  const Value given = value.at("actionValue");
  const std::string form = given.text("feedback");
  return {.reaction = short_text(given, "reaction", 100),
          .text = Value::parsed(form).text("feedbackText"),
          .message = reply_to};
}

std::optional<SignIn::Kind> sign_in_kind(std::string_view name) {
  if (name == "signin/verifyState") return SignIn::Kind::kVerifyState;
  if (name == "signin/tokenExchange") return SignIn::Kind::kTokenExchange;
  if (name == "signin/failure") return SignIn::Kind::kFailure;
  return std::nullopt;
}

SignIn sign_in_of(SignIn::Kind kind, const Value& value) {
  return {.kind = kind,
          .state = value.text("state"),
          .id = id_of(value),
          .connection = value.text("connectionName"),
          .token = value.text("token"),
          .code = value.text("code")};
}

AnyInvoke invoke_of(const std::string& name, const Value& value, const std::string& reply_to) {
  if (name == "adaptiveCard/action") {
    const Value action = value.at("action");
    return CardAction{.verb = short_text(action, "verb", kLongestName),
                      .data = json_of(action, "data"),
                      .is_automatic = value.text("trigger") == "automatic"};
  }
  if (name == "message/submitAction" && value.text("actionName") == "feedback")
    return feedback_of(value, reply_to);
  if (name == "message/fetchTask") return FeedbackForm{};
  if (name == "suggestedActions/submit") return SuggestedAction{value.json()};
  if (name == "task/fetch" || name == "task/submit")
    return TaskModule{.is_submit = name == "task/submit", .data = json_of(value, "data")};
  if (name == "fileConsent/invoke") return consent_of(value);
  if (name.starts_with("signin/"))
    if (const auto kind = sign_in_kind(name)) return sign_in_of(*kind, value);
  if (name == "config/fetch" || name == "config/submit")
    return BotConfig{.is_submit = name == "config/submit", .data = json_of(value, "data")};
  return OtherInvoke{};
}

AnyActivity what_of(const Value& from, const Value& data, const Activity& activity) {
  const std::string& type = activity.type;
  if (type == "message") return message_of(from);
  if (type == "messageUpdate")
    return MessageEdited{message_of(from), data.text("eventType") == "undeleteMessage"};
  if (type == "messageDelete") return MessageDeleted{};
  if (type == "messageReaction")
    return Reactions{.message = activity.reply_to,
                     .added = reactions_of(from.at("reactionsAdded")),
                     .removed = reactions_of(from.at("reactionsRemoved"))};
  if (type == "conversationUpdate") return update_of(from, data, activity.bot.id);
  if (type == "installationUpdate") return installation_of(from, data);
  if (type == "invoke") {
    const std::string name = short_text(from, "name", kLongestName);
    return Invoke{name, json_of(from, "value"),
                  invoke_of(name, from.at("value"), activity.reply_to)};
  }
  if (type == "event") return Event{short_text(from, "name", kLongestName), json_of(from, "value")};
  if (type == "endOfConversation") return EndOfConversation{short_text(from, "code", 100)};
  if (type == "typing") return Typing{};
  return OtherActivity{};
}

// What is the same in every copy of one delivery, of which only the time stamps differ; several
// edits of a message and several reactions to it are not.
std::string what_it_says(const Value& from, const Activity& activity) {
  std::string all = activity.from.id + "\n" + activity.reply_to;
  for (const char* name : {"text", "name", "value", "action", "code", "attachments", "membersAdded",
                           "membersRemoved", "reactionsAdded", "reactionsRemoved", "channelData"})
    all += "\n" + from.at(name).json();
  return hash_of(all);
}

std::string key_of(const Value& from, const Activity& activity) {
  std::string key = activity.type + "/" + place_of(activity).key() + "/" + activity.id;
  const bool is_of_another = std::holds_alternative<MessageEdited>(activity.what) ||
                             std::holds_alternative<Reactions>(activity.what);
  if (activity.id.empty() || is_of_another) key += "/" + what_it_says(from, activity);
  return key.size() > kLongestKey ? "long/" + hash_of(key) : key;
}

bool is_too_long(const Value& from, std::string_view name) {
  return from.text(name).size() > kLongestId;
}

}  // namespace

std::expected<Activity, std::string> parse_activity(std::string_view json) {
  if (json.size() > kLongestActivity) return std::unexpected("the activity is too large");
  const Value from = Value::parsed(json);
  if (!from.is_object()) return std::unexpected("the body is no JSON object");
  Activity activity;
  activity.type = from.text("type");
  if (activity.type.empty() || activity.type.size() > 100)
    return std::unexpected("the activity has no type");
  if (is_too_long(from, "id") || is_too_long(from.at("conversation"), "id"))
    return std::unexpected("the activity has an id that is too long");
  const Value data = from.at("channelData");
  activity.id = id_of(from);
  activity.timestamp = short_text(from, "timestamp", 100);
  activity.service_url = url_of(from, "serviceUrl");
  activity.channel = short_text(from, "channelId", 100);
  activity.locale = short_text(from, "locale", 100);
  activity.timezone = short_text(from, "localTimezone", 100);
  activity.from = account_of(from.at("from"));
  activity.bot = account_of(from.at("recipient"));
  activity.is_targeted = from.at("recipient").yes("isTargeted");
  activity.conversation = conversation_of(from.at("conversation"), data);
  activity.team = id_of(data.at("team"));
  activity.team_aad = chat::lower(id_of(data.at("team"), "aadGroupId"));
  activity.channel_id = id_of(data.at("channel"));
  activity.meeting = id_of(data.at("meeting"));
  activity.channel_tenant = id_of(data.at("tenant"));
  activity.conversation_tenant = id_of(from.at("conversation"), "tenantId");
  activity.reply_to = id_of(from, "replyToId");
  activity.what = what_of(from, data, activity);
  // A new post of a channel is the first of its own thread.
  ConversationRef& of = activity.conversation;
  if (of.kind == ConversationKind::kChannel && of.root.empty() &&
      std::holds_alternative<Message>(activity.what))
    of.root = activity.id;
  if (place_of(activity).key().size() > kLongestKey)
    return std::unexpected("the activity has an id that is too long");
  activity.key = key_of(from, activity);
  return activity;
}

}  // namespace viaduct::teams
