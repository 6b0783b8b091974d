// The deterministic short form of the Teams surface's fuzz targets.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/mutation.hpp"
#include "tests/fuzz/teams_feed.hpp"

namespace viaduct::teams {
namespace {

std::vector<std::string> corpus(const std::string& name) {
  return fuzz::corpus(std::string(TEAMS_CORPUS) + "_" + name);
}

const std::vector<std::string_view> kJsonPieces = {"null",
                                                   "{}",
                                                   "[]",
                                                   "\"\"",
                                                   "0",
                                                   "-1",
                                                   "1e999",
                                                   "true",
                                                   "\\ud83d",
                                                   "\xFF",
                                                   "{\"a\":",
                                                   "[[[[[[[[",
                                                   "}",
                                                   "\"",
                                                   "\\n",
                                                   "18446744073709551616",
                                                   "\"type\":\"message\",",
                                                   "\"value\":{},",
                                                   "\"text\":\"<at>Bot</at>\",",
                                                   ";messageid=",
                                                   "<at>",
                                                   "%2F",
                                                   "/"};
const std::vector<std::string_view> kTags = {
    "<p>",
    "</p>",
    "<br>",
    "<ul>",
    "<li>",
    "</ul>",
    "<pre>",
    "<code>",
    "</code>",
    "&nbsp;",
    "&#0;",
    "<at id=\"0\">",
    "</at>",
    "<table><tr><td>",
    "</td>",
    "<a href=\"https://a.test\">",
    "</a>",
    "<blockquote itemtype=\"http://schema.skype.com/Reply\">",
    "<img alt=\"x\">",
    "<!--",
    "-->",
    "<![CDATA[",
    "\"",
    ">",
    "<",
    "\xFF",
    "\x01",
    "`"};
const std::vector<std::string_view> kMarks = {"```",   "~~~",
                                              "`",     "\n",
                                              "\n\n",  "    ",
                                              "- ",    "1. ",
                                              "> ",    "|",
                                              "|-|\n", "[",
                                              "](",    ")",
                                              "<at>",  "</at>",
                                              "**",    "_",
                                              "~~",    "\\",
                                              "<",     ">",
                                              "&",     "\xF0\x9F\x98\x80",
                                              "\xFF",  "\r\n",
                                              "\t",    "https://a.test/",
                                              "![",    "<b>",
                                              "===\n", "[x]: ",
                                              "# ",    "\xE4\xB8\xAD\xE6\x96\x87",
                                              "[ ] "};

TEST(TeamsMutations, OfWhatTeamsSendsBreakNoReader) {
  fuzz::walk(corpus("activity"), kJsonPieces, 1500, feed_activity);
  fuzz::cut_short(corpus("activity"), feed_activity);
}

TEST(TeamsMutations, OfHtmlBreakNoReader) {
  fuzz::walk(corpus("html"), kTags, 1500, feed_html);
  fuzz::cut_short(corpus("html"), feed_html);
}

TEST(TeamsMutations, OfMarkdownBreakNoWriter) {
  fuzz::walk(corpus("markdown"), kMarks, 120, feed_markdown);
  fuzz::cut_short(corpus("markdown"), feed_markdown);
}

}  // namespace
}  // namespace viaduct::teams
