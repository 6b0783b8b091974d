#include <viaduct/chat/command.hpp>

#include <gtest/gtest.h>

#include <string>

namespace viaduct::chat {
namespace {

// "new dir=/x backend= description=hello world", for tables.
struct Shown {
  std::string operator()(const HelpCommand&) const { return "help"; }
  std::string operator()(const ListCommand& c) const { return "list [" + c.project + "]"; }
  std::string operator()(const ProjectsCommand&) const { return "projects"; }
  std::string operator()(const NewCommand& c) const {
    return "new [" + c.dir + "] [" + c.backend + "] [" + c.description + "]";
  }
  std::string operator()(const ConnectCommand& c) const { return "connect [" + c.id + "]"; }
  std::string operator()(const ResumeCommand& c) const { return "resume [" + c.id + "]"; }
  std::string operator()(const StatusCommand& c) const { return "status [" + c.id + "]"; }
  std::string operator()(const SessionsCommand&) const { return "sessions"; }
  std::string operator()(const BreakoutCommand& c) const { return "breakout [" + c.name + "]"; }
  std::string operator()(const EndCommand& c) const { return "end [" + c.id + "]"; }
  std::string operator()(const UnbindCommand& c) const { return "unbind [" + c.id + "]"; }
  std::string operator()(const CancelCommand& c) const { return "cancel [" + c.id + "]"; }
  std::string operator()(const RetryCommand& c) const { return "retry [" + c.id + "]"; }
  std::string operator()(const DiscoverCommand& c) const {
    return "discover " + std::to_string(c.limit);
  }
  std::string operator()(const ConfigCommand&) const { return "config"; }
  std::string operator()(const RememberCommand& c) const { return "remember [" + c.text + "]"; }
  std::string operator()(const RecallCommand& c) const { return "recall [" + c.query + "]"; }
  std::string operator()(const WorkStatusCommand&) const { return "work-status"; }
  std::string operator()(const WrongCommand& c) const { return "wrong: " + c.words(""); }
  std::string operator()(const UnknownCommand& c) const {
    return "unknown [" + c.word + "] [" + c.nearest + "]";
  }
};
std::string shown(const Command& command) {
  return std::visit(Shown{}, command);
}
std::string shown(const std::optional<Command>& command) {
  return command ? shown(*command) : "for the agent";
}

struct Case {
  const char* name;
  const char* text;
  const char* expected;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}

class Slash : public testing::TestWithParam<Case> {};
TEST_P(Slash, IsRead) {
  EXPECT_EQ(shown(parse_slash(GetParam().text)), GetParam().expected);
}
constexpr const char* kNewUsage = " Usage: `new [--dir PATH] [--backend NAME] [description]`";
const std::string kMissingDir = std::string("wrong: Missing value for `--dir`.") + kNewUsage;
const std::string kUnknownOption = std::string("wrong: Unknown option `--dri`.") + kNewUsage;

INSTANTIATE_TEST_SUITE_P(
    Cases, Slash,
    testing::Values(
        Case{"Nothing", "", "help"}, Case{"Blanks", "  \t", "help"}, Case{"Help", "help", "help"},
        Case{"QuestionMark", "?", "help"}, Case{"UpperCase", "LS", "list []"},
        Case{"ListProject", "list proj", "list [proj]"},
        Case{"ListQuoted", "list \"my project\"", "list [my project]"},
        Case{"ListTwo", "list a b", "wrong: That is more than one name. Usage: `list [project]`"},
        Case{"Projects", "projects", "projects"}, Case{"New", "new", "new [] [] []"},
        Case{"Start", "start x", "new [] [] [x]"}, Case{"Create", "create x", "new [] [] [x]"},
        Case{"NewDescription", "new foo  bar", "new [] [] [foo  bar]"},
        Case{"NewDir", "new --dir ~/src fix it", "new [~/src] [] [fix it]"},
        Case{"NewDirBehind", "new fix it --dir ~/src", "new [~/src] [] [fix it]"},
        Case{"NewDirAmid", "new fix --dir ~/src it", "new [~/src] [] [fix it]"},
        Case{"NewDirEquals", "new --dir=~/src", "new [~/src] [] []"},
        Case{"NewDirQuoted", "new --dir \"/a b/c\" x", "new [/a b/c] [] [x]"},
        Case{"NewDirEqualsQuoted", "new --dir=\"/a b\" x", "new [/a b] [] [x]"},
        Case{"NewDirSmartQuotes", "new --dir “/a b/c” x", "new [/a b/c] [] [x]"},
        Case{"NewEmDash", "new —dir ~/src —backend claude", "new [~/src] [claude] []"},
        Case{"NewEnDash", "new –dir=~/src", "new [~/src] [] []"},
        Case{"NewDashOfTheText", "new fix — soon", "new [] [] [fix — soon]"},
        Case{"NewBackend", "new --backend claude --dir /x y z", "new [/x] [claude] [y z]"},
        Case{"NewOptionUpper", "new --DIR /x", "new [/x] [] []"},
        Case{"NewQuoted", "new “say hello”", "new [] [] [say hello]"},
        Case{"NewQuotesWithin", "new say \"hello\" twice", "new [] [] [say \"hello\" twice]"},
        Case{"NewApostrophe", "new don't 'panic'", "new [] [] [don't 'panic']"},
        Case{"NewOpenQuote", "new \"never closed", "new [] [] [\"never closed]"},
        Case{"NewNoValue", "new --dir", kMissingDir.c_str()},
        Case{"NewNoValueButOption", "new --dir --backend x", kMissingDir.c_str()},
        Case{"NewEmptyValue", "new --dir= x", kMissingDir.c_str()},
        Case{"NewUnknownOption", "new --dri /x", kUnknownOption.c_str()},
        Case{"NewOptionOfTheText", "new add --verbose to it", "new [] [] [add --verbose to it]"},
        Case{"NewEndOfOptions", "new -- --dir is wrong", "new [] [] [--dir is wrong]"},
        Case{"Connect", "connect 1a2b", "connect [1a2b]"},
        Case{"Attach", "attach `1a2b`", "connect [1a2b]"}, Case{"Join", "join *x*", "connect [x]"},
        Case{"ConnectNothing", "connect", "wrong: Which session? Usage: `connect ID`"},
        Case{"ConnectTwo", "connect a b",
             "wrong: That is more than one session. Usage: `connect ID`"},
        Case{"Resume", "resume 1a2b", "resume [1a2b]"}, Case{"ResumeThis", "resume", "resume []"},
        Case{"Status", "status", "status []"}, Case{"Info", "info", "status []"},
        Case{"Sessions", "sessions", "sessions"}, Case{"Breakout", "breakout", "breakout []"},
        Case{"BreakoutName", "breakout ops", "breakout [ops]"}, Case{"End", "end", "end []"},
        Case{"EndOne", "end 1a2b", "end [1a2b]"}, Case{"Quit", "quit", "end []"},
        Case{"Close", "close", "end []"}, Case{"StopIsCancel", "stop", "cancel []"},
        Case{"Cancel", "cancel", "cancel []"}, Case{"DisconnectUnbinds", "disconnect", "unbind []"},
        Case{"Unbind", "unbind", "unbind []"}, Case{"Retry", "retry", "retry []"},
        Case{"Discover", "discover", "discover 10"},
        Case{"DiscoverFew", "discover 3", "discover 3"},
        Case{"DiscoverAll", "discover 4000000", "discover 40"},
        Case{"DiscoverNone", "discover 0",
             "wrong: The limit is a number from 1 to 40. Usage: `discover [limit]`"},
        Case{"DiscoverMany", "discover 99999999999",
             "wrong: The limit is a number from 1 to 40. Usage: `discover [limit]`"},
        Case{"DiscoverWord", "discover all",
             "wrong: The limit is a number from 1 to 40. Usage: `discover [limit]`"},
        Case{"Config", "config", "config"},
        Case{"Remember", "remember use  tabs\nalways", "remember [use  tabs\nalways]"},
        Case{"RememberQuoted", "remember \"use tabs\"", "remember [use tabs]"},
        Case{"RememberNothing", "remember", "wrong: Usage: `remember TEXT`"},
        Case{"Recall", "recall tabs or blanks", "recall [tabs or blanks]"},
        Case{"WorkStatus", "work-status", "work-status"},
        Case{"WorkStatusUnderscore", "work_status", "work-status"},
        Case{"Near", "lst", "unknown [lst] [list]"},
        Case{"Swapped", "hlep", "unknown [hlep] [help]"},
        Case{"NearAlias", "conect 1a", "unknown [conect] [connect]"},
        Case{"NearPlural", "session", "unknown [session] [sessions]"},
        Case{"Far", "frobnicate it", "unknown [frobnicate] []"},
        Case{"Letter", "x", "unknown [x] []"},
        Case{"Mention", "<@U_OTHER> list", "unknown [<@U_OTHER>] []"}),
    testing::PrintToStringParamName());

class AddressedCommand : public testing::TestWithParam<Case> {};
TEST_P(AddressedCommand, IsToldFromWordsForTheAgent) {
  EXPECT_EQ(shown(parse_addressed(GetParam().text, "/amp")), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AddressedCommand,
    testing::Values(
        Case{"Nothing", "", "help"}, Case{"Help", "help", "help"},
        Case{"HelpMe", "help me to fix the build", "for the agent"},
        Case{"List", "list", "list []"}, Case{"ListProject", "list proj", "list [proj]"},
        Case{"ListThings", "list the files here", "for the agent"},
        Case{"Start", "start x", "new [] [] [x]"},
        Case{"NewText", "new say hi", "new [] [] [say hi]"},
        Case{"SlashTyped", "/amp list", "list []"}, Case{"SlashAlone", "/amp", "help"},
        Case{"SlashUnknown", "/amp lst", "unknown [lst] [list]"},
        Case{"StatusOf", "status of the build?", "for the agent"},
        Case{"Status", "status", "status []"}, Case{"StopIt", "stop it", "for the agent"},
        Case{"StopOne", "stop 1a2b3c", "cancel [1a2b3c]"},
        Case{"StopTheServer", "stop the server", "for the agent"},
        Case{"Stop", "Stop", "cancel []"}, Case{"EndOfStory", "end of story", "for the agent"},
        Case{"End", "end", "end []"}, Case{"Disconnect", "disconnect", "unbind []"},
        Case{"ConnectPrefix", "connect abcd", "connect [abcd]"},
        Case{"ConnectTo", "connect to the database", "for the agent"},
        Case{"Resume", "resume nosuch", "resume [nosuch]"},
        Case{"Discover", "discover 5", "discover 5"},
        Case{"DiscoverWhy", "discover why it fails", "for the agent"},
        Case{"Remember", "remember the milk", "remember [the milk]"},
        Case{"Typo", "lst", "for the agent"}, Case{"Question", "what is 2+2?", "for the agent"},
        Case{"Hello", "hello list", "for the agent"}),
    testing::PrintToStringParamName());

class ThreadCommand : public testing::TestWithParam<Case> {};
TEST_P(ThreadCommand, IsOnlyStop) {
  EXPECT_EQ(shown(parse_in_thread(GetParam().text, "/amp")), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ThreadCommand,
    testing::Values(Case{"Stop", "stop", "cancel []"}, Case{"StopNow", " STOP! ", "cancel []"},
                    Case{"Cancel", "cancel", "cancel []"},
                    Case{"StopMore", "stop the server", "for the agent"},
                    Case{"Help", "help", "for the agent"}, Case{"End", "end", "for the agent"},
                    Case{"Slash", "/amp end", "end []"}, Case{"Empty", "", "for the agent"}),
    testing::PrintToStringParamName());

TEST(Command, ThatIsUnknownIsAnsweredWithTheNearest) {
  EXPECT_EQ((WrongCommand{"", "recall QUERY"}.words("/amp")), "Usage: `/amp recall QUERY`");
  EXPECT_EQ((UnknownCommand{"lst", "list"}.words("/amp")),
            "Unknown command: `lst`. Did you mean `/amp list`? Try `/amp help` for available "
            "commands.");
  EXPECT_EQ((UnknownCommand{"<!here>`", ""}.words("/amp")),
            "Unknown command: `<!here>'`. Try `/amp help` for available commands.");
}

TEST(Command, EachOneIsInTheHelp) {
  const std::string help = help_text("/amp");
  for (const char* name : {"help", "list", "projects", "new", "connect", "resume", "status",
                           "sessions", "breakout", "end", "cancel", "retry", "discover", "config",
                           "remember", "recall", "work-status", "disconnect"})
    EXPECT_NE(help.find(std::string("`/amp ") + name), std::string::npos) << name;
  EXPECT_LT(help.size(), 3000U);  // one section
}

TEST(Command, OfTheHelpIsReadWithoutArgumentsWhereItNeedsNone) {
  for (const char* name :
       {"help", "list", "projects", "new", "resume", "status", "sessions", "breakout", "end",
        "cancel", "retry", "discover", "config", "work-status"}) {
    EXPECT_FALSE(std::holds_alternative<WrongCommand>(parse_slash(name))) << name;
    EXPECT_TRUE(parse_addressed(name, "/amp").has_value()) << name;
  }
}

}  // namespace
}  // namespace viaduct::chat
