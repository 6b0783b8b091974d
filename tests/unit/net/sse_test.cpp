#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>
#include <vector>
#include <viaduct/net/sse.hpp>

namespace viaduct::net {
namespace {

struct Read {
  std::string all;  // "type|data|id;" for each event
  bool fine = true;
  std::string id;
  long retry = -1;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view stream, const std::vector<std::size_t>& cuts = {},
          std::size_t max = 1 << 20) {
  SseParser parser(max);
  Read result;
  const auto take = [&](std::string_view piece) {
    result.fine = parser.feed(piece, [&](const SseEvent& event) {
      result.all += event.type + "|" + event.data + "|" + event.id + ";";
    });
  };
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    take(stream.substr(begin, cut - begin));
    begin = cut;
  }
  take(stream.substr(begin));
  result.id = parser.last_event_id();
  if (parser.retry()) result.retry = parser.retry()->count();
  return result;
}

struct StreamCase {
  const char* name;
  std::string stream;
  std::string events;
};
void PrintTo(const StreamCase& one, std::ostream* out) {
  *out << one.name;
}
class SseStream : public testing::TestWithParam<StreamCase> {};

TEST_P(SseStream, GivesItsEventsHoweverItIsCut) {
  const std::string& stream = GetParam().stream;
  const Read whole = read(stream);
  EXPECT_EQ(whole.all, GetParam().events);
  for (std::size_t first = 0; first <= stream.size(); ++first)
    for (std::size_t second = first; second <= stream.size(); ++second)
      ASSERT_EQ(read(stream, {first, second}), whole) << first << " " << second;
}

using namespace std::string_literals;
INSTANTIATE_TEST_SUITE_P(
    Whatwg, SseStream,
    testing::Values(
        StreamCase{"simple", "data: one\n\n", "message|one|;"},
        StreamCase{"no_space", "data:one\n\ndata:  two\n\n", "message|one|;message| two|;"},
        StreamCase{"lines", "data: YHOO\ndata: +2\ndata: 10\n\n", "message|YHOO\n+2\n10|;"},
        StreamCase{"crlf", "event: e\r\ndata: a\r\n\r\ndata: b\r\n\r\n", "e|a|;message|b|;"},
        StreamCase{"cr", "data: a\rdata: b\r\rdata: c\r\r", "message|a\nb|;message|c|;"},
        StreamCase{"mixed_ends", "data: a\r\n\ndata: b\n\r\ndata: c\r\n\r",
                   "message|a|;message|b|;message|c|;"},
        StreamCase{"bom",
                   "\xEF\xBB\xBF"
                   "data: a\n\n",
                   "message|a|;"},
        StreamCase{"second_bom",
                   "\xEF\xBB\xBF\xEF\xBB\xBF"
                   "data: a\n\n",
                   ""},
        StreamCase{"comments", ": hi\n:\ndata: a\n: more\n\n:\n\n", "message|a|;"},
        StreamCase{"no_data", "event: e\nid: 1\n\n", ""},
        StreamCase{"empty_data", "data\n\ndata\ndata\n\ndata:\n", "message||;message|\n|;"},
        StreamCase{"type_is_forgotten", "event: e\n\ndata: a\n\n", "message|a|;"},
        StreamCase{"ids_stay", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
                   "message|a|1;message|b|1;message|c|;"},
        StreamCase{"id_with_nul", "id: 1\nid: 2\0 3\ndata: a\n\n"s, "message|a|1;"},
        StreamCase{"unknown", "datum: a\ndata : a\nDATA: a\ndata: b\n\n", "message|b|;"},
        StreamCase{"unfinished", "data: a\n\ndata: b", "message|a|;"},
        StreamCase{"unfinished_event", "data: a\n\ndata: b\n", "message|a|;"},
        StreamCase{"colons", "data: a: b\n\n", "message|a: b|;"}),
    [](const auto& at) { return std::string(at.param.name); });

TEST(SseParser, ReadsHowLongToWait) {
  EXPECT_EQ(read("retry: 2500\n\n").retry, 2500);
  EXPECT_EQ(read("retry: 2500\nretry: 3 s\nretry:\nretry: -1\n").retry, 2500);
  EXPECT_EQ(read("retry: 99999999999999999999\n").retry, -1);
}

TEST(SseParser, RefusesWhatIsTooLong) {
  EXPECT_TRUE(read("data: 12345\n\n", {}, 16).fine);
  EXPECT_FALSE(read("data: 12345678901234567\n\n", {}, 16).fine);
  EXPECT_FALSE(read("data: 123456789\ndata: 123456789\n\n", {}, 16).fine);
  EXPECT_FALSE(read(":" + std::string(100, 'x'), {10, 20, 30}, 16).fine);
  SseParser parser(16);
  EXPECT_FALSE(parser.feed(std::string(17, 'x'), [](const auto&) {}));
  EXPECT_FALSE(parser.feed("\n\ndata: a\n\n", [](const auto&) { FAIL(); }));
}

// Any bytes, cut anywhere, give what they give in one piece.
TEST(SseParser, DoesNotCareHowRandomBytesAreCut) {
  std::mt19937 random(20240611);  // NOLINT: the same each time
  const std::vector<std::string> words{"data",
                                       "data:",
                                       " ",
                                       "\n",
                                       "\r",
                                       "\r\n",
                                       ":",
                                       "event",
                                       "id",
                                       "x",
                                       "é",
                                       "\n\n",
                                       "\xEF\xBB\xBF",
                                       "retry: 1",
                                       std::string(1, '\0')};
  for (int round = 0; round < 3000; ++round) {
    std::string stream;
    for (std::size_t left = random() % 40; left > 0; --left)
      stream += words[random() % words.size()];
    std::vector<std::size_t> cuts;
    for (std::size_t at = 0; at < stream.size(); at += 1 + random() % 5) cuts.push_back(at);
    const std::size_t max = random() % 4 == 0 ? 8 : 1 << 20;
    const Read whole = read(stream, {}, max);
    const Read pieces = read(stream, cuts, max);
    ASSERT_EQ(pieces.fine, whole.fine) << testing::PrintToString(stream);
    ASSERT_EQ(pieces.all, whole.all) << testing::PrintToString(stream);
    ASSERT_EQ(pieces.id, whole.id);
  }
}

}  // namespace
}  // namespace viaduct::net
