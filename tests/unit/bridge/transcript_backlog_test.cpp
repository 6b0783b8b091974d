// What waits for a disk that hangs.
#include "plugins/bridge/transcript_backlog.hpp"

#include <gtest/gtest.h>

namespace viaduct::bridge {
namespace {

TEST(TranscriptBacklog, TakesTurnsUntilItIsFullAndAgainWhenTheyAreWritten) {
  TranscriptBacklog backlog(100);
  EXPECT_TRUE(backlog.take_turn("a", 60));
  EXPECT_TRUE(backlog.take_turn("b", 40));
  EXPECT_FALSE(backlog.take_turn("c", 1));
  backlog.finished(60);
  EXPECT_TRUE(backlog.take_turn("d", 60));
}

TEST(TranscriptBacklog, ASessionWhoseTurnHadNoRoomHasNoHoleButWaitsToBeWrittenAnew) {
  TranscriptBacklog backlog(100);
  EXPECT_TRUE(backlog.take_turn("a", 90));
  EXPECT_FALSE(backlog.take_turn("b", 20));
  backlog.finished(90);
  EXPECT_FALSE(backlog.take_turn("b", 1)) << "the turn before it is missing";
  EXPECT_TRUE(backlog.take_turn("a", 1));
  EXPECT_TRUE(backlog.take_all("b", 30));
  EXPECT_TRUE(backlog.take_turn("b", 1));
}

TEST(TranscriptBacklog, WhatIsWrittenAnewNeedsRoomToo) {
  TranscriptBacklog backlog(100);
  EXPECT_TRUE(backlog.take_turn("a", 90));
  EXPECT_FALSE(backlog.take_all("b", 20));
  EXPECT_FALSE(backlog.take_turn("b", 1));
  backlog.forget("b");
  EXPECT_TRUE(backlog.take_turn("b", 1));
}

TEST(TranscriptBacklog, AloneAnythingMayBeWritten) {
  TranscriptBacklog backlog(100);
  EXPECT_TRUE(backlog.take_all("a", 5000));
  EXPECT_FALSE(backlog.take_turn("b", 1));
  backlog.finished(5000);
  EXPECT_TRUE(backlog.take_turn("c", 1));
}

}  // namespace
}  // namespace viaduct::bridge
