#include "viaduct/sdk/base.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace viaduct::sdk {
namespace {

TEST(JsonString, EscapesWhatMustBeEscaped) {
  EXPECT_EQ(json_string("a\"b\\c\n\t\r\x01é"), "\"a\\\"b\\\\c\\n\\t\\u000d\\u0001é\"");
  EXPECT_EQ(json_string(""), "\"\"");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), "\"\\u0000\"");
}

struct Utf8Case {
  const char* name;
  const char* text;
  const char* expected;
};
void PrintTo(const Utf8Case& c, std::ostream* os) {
  *os << c.name;
}

class JsonStringUtf8 : public testing::TestWithParam<Utf8Case> {};

TEST_P(JsonStringUtf8, ReplacesOnlyWhatIsNoUtf8) {
  EXPECT_EQ(json_string(GetParam().text), "\"" + std::string(GetParam().expected) + "\"");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, JsonStringUtf8,
    testing::Values(Utf8Case{"FourBytes", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
                    Utf8Case{"Highest", "\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
                    Utf8Case{"Lone", "a\xFFz", "a\xEF\xBF\xBDz"},
                    Utf8Case{"CutOff", "a\xC3", "a\xEF\xBF\xBD"},
                    Utf8Case{"Overlong", "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},
                    Utf8Case{"Overlong3", "\xE0\x80\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                    Utf8Case{"Surrogate", "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                    Utf8Case{"Above", "\xF5\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"}),
    [](const auto& info) { return info.param.name; });

TEST(Function, OwnsWhatCannotBeCopied) {
  auto value = std::make_unique<int>(7);
  Function<int(int)> add = [value = std::move(value)](int more) { return *value + more; };
  Function<int(int)> moved = std::move(add);
  EXPECT_FALSE(add);
  EXPECT_EQ(moved(3), 10);
}

TEST(HttpStatus, FollowsTheTableOfStatusCodes) {
  EXPECT_EQ(http_status(Code::kOk), 200u);
  EXPECT_EQ(http_status(Code::kSessionDead), 409u);
  EXPECT_EQ(http_status(Code::kUnavailable), 503u);
  EXPECT_EQ(http_status(static_cast<Code>(999)), 500u);
}

}  // namespace
}  // namespace viaduct::sdk
