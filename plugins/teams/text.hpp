// What a person has said, for people, commands and agents: without the bot's own mention, with the
// lines as they were written. Teams sends a message twice, as plain text, which has lost its lines
// at times, and as HTML. Pure functions; any thread.
#pragma once

#include "plugins/teams/activity.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

// The bot's own mention is taken out by its id, never by its name, and the seam is closed; others'
// mentions are their names. Lists, code, links and quotes of the HTML are as in Markdown.
std::string text_of(const Activity& activity, const Message& message);

// What the message answers to: as Teams says it, or as it stands in its HTML.
std::vector<Quote> quotes_of(const Message& message);
// Its files, also those that are only named in its HTML.
std::vector<File> files_of(const Message& message);

// Whether it is for the bot: in a personal chat always, elsewhere by its mention or by a slash
// command.
bool is_addressed(const Activity& activity, const Message& message);
// Whether people are mentioned, but not the bot.
bool is_for_others(const Activity& activity, const Message& message);

// HTML of a message in words.
struct HtmlText {
  std::string text;
  bool has_structure = false;  // lines, lists, code, quotes, links: more than one paragraph of text
  std::vector<std::string> stubs;  // ids of attachments that are only named
  std::vector<Quote> quotes;       // they are not in `text`
};
// `mentions`: what each mention stands for, in the order of the text. nullopt: it is no HTML, is
// too large, or has another number of mentions.
std::optional<HtmlText> html_text(std::string_view html, const std::vector<std::string>& mentions);
// The same with the names that stand in it.
std::optional<HtmlText> html_text(std::string_view html);

}  // namespace viaduct::teams
