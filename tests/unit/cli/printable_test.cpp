#include "host/cli/commands.hpp"

#include <gtest/gtest.h>

namespace viaduct::cli {
namespace {

TEST(Printable, LeavesNothingThatATerminalTakesForACommand) {
  EXPECT_EQ(printable("a\x1b[2Jb\x07\x7f\n"), "a [2Jb   ");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "31mb\xc2\x80"),
            "a 31mb ");
}

TEST(Printable, LeavesNothingThatTurnsTheDirectionOfALineAround) {
  EXPECT_EQ(printable("a\u202eb\u2066c\u200fd"), "a b c d");
}

TEST(Printable, KeepsEverythingElse) {
  const std::string text = "Grüße, \u00a0你好 — שלום 🙂 \u2029";
  EXPECT_EQ(printable(text), text);
}

}  // namespace
}  // namespace viaduct::cli
