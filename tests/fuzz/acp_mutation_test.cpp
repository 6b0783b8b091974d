// The deterministic short form of acp_rpc_fuzz: recorded lines, changed at random by a fixed seed.
#include "tests/fuzz/acp_feed.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace viaduct::acp {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(ACP_CORPUS))
    files.push_back(file.path());
  std::sort(files.begin(), files.end());  // the order of a folder is none
  std::vector<std::string> lines;
  for (const auto& file : files) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    lines.push_back(text.str());
  }
  return lines;
}

// Not std::uniform_int_distribution, which differs between libraries.
class Dice {
 public:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }

 private:
  std::mt19937 random_{20260820};
};

constexpr const char* kPieces[] = {"null",
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

void mutate(std::string& line, const std::vector<std::string>& lines, Dice& dice) {
  const std::size_t at = dice.below(line.size() + 1);
  const std::size_t length = dice.below(std::min<std::size_t>(line.size() - at, 40) + 1);
  switch (dice.below(6)) {
    case 0: line.erase(at, length); break;
    case 1: line.insert(at, kPieces[dice.below(std::size(kPieces))]); break;
    case 2: line.replace(at, length, kPieces[dice.below(std::size(kPieces))]); break;
    case 3: line.insert(at, line.substr(at, length)); break;
    case 4:
      if (at < line.size()) line[at] = static_cast<char>(dice.below(256));
      break;
    default: {
      const std::string& other = lines[dice.below(lines.size())];
      const std::size_t from = dice.below(other.size() + 1);
      line.replace(at, length, other.substr(from, dice.below(60)));
    }
  }
}

TEST(AcpMutations, OfRecordedLinesBreakNoReader) {
  const std::vector<std::string> lines = corpus();
  ASSERT_GT(lines.size(), 20U);
  for (const std::string& line : lines) feed(line);
  Dice dice;
  for (int round = 0; round < 2000; ++round) {
    std::string line = lines[dice.below(lines.size())];
    for (std::size_t i = 1 + dice.below(5); i > 0; --i) mutate(line, lines, dice);
    feed(line);
  }
}

TEST(AcpMutations, OfAnyLineCutShortBreakNoReader) {
  for (const std::string& line : corpus())
    for (std::size_t size = 0; size < line.size(); size += 7)
      feed(std::string_view(line).substr(0, size));
}

}  // namespace
}  // namespace viaduct::acp
