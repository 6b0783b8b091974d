#include "host/plugins/abi_text.hpp"
#include "host/plugins/plugins_json.hpp"

#include <ostream>

namespace viaduct::plugins {
namespace {

struct Text {
  const char* name;
  std::string_view raw;
  std::string_view repaired;  // the same: it is valid
};
void PrintTo(const Text& text, std::ostream* out) {
  *out << text.name;
}

class TextOfAPlugin : public testing::TestWithParam<Text> {};

TEST_P(TextOfAPlugin, IsRepairedWhereItIsNoUtf8) {
  EXPECT_EQ(valid_utf8(GetParam().raw), GetParam().raw == GetParam().repaired);
  EXPECT_EQ(repaired_utf8(GetParam().raw), GetParam().repaired);
  EXPECT_TRUE(valid_utf8(repaired_utf8(GetParam().raw)));
}

INSTANTIATE_TEST_SUITE_P(
    All, TextOfAPlugin,
    testing::Values(Text{"empty", "", ""},
                    Text{"ascii", "a plain line of text", "a plain line of text"},
                    Text{"letters",
                         "gr\xC3\xB6\xC3\x9F"
                         "er \xE2\x82\xAC \xF0\x9F\x98\x80",
                         "gr\xC3\xB6\xC3\x9F"
                         "er \xE2\x82\xAC \xF0\x9F\x98\x80"},
                    Text{"lone_continuation", "a\x80z", "a\xEF\xBF\xBDz"},
                    Text{"wrong_byte",
                         "12345678\xFF"
                         "12345678",
                         "12345678\xEF\xBF\xBD"
                         "12345678"},
                    Text{"overlong", "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},
                    Text{"surrogate", "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                    Text{"beyond_unicode", "\xF4\x90\x80\x80",
                         "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                    Text{"cut_off", "ab\xE2\x82", "ab\xEF\xBF\xBD"},
                    Text{"cut_off_before_text", "\xF0\x9F\x98z", "\xEF\xBF\xBDz"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(StatusOfAPlugin, IsAnErrorWhenItIsMissingOrUnknown) {
  EXPECT_EQ(from_abi(nullptr).error().code, Errc::internal);
  viaduct_status status{.struct_size = 4, .code = VIADUCT_OK, .message = {nullptr, 0}};
  EXPECT_EQ(from_abi(&status).error().code, Errc::internal);
  status.struct_size = sizeof status;
  EXPECT_TRUE(from_abi(&status));
  status.code = 99;
  EXPECT_EQ(from_abi(&status).error().code, Errc::internal);
  status.code = VIADUCT_E_BUSY;
  status.message = str("full \xFF");
  EXPECT_EQ(from_abi(&status).error().code, Errc::busy);
  EXPECT_EQ(from_abi(&status).error().message, "full \xEF\xBF\xBD");
}

TEST(AnswerOfABackend, GivesItsIdAndItsReason) {
  const auto answer = parse_backend_answer(R"({"native_id":"n","stop_reason":"refusal","x":1})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->native_id, "n");
  EXPECT_EQ(answer->stop_reason, "refusal");
  EXPECT_TRUE(parse_backend_answer(""));
}

TEST(AnswerOfABackend, IsRefusedWhenItIsNoObjectOfTheRightTypes) {
  for (const char* wrong : {"[1]", "{", "nonsense", R"({"native_id":7})"}) {
    const auto answer = parse_backend_answer(wrong);
    ASSERT_FALSE(answer) << wrong;
    EXPECT_EQ(answer.error().code, Errc::internal);
  }
}

TEST(Labels, AreAnObjectOfStrings) {
  EXPECT_EQ(parse_labels(R"({"a":"b"})")->at("a"), "b");
  EXPECT_TRUE(parse_labels("")->empty());
  EXPECT_FALSE(parse_labels(R"({"a":1})"));
  EXPECT_FALSE(parse_labels("[]"));
}

}  // namespace
}  // namespace viaduct::plugins
