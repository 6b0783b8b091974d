// Images, sounds and files that an agent sends: looked at, in their place, once, and in words for
// whom they cannot be shown to.
#include "host/sessions/content_json.hpp"

#include "scripted_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace viaduct::sessions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::World;

constexpr const char kImage[] = R"({"data":"AAAA","mimeType":"image/png","type":"image"})";

BackendEvent checked(std::string json, std::string words = "[it]") {
  return checked_content({VIADUCT_EVENT_CONTENT, 1, "", std::move(words), std::move(json)});
}

TEST(CheckedContent, KeepsWhatTheAbiNamesAndNothingElse) {
  EXPECT_EQ(checked(kImage).json, kImage);
  EXPECT_EQ(checked(kImage).text, "[it]");
  EXPECT_EQ(
      checked(
          R"({"type":"audio","data":"AA==","mimeType":"audio/wav","_meta":{"a":[[[[1]]]]},"uri":"file:///a"})")
          .json,
      R"({"data":"AA==","mimeType":"audio/wav","type":"audio","uri":"file:///a"})");
  EXPECT_EQ(
      checked(R"({"type":"resource","resource":{"uri":"file:///a","blob":"AAA=","other":1}})").json,
      R"({"resource":{"blob":"AAA=","uri":"file:///a"},"type":"resource"})");
  EXPECT_EQ(checked(R"({"type":"resource","resource":{"text":"a","mimeType":"text/csv"}})").json,
            R"({"resource":{"mimeType":"text/csv","text":"a","uri":""},"type":"resource"})");
}

TEST(CheckedContent, HasATypeThatCanBeWrittenIntoAPage) {
  EXPECT_THAT(checked(R"({"type":"image","data":"AAAA","mimeType":"image/png\r\nx: y"})").json,
              HasSubstr(R"("mimeType":"image/png")"));
  EXPECT_THAT(checked(R"({"type":"image","data":"AAAA"})").json,
              HasSubstr(R"("mimeType":"image/png")"));
}

struct Bad {
  const char* name;
  std::string json;
  const char* words;
};
void PrintTo(const Bad& bad, std::ostream* os) {
  *os << bad.name;
}
class BadContent : public ::testing::TestWithParam<Bad> {};
TEST_P(BadContent, IsOnlyWordsWithTheReason) {
  const BackendEvent event = checked(GetParam().json);
  EXPECT_EQ(event.json, "");
  EXPECT_EQ(event.text, GetParam().words);
}
INSTANTIATE_TEST_SUITE_P(
    Blocks, BadContent,
    ::testing::Values(
        Bad{"Empty", R"({"type":"image","data":"","mimeType":"image/png"})", "[it] (it is empty)"},
        Bad{"EmptyFile", R"({"type":"resource","resource":{"uri":"file:///a"}})",
            "[it] (it is empty)"},
        Bad{"BrokenBase64", R"({"type":"image","data":"A!AA","mimeType":"image/png"})",
            "[it] (what the agent sent of it is broken)"},
        Bad{"CutBase64", R"({"type":"audio","data":"AAA","mimeType":"audio/wav"})",
            "[it] (what the agent sent of it is broken)"},
        Bad{"NoJson", "nothing", "[it] (what the agent sent of it is broken)"},
        Bad{"NoJsonAtAll", "", "[it] (what the agent sent of it is broken)"},
        Bad{"OtherType", R"({"type":"text","text":"a"})",
            "[it] (what the agent sent of it is broken)"},
        Bad{"TooLarge", R"({"type":"image","data":")" + std::string(kLargestContent, 'A') + "\"}",
            "[it] (it is larger than 8 MiB)"}),
    [](const auto& info) { return info.param.name; });

class Contents : public ::testing::Test {
 protected:
  Contents() : id_(world_.create(world_.alice).record.id) {}
  void prompt(std::size_t times) {
    ASSERT_TRUE(world_.send(id_, "hello", "k" + std::to_string(times)));
    world_.until([&] { return world_.backend->count("prompt") == times; });
  }
  viaduct_flow say(std::uint32_t kind, std::string text, std::string json = "",
                   std::string item = "", bool outside = false) {
    const auto& prompt = world_.backend->last("prompt");
    return world_.sessions->emit(prompt.session, {kind, outside ? 0 : prompt.turn, std::move(item),
                                                  std::move(text), std::move(json)});
  }
  void show(std::string item = "", bool outside = false) {
    EXPECT_EQ(say(VIADUCT_EVENT_CONTENT, "[a chart]", kImage, std::move(item), outside),
              VIADUCT_FLOW_OK);
  }
  void until_types(const std::vector<std::string>& wanted) {
    world_.until([&] { return world_.types(id_) == wanted; });
  }

  World world_;
  const std::string id_;
};

TEST_F(Contents, EndTheTextBeforeThemAndKeepTheirPlace) {
  prompt(1);
  say(VIADUCT_EVENT_TEXT, "Look", "", "m1");
  say(VIADUCT_EVENT_TEXT, ":", "", "m1");
  show();
  say(VIADUCT_EVENT_TEXT, "Nice, ", "", "m1");
  say(VIADUCT_EVENT_TEXT, "is it not?", "", "m1");
  show();
  world_.backend->end_turn();
  until_types({"user_message", "text", "content", "text", "content", "turn_end"});
  const auto log = world_.log(id_);
  EXPECT_EQ(log[1].text, "Look:");
  EXPECT_EQ(log[2].text, "[a chart]");
  EXPECT_EQ(log[2].data, kImage);
  EXPECT_TRUE(log[2].complete);
  EXPECT_EQ(log[2].turn, 1U);
  EXPECT_EQ(log[3].text, "Nice, is it not?");
}

TEST_F(Contents, AreThereOnceAfterAKill) {
  prompt(1);
  say(VIADUCT_EVENT_TEXT, "Look:");
  show();
  until_types({"user_message", "text", "content"});
  world_.kill();
  world_.start();
  until_types({"user_message", "text", "content", "turn_end"});
  EXPECT_EQ(world_.log(id_)[2].data, kImage);
}

TEST_F(Contents, WithAKnownIdAreSaidOnce) {
  prompt(1);
  show("t#1");
  show("t#1");
  show("t#2");
  world_.backend->end_turn();
  until_types({"user_message", "content", "content", "turn_end"});
  show("t#1", true);
  show("t#3", true);
  show("t#3", true);
  say(VIADUCT_EVENT_NOTICE, "done", "", "", true);
  until_types({"user_message", "content", "content", "turn_end", "content", "notice"});
}

TEST_F(Contents, ThatAreBrokenAreATextOfTheirOwn) {
  prompt(1);
  say(VIADUCT_EVENT_TEXT, "Look:");
  say(VIADUCT_EVENT_CONTENT, "[a chart]", R"({"type":"image","data":"?","mimeType":"image/png"})");
  say(VIADUCT_EVENT_TEXT, "Well.");
  world_.backend->end_turn();
  until_types({"user_message", "text", "text", "text", "turn_end"});
  EXPECT_EQ(world_.log(id_)[2].text, "[a chart] (what the agent sent of it is broken)");
}

TEST_F(Contents, AreWordsInTheWholeAnswer) {
  std::optional<Result<AskAnswer>> answer;
  world_.sessions->ask(world_.alice, id_, {"k1", "hello", "", ""},
                       [&](Result<AskAnswer> said) { answer = std::move(said); });
  world_.until([&] { return world_.backend->count("prompt") == 1; });
  say(VIADUCT_EVENT_TEXT, "Look:");
  show();
  say(VIADUCT_EVENT_TEXT, "Nice.");
  world_.backend->end_turn();
  world_.until([&] { return answer.has_value(); });
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->text, "Look:\n\n[a chart]\n\nNice.");
}

TEST_F(Contents, GoToAnAgentInWordsAlone) {
  prompt(1);
  show();
  world_.backend->end_turn();
  until_types({"user_message", "content", "turn_end"});
  world_.kill();
  world_.start();
  world_.backend->rules["restore"] = [](const auto&) { return fail(Errc::not_found, "gone"); };
  ASSERT_TRUE(world_.send(id_, "again", "k2"));
  world_.until([&] { return world_.backend->count("inject") > 0; });
  const std::string given = world_.backend->last("inject").text;
  EXPECT_THAT(given, HasSubstr("[a chart]"));
  EXPECT_THAT(given, HasSubstr(R"("type":"text")"));
  EXPECT_THAT(given, Not(HasSubstr("AAAA")));
  world_.until([&] { return world_.backend->count("prompt") == 1; });
  world_.backend->end_turn();
  until_types(
      {"user_message", "content", "turn_end", "user_message", "context_restored", "turn_end"});
}

TEST_F(Contents, AreInACopyTheNewestThatFitAndTheOthersInWords) {
  world_.limits.content_bytes = 2 * std::string(kImage).size();
  world_.kill();
  world_.start();
  world_.backend->rules["restore"] = [](const auto&) { return BackendAnswer{"n1", "", "{}"}; };
  for (std::size_t turn = 1; turn <= 3; ++turn) {
    prompt(turn);
    show();
    world_.backend->end_turn();
    world_.until([&] { return world_.types(id_).size() == 3 * turn; });
  }
  const auto copy = world_.wait<SessionView>(
      [&](Done<SessionView> done) { world_.sessions->fork(world_.alice, id_, std::move(done)); });
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_THAT(world_.types(copy->record.id),
              ElementsAre("user_message", "text", "turn_end", "user_message", "content", "turn_end",
                          "user_message", "content", "turn_end"));
  EXPECT_EQ(world_.log(copy->record.id)[1].text, "[a chart]");
  EXPECT_THAT(world_.backend->last("inject").text, Not(HasSubstr("AAAA")));
}

TEST_F(Contents, AreNotTakenAnyMoreWhenTheTurnWasCancelled) {
  prompt(1);
  world_.sessions->cancel(world_.alice, id_, 1, [](Result<>) {});
  world_.until([&] { return world_.backend->count("cancel") == 1; });
  EXPECT_EQ(say(VIADUCT_EVENT_CONTENT, "[a chart]", kImage), VIADUCT_FLOW_CANCELLED);
}

TEST_F(Contents, BeyondWhatATurnMayKeepAreWords) {
  world_.limits.content_bytes = 2 * std::string(kImage).size();
  world_.kill();
  world_.start();
  world_.backend->rules["restore"] = [](const auto&) { return BackendAnswer{"n1", "", "{}"}; };
  prompt(1);
  for (int i = 0; i < 3; ++i) show();
  world_.backend->end_turn();
  until_types({"user_message", "content", "content", "text", "turn_end"});
  EXPECT_EQ(world_.log(id_)[3].text, "[a chart] (this answer has too many images and files)");
  prompt(2);
  show();
  world_.backend->end_turn();
  world_.until([&] { return world_.types(id_).size() == 8; });
  EXPECT_EQ(world_.types(id_)[6], "content");
}

}  // namespace
}  // namespace viaduct::sessions
