// The deterministic short form of acp_rpc_fuzz: recorded lines, changed at random by a fixed seed.
#include "tests/fuzz/acp_feed.hpp"
#include "tests/fuzz/mutation.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace viaduct::acp {
namespace {

const std::vector<std::string_view> kPieces = {"null",
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
                                               "\"sessionId\":null",
                                               "\"type\":\"text\""};

TEST(AcpMutations, OfRecordedLinesBreakNoReader) {
  fuzz::walk(fuzz::corpus(ACP_CORPUS), kPieces, 2000, feed);
}

TEST(AcpMutations, OfAnyLineCutShortBreakNoReader) {
  fuzz::cut_short(fuzz::corpus(ACP_CORPUS), feed);
}

}  // namespace
}  // namespace viaduct::acp
