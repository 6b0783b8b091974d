#include "plugins/slack/address.hpp"

#include <gtest/gtest.h>

namespace viaduct::slack {
namespace {

TEST(SlackAddress, IsSlacksOnlyAtItsOwnHosts) {
  const char* const kBase = "https://slack.com/api/";
  for (const char* url :
       {"https://slack.com/x", "https://files.slack.com/files-pri/T1-F1/a.png?x=1",
        "https://HOOKS.slack.com/commands/1", "https://acme.enterprise.slack.com:443/files",
        "https://slack-files.com/T1", "https://slack.com"})
    EXPECT_TRUE(is_slack_address(url, kBase)) << url;
  for (const char* url : {"",
                          "http://files.slack.com/x",
                          "https://evilslack.com/",
                          "https://slack.com.evil.org/",
                          "https://files.slack.com@evil.org/",
                          "https://evil.org/files.slack.com",
                          "https://evil.org?.slack.com/",
                          "https://evil.org#.slack.com/",
                          "https://evil.org\\.slack.com/",
                          "https://files.slack.com:8443/x",
                          "https://127.0.0.1/",
                          "https://169.254.169.254/latest",
                          "https://[::1]/",
                          "file:///etc/passwd",
                          "https://files.slack.com /",
                          "https://files.slack.com\r\nHost: evil/",
                          "//files.slack.com/",
                          "ftp://files.slack.com/",
                          "https://xn--slck-5na.com/",
                          "http://127.0.0.1:80/"})
    EXPECT_FALSE(is_slack_address(url, kBase)) << url;
}

TEST(SlackAddress, IsTheStandInsOnlyAtItsVeryPort) {
  const char* const kBase = "http://127.0.0.1:4711/api/";
  EXPECT_TRUE(is_slack_address("http://127.0.0.1:4711/files-pri/F1", kBase));
  EXPECT_TRUE(is_slack_address("https://files.slack.com/F1", kBase));
  for (const char* url : {"http://127.0.0.1:4712/", "http://127.0.0.1:47110/", "http://127.0.0.1/",
                          "http://localhost:4711/", "https://127.0.0.1:4711/"})
    EXPECT_FALSE(is_slack_address(url, kBase)) << url;
}

TEST(SlackAddress, IsFoundFromWhereARedirectLeads) {
  const char* const kFrom = "https://files.slack.com/a/b?c";
  EXPECT_EQ(resolved(kFrom, "https://slack.com/login"), "https://slack.com/login");
  EXPECT_EQ(resolved(kFrom, "/login?redir=https://x"),
            "https://files.slack.com/login?redir=https://x");
  EXPECT_EQ(resolved(kFrom, "//evil.org/x"), "https://evil.org/x");
  EXPECT_EQ(resolved(kFrom, "other"), "");
  EXPECT_EQ(resolved(kFrom, ""), "");
}

}  // namespace
}  // namespace viaduct::slack
