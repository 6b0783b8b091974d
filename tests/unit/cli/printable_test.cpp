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

TEST(BytesText, IsShortAndForPeople) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(1023), "1023 bytes");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(5 << 20), "5.0 MiB");
  EXPECT_EQ(bytes_text(std::uint64_t{3} << 50), "3072.0 TiB");
}

}  // namespace
}  // namespace viaduct::cli
