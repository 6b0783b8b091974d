#include "plugins/teams/connector_json.hpp"

#include <nlohmann/json.hpp>
#include <viaduct/chat/value.hpp>

namespace viaduct::teams {
namespace {

using nlohmann::json;

std::optional<json> object(std::string_view text) {
  json read = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!read.is_object()) return std::nullopt;
  return read;
}
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<json> from_bot(std::string_view activity, std::string_view bot) {
  auto all = object(activity);
  if (all && !bot.empty() && !all->contains("from")) (*all)["from"] = {{"id", bot}};
  return all;
}

// Of a conversation that begins with `activity`, if there is one.
std::optional<std::string> conversation_body(json body, std::string_view bot,
                                             std::string_view activity) {
  if (!bot.empty()) body["bot"] = {{"id", bot}};
  if (!activity.empty()) {
    auto first = from_bot(activity, bot);
    if (!first) return std::nullopt;
    body["activity"] = *std::move(first);
  }
  return dump(body);
}

Member member_of(const chat::Value& from) {
  Member member{from.text("id"),    from.text("aadObjectId"), from.text("name"),
                from.text("email"), from.text("tenantId"),    from.text("userRole")};
  if (member.aad.empty()) member.aad = from.text("objectId");
  if (member.email.empty()) member.email = from.text("userPrincipalName");
  return member;
}

}  // namespace

std::optional<std::string> addressed(std::string_view activity, std::string_view bot,
                                     std::string_view conversation) {
  auto all = from_bot(activity, bot);
  if (!all) return std::nullopt;
  if (!all->contains("conversation")) (*all)["conversation"] = {{"id", conversation}};
  return dump(*all);
}

std::optional<std::string> chat_body(std::string_view tenant, std::string_view bot,
                                     std::string_view person, std::string_view activity) {
  return conversation_body({{"isGroup", false},
                            {"members", json::array({{{"id", person}}})},
                            {"tenantId", tenant},
                            {"channelData", {{"tenant", {{"id", tenant}}}}}},
                           bot, activity);
}

std::optional<std::string> thread_body(std::string_view tenant, std::string_view bot,
                                       std::string_view channel, std::string_view activity) {
  return conversation_body(
      {{"isGroup", true},
       {"tenantId", tenant},
       {"channelData", {{"channel", {{"id", channel}}}, {"tenant", {{"id", tenant}}}}}},
      bot, activity);
}

Done parse_done(std::string_view body) {
  return {chat::Value::parsed(body).text("id"), ""};
}

Done parse_created(std::string_view body) {
  const chat::Value all = chat::Value::parsed(body);
  return {all.text("activityId"), all.text("id")};
}

MemberPage parse_members(std::string_view body) {
  const chat::Value all = chat::Value::parsed(body);
  MemberPage page;
  for (const chat::Value& one : all.is_list() ? all.items() : all.at("members").items())
    page.members.push_back(member_of(one));
  page.continuation = all.text("continuationToken");
  return page;
}

Member parse_member(std::string_view body) {
  return member_of(chat::Value::parsed(body));
}

}  // namespace viaduct::teams
