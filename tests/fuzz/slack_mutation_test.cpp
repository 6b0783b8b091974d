// The deterministic short form of the Slack surface's fuzz targets.
#include "tests/fuzz/mutation.hpp"
#include "tests/fuzz/slack_feed.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace viaduct::slack {
namespace {

std::vector<std::string> corpus(const std::string& name) {
  return fuzz::corpus(std::string(SLACK_CORPUS) + "_" + name);
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
                                                   "\xF0\x9F",
                                                   "{\"a\":",
                                                   "[[[[[[[[",
                                                   "}",
                                                   "\"",
                                                   "\n",
                                                   "18446744073709551616",
                                                   "\"event\":null",
                                                   "\"ts\":1.5",
                                                   "%",
                                                   "%zz",
                                                   "&payload=",
                                                   "ssl_check=1&"};
const std::vector<std::string_view> kWords = {" ",
                                              "\n",
                                              "\"",
                                              "'",
                                              "\xE2\x80\x9C",
                                              "\xE2\x80\x9D",
                                              "\xE2\x80\x94",
                                              "--",
                                              "--dir",
                                              "=",
                                              "<@U_BOT>",
                                              "<",
                                              ">",
                                              "|",
                                              "&amp;",
                                              "&lt;",
                                              "<!here>",
                                              "new ",
                                              "/amp ",
                                              "stop",
                                              "\xFF",
                                              "`"};
const std::vector<std::string_view> kMarks = {"```",
                                              "~~~",
                                              "`",
                                              "\n",
                                              "\n\n",
                                              "    ",
                                              "- ",
                                              "1. ",
                                              "> ",
                                              "|",
                                              "|-|\n",
                                              "[",
                                              "](",
                                              ")",
                                              "<!here>",
                                              "<@U1>",
                                              "@here",
                                              "**",
                                              "_",
                                              "~~",
                                              "\\",
                                              "<",
                                              ">",
                                              "&",
                                              "\xF0\x9F\x98\x80",
                                              "\xFF",
                                              "\r\n",
                                              "\t",
                                              "https://a.test/",
                                              "![",
                                              "<b>"};

TEST(SlackMutations, OfWhatSlackSendsBreakNoReader) {
  fuzz::walk(corpus("event"), kJsonPieces, 2000, feed_event);
  fuzz::cut_short(corpus("event"), feed_event);
}

TEST(SlackMutations, OfCommandsBreakNoReader) {
  fuzz::walk(corpus("command"), kWords, 4000, feed_command);
  fuzz::cut_short(corpus("command"), feed_command);
}

TEST(SlackMutations, OfMarkdownBreakNoWriter) {
  fuzz::walk(corpus("markdown"), kMarks, 400, feed_markdown);
  fuzz::cut_short(corpus("markdown"), feed_markdown);
}

}  // namespace
}  // namespace viaduct::slack
