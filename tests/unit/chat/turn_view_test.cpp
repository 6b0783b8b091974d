#include <viaduct/chat/turn_view.hpp>

#include <gtest/gtest.h>

namespace viaduct::chat {
namespace {

Entry text(std::uint64_t number, std::string words, bool complete) {
  Entry entry;
  entry.number = number;
  entry.turn = 1;
  entry.type = EntryType::kText;
  entry.text = std::move(words);
  entry.complete = complete;
  return entry;
}

Entry of(EntryType type, std::uint64_t number, std::string title = "", std::string status = "") {
  Entry entry;
  entry.number = number;
  entry.turn = 1;
  entry.type = type;
  entry.title = std::move(title);
  entry.status = std::move(status);
  entry.complete = true;
  return entry;
}

TEST(TurnView, JoinsTextsInTheirOrder) {
  TurnView view;
  view.take(text(3, "second", true));
  view.take(text(2, "first", true));
  EXPECT_EQ(view.answer(), "first\n\nsecond");
}

TEST(TurnView, HoldsBackWhatStandsBehindATextThatStillGrows) {
  TurnView view;
  view.take(text(2, "fir", false));
  view.take(text(3, "second", true));
  EXPECT_EQ(view.answer(), "fir");
  ASSERT_TRUE(view.append(2, 3, "st", true));
  EXPECT_EQ(view.answer(), "first\n\nsecond");
}

TEST(TurnView, ShowsAllOnceTheTurnHasEnded) {
  TurnView view;
  view.take(text(2, "fir", false));
  view.take(text(3, "second", false));
  view.take(of(EntryType::kTurnEnd, 4));
  EXPECT_EQ(view.answer(), "fir\n\nsecond");
}

TEST(TurnView, AppendsByTheByte) {
  TurnView view;
  view.take(text(2, "", false));
  ASSERT_TRUE(view.append(2, 0, "ä", false));
  ASSERT_TRUE(view.append(2, 2, "b", false));
  EXPECT_EQ(view.answer(), "äb");
  EXPECT_FALSE(view.append(2, 7, "c", false)) << "there is a hole";
  EXPECT_FALSE(view.append(9, 0, "c", false)) << "there is no such entry";
  EXPECT_EQ(view.answer(), "äb");
}

TEST(TurnView, TakesAPieceAgainThatOverlapsWhatIsThere) {
  TurnView view;
  view.take(text(2, "abc", false));
  ASSERT_TRUE(view.append(2, 1, "xyz", false));
  EXPECT_EQ(view.answer(), "axyz");
}

TEST(TurnView, ReplacesAnEntryThatComesWhole) {
  TurnView view;
  view.take(text(2, "abc", false));
  view.take(text(2, "abcdef", true));
  EXPECT_EQ(view.answer(), "abcdef");
  EXPECT_TRUE(view.is_complete());
}

TEST(TurnView, GrowsAsItWouldByJoiningAnew) {
  TurnView grown;
  grown.take(text(2, "one", true));
  grown.take(text(4, "", false));
  std::string said;
  for (const std::string_view piece : {"t", "w", "o\n", "three"}) {
    ASSERT_TRUE(grown.append(4, said.size(), piece, false));
    said += piece;
    EXPECT_EQ(grown.answer(), "one\n\n" + said);
  }
}

TEST(TurnView, TellsToolsAndPlanInFewLines) {
  TurnView view;
  EXPECT_EQ(view.work(), "");
  Entry plan = of(EntryType::kPlan, 2);
  plan.plan = {{"read\nit", "completed"}, {"mend it", "in_progress"}, {"test it", "pending"}};
  view.take(plan);
  view.take(of(EntryType::kToolCall, 3, "Read a file", "completed"));
  view.take(of(EntryType::kToolCall, 4, "", "failed"));
  EXPECT_EQ(view.work(), "✓ read it\n▸ mend it\n· test it\n\n✓ Read a file\n✗ a tool\n");
}

TEST(TurnView, ShowsTheNewestOfManyTools) {
  TurnView view;
  for (std::uint64_t i = 1; i <= 20; ++i)
    view.take(of(EntryType::kToolCall, i, "tool " + std::to_string(i), "completed"));
  const std::string work = view.work();
  EXPECT_EQ(work.find("tool 12\n"), std::string::npos);
  EXPECT_NE(work.find("tool 13\n"), std::string::npos);
  EXPECT_NE(work.find("… 12 earlier"), std::string::npos);
}

TEST(TurnView, HasImagesAndFilesBesideTheAnswer) {
  TurnView view;
  view.take(of(EntryType::kContent, 4, "[an image]"));
  view.take(of(EntryType::kContent, 2, "[a file]"));
  ASSERT_EQ(view.contents().size(), 2u);
  EXPECT_EQ(view.contents()[0]->number, 2u);
  EXPECT_EQ(view.answer(), "");
  EXPECT_TRUE(view.is_complete());
}

TEST(TurnView, FindsWhatIsAskedAndHowItEnded) {
  TurnView view;
  EXPECT_EQ(view.end(), nullptr);
  view.take(of(EntryType::kUserMessage, 1));
  view.take(of(EntryType::kPermission, 3, "Write?", "pending"));
  view.take(of(EntryType::kNotice, 4));
  view.take(of(EntryType::kContextRestored, 2));
  view.take(of(EntryType::kTurnEnd, 5));
  ASSERT_EQ(view.permissions().size(), 1u);
  EXPECT_EQ(view.permissions()[0]->title, "Write?");
  ASSERT_EQ(view.notices().size(), 2u);
  EXPECT_EQ(view.notices()[0]->number, 2u);
  EXPECT_EQ(view.question()->number, 1u);
  EXPECT_EQ(view.end()->number, 5u);
}

}  // namespace
}  // namespace viaduct::chat
