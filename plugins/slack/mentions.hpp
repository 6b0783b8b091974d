// The text of a message as Slack sends it, and as people and agents read it: <@U1> becomes a name,
// <https://…|label> a link, &lt; a sign; and whom it begins by addressing. Pure functions; any
// thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {

// &amp; &lt; &gt;, once: "&amp;lt;" becomes "&lt;".
std::string unescaped(std::string_view text);
// Their contrary, for text that goes to Slack as data.
std::string escaped(std::string_view text);

// Names by id, of people, channels and user groups.
using Names = std::map<std::string, std::string, std::less<>>;

// The ids that a text mentions without their names, each once, in their order.
struct Mentioned {
  std::vector<std::string> users;
  std::vector<std::string> channels;
  std::vector<std::string> groups;
};
Mentioned mentioned(std::string_view text);

// Without the bot's own mention at the beginning, also repeated, and a comma or colon after it.
std::string_view without_own_mention(std::string_view text, std::string_view bot_user);
bool mentions(std::string_view text, std::string_view user);

// Whether the text begins by speaking to others (a person, a user group, @here), and the bot is not
// among those whom it speaks to first.
bool is_for_others(std::string_view text, std::string_view bot_user);

// For people and agents. Ids without a name stay as they are: "@U0123".
std::string readable(std::string_view text, const Names& names);

}  // namespace viaduct::slack
