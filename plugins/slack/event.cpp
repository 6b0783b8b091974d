#include "plugins/slack/event.hpp"

#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <array>

namespace viaduct::slack {

std::string message_key(const Workspace& workspace, const std::string& channel,
                        const std::string& ts) {
  const std::string& team = workspace.team.empty() ? workspace.enterprise : workspace.team;
  return "message/" + team + "/" + channel + "/" + ts;
}

bool is_ts(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot > 12 || text.size() - dot != 7) return false;
  return text.find_first_not_of("0123456789.") == std::string_view::npos &&
         text.find('.', dot + 1) == std::string_view::npos;
}

bool is_earlier(std::string_view a, std::string_view b) {
  const auto without_zeros = [](std::string_view text) {
    return text.substr(std::min(text.find_first_not_of('0'), text.size()));
  };
  a = without_zeros(a);
  b = without_zeros(b);
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

Ignored why_ignored(const Message& message, const Self& self) {
  const bool is_own = (!self.user.empty() && message.user == self.user) ||
                      (!self.bot.empty() && message.bot_id == self.bot) ||
                      (!self.app.empty() && message.app_id == self.app && !message.bot_id.empty());
  if (is_own) return Ignored::kOwn;
  constexpr std::array<std::string_view, 4> kPeoples = {"", "file_share", "thread_broadcast",
                                                        "me_message"};
  if (!message.bot_id.empty() || message.subtype == "bot_message" || message.user == "USLACKBOT")
    return Ignored::kOtherBot;
  if (std::find(kPeoples.begin(), kPeoples.end(), message.subtype) == kPeoples.end())
    return Ignored::kSubtype;
  if (message.is_hidden) return Ignored::kHidden;
  // History has edited messages too, which are as new as any.
  if (message.is_mention && message.is_edited) return Ignored::kEdited;
  if (message.channel.empty() || !is_ts(message.ts) ||
      (!message.thread_ts.empty() && !is_ts(message.thread_ts)))
    return Ignored::kNoPlace;
  if (message.user.empty()) return Ignored::kNobody;
  if (chat::trimmed(message.text).empty() && message.files.empty() && message.quoted.empty())
    return Ignored::kEmpty;
  return Ignored::kNot;
}

std::string_view words(Ignored why) {
  switch (why) {
    case Ignored::kNot: return "a person's message";
    case Ignored::kOwn: return "its own message";
    case Ignored::kOtherBot: return "another bot's message";
    case Ignored::kHidden: return "a hidden message";
    case Ignored::kSubtype: return "a note of Slack's";
    case Ignored::kEdited: return "an edited message";
    case Ignored::kNoPlace: return "a message without channel or time";
    case Ignored::kNobody: return "a message of nobody";
    case Ignored::kEmpty: return "a message without content";
  }
  return "";
}

bool Person::is_member(const Workspace& of) const {
  if (is_guest || is_stranger || is_deleted || is_bot) return false;
  const auto is_ours = [&](const std::string& one) {
    return !one.empty() && (one == of.team || one == of.enterprise);
  };
  return is_ours(team) || is_ours(enterprise) || std::ranges::any_of(teams, is_ours);
}

bool is_from_elsewhere(std::string_view user_team, const Workspace& workspace) {
  return !user_team.empty() && !workspace.team.empty() && workspace.enterprise.empty() &&
         user_team != workspace.team;
}

}  // namespace viaduct::slack
