#include "plugins/teams/references.hpp"

#include <utility>
#include <viaduct/chat/calls.hpp>

namespace viaduct::teams {
namespace {

constexpr std::string_view kPrefix = "conversation/";
constexpr std::string_view kBehind = "conversation0";  // the first key behind all that begin so
constexpr std::uint32_t kPage = 500;
constexpr std::size_t kMostFirst = 10'000;

std::string key_of(const chat::Place& place) {
  return place.team + "/" + place.channel;
}

std::string person_key(std::string_view tenant, std::string_view person) {
  return std::string(tenant) + "/" + std::string(person);
}

// As place_of() of an activity from there.
chat::Place place_in(const Reference& one) {
  Activity activity;
  activity.conversation.tenant = one.tenant;
  activity.conversation.base = one.conversation;
  return place_of(activity);
}

}  // namespace

net::Task<net::Result<>> References::load() {
  std::string from(kPrefix);
  for (;;) {
    const sdk::Answer answer = co_await chat::answered([this, from](sdk::Callback done) {
      documents_.scan(from, kBehind, kPage, std::move(done));
    });
    if (!answer.ok()) co_return std::unexpected(answer.status());
    auto page = parse_references(answer.result);
    if (!page)
      co_return std::unexpected(sdk::Status{sdk::Code::kInternal, "the host's list of documents"});
    for (Reference& one : page->references) {
      std::string key = key_of(place_in(one));
      keep(std::move(key), std::move(one));
    }
    if (!page->more) co_return net::Result<>();
    from = page->last_key + '\0';
  }
}

void References::put(const std::string& key, Reference one) {
  documents_.put(std::string(kPrefix) + key, reference_json(one), sdk::Documents::kAnyVersion,
                 [log = log_](const sdk::Answer& answer) {
                   if (!answer.ok())
                     log.error("conversation not kept, it is again with its next message reason=" +
                               answer.message);
                 });
  keep(key, std::move(one));
}

void References::keep(std::string key, Reference one) {
  if (one.kind == ConversationKind::kPersonal && !one.person.empty() && !one.is_gone)
    chats_.insert_or_assign(person_key(one.tenant, one.person), key);
  by_place_.insert_or_assign(std::move(key), std::move(one));
}

void References::forget(const Activity& activity) {
  const std::string key = key_of(place_of(activity));
  const auto first = first_.find(key);
  if (first == first_.end() || first->second != activity.key) return;
  first_.erase(first);
  if (by_place_.erase(key) == 0) return;
  std::erase_if(chats_, [&key](const auto& one) { return one.second == key; });
  documents_.remove(std::string(kPrefix) + key, sdk::Documents::kAnyVersion, {});
}

void References::note_chat(Reference chat) {
  const std::string key = key_of(place_in(chat));
  if (!by_place_.contains(key)) put(key, std::move(chat));
}

void References::note(const Activity& activity) {
  const ConversationRef& of = activity.conversation;
  if (of.base.empty() || activity.service_url.empty()) return;
  const auto* update = std::get_if<ConversationUpdate>(&activity.what);
  const auto* installation = std::get_if<InstallationUpdate>(&activity.what);
  if ((update && update->removes_bot) || (installation && !installation->is_added)) return;
  const std::string key = key_of(place_of(activity));
  const auto held = by_place_.find(key);
  if (held == by_place_.end()) {
    if (first_.size() >= kMostFirst) first_.clear();
    first_.insert_or_assign(key, activity.key);
  } else if (const auto first = first_.find(key);
             first != first_.end() && first->second != activity.key) {
    first_.erase(first);
  }
  Reference now = held == by_place_.end() ? Reference() : held->second;
  now.tenant = of.tenant;
  now.conversation = of.base;
  now.kind = of.kind;
  now.service_url = activity.service_url;
  if (!activity.bot.id.empty()) now.bot_id = activity.bot.id;
  if (!activity.bot.name.empty()) now.bot_name = activity.bot.name;
  if (!of.name.empty()) now.name = of.name;
  if (!activity.team.empty()) now.team = activity.team;
  if (of.kind == ConversationKind::kPersonal && !activity.from.is_bot && !activity.is_own())
    now.person = activity.from.id;
  now.is_gone = false;
  if (held == by_place_.end() || held->second != now) put(key, std::move(now));
}

void References::set_greeted(const Activity& activity) {
  const std::string key = key_of(place_of(activity));
  const auto held = by_place_.find(key);
  if (held == by_place_.end() || held->second.was_greeted) return;
  Reference now = held->second;
  now.was_greeted = true;
  put(key, std::move(now));
}

void References::set_gone(const chat::Place& place) {
  const std::string key = key_of(place);
  const auto held = by_place_.find(key);
  if (held == by_place_.end() || held->second.is_gone) return;
  Reference now = held->second;
  now.is_gone = true;
  now.was_greeted = false;
  put(key, std::move(now));
}

const Reference* References::find(const chat::Place& place) const {
  const auto held = by_place_.find(key_of(place));
  return held == by_place_.end() ? nullptr : &held->second;
}

std::optional<Destination> References::destination(const chat::Place& place) const {
  const Reference* held = find(place);
  if (held == nullptr || held->is_gone) return std::nullopt;
  Destination to;
  to.service_url = held->service_url;
  to.conversation = conversation_id_of(place);
  to.tenant = held->tenant;
  to.is_personal = held->kind == ConversationKind::kPersonal;
  return to;
}

std::optional<Destination> References::chat_with(std::string_view tenant,
                                                 std::string_view person) const {
  const auto key = chats_.find(person_key(tenant, person));
  if (key == chats_.end()) return std::nullopt;
  const auto held = by_place_.find(key->second);
  if (held == by_place_.end() || held->second.is_gone) return std::nullopt;
  const Reference& chat = held->second;
  return Destination{chat.service_url, chat.conversation, chat.tenant, true, false};
}

}  // namespace viaduct::teams
