#include "plugins/slack/signature.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace viaduct::slack {
namespace {

// The example of Slack's documentation.
constexpr const char* kSecret = "8f742231b10e8888abcd99yyyzzz85a5";
constexpr const char* kTime = "1531420618";
constexpr std::int64_t kNow = 1531420618;
constexpr const char* kBody =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    "%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
    "803a0bc887a14d10d2c447fce8b6703c";
constexpr const char* kSignature =
    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

Signatures of(std::vector<std::string> secrets) {
  auto made = Signatures::make(std::move(secrets));
  EXPECT_TRUE(made.has_value());
  return *std::move(made);
}

std::string upper(std::string text) {
  for (std::size_t i = 3; i < text.size(); ++i)
    if (text[i] >= 'a') text[i] = static_cast<char>(text[i] - 'a' + 'A');
  return text;
}

TEST(SlackSignature, IsThatOfSlacksOwnExample) {
  EXPECT_EQ(signature_of(kSecret, kTime, kBody), kSignature);
  EXPECT_EQ(of({kSecret}).check(kTime, kSignature, kBody, kNow), Proof::kGood);
}

struct Case {
  const char* name;
  std::string timestamp;
  std::string signature;
  std::string body;
  std::int64_t now;
  Proof proof;
};
void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}
class SlackSignatureCase : public testing::TestWithParam<Case> {};

TEST_P(SlackSignatureCase, IsJudgedSo) {
  const Case& c = GetParam();
  EXPECT_EQ(of({kSecret}).check(c.timestamp, c.signature, c.body, c.now), c.proof);
  EXPECT_FALSE(words(c.proof).empty());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, SlackSignatureCase,
    testing::Values(
        Case{"NoTime", "", kSignature, kBody, kNow, Proof::kMissing},
        Case{"NoSignature", kTime, "", kBody, kNow, Proof::kMissing},
        Case{"FiveMinutesOld", kTime, kSignature, kBody, kNow + 300, Proof::kGood},
        Case{"Stale", kTime, kSignature, kBody, kNow + 301, Proof::kStale},
        Case{"FiveMinutesEarly", kTime, kSignature, kBody, kNow - 300, Proof::kGood},
        Case{"Future", kTime, kSignature, kBody, kNow - 301, Proof::kFuture},
        Case{"NegativeTime", "-5", kSignature, kBody, kNow, Proof::kMalformed},
        Case{"PlusTime", "+1531420618", kSignature, kBody, kNow, Proof::kMalformed},
        Case{"TimeWithBlank", " 1531420618", kSignature, kBody, kNow, Proof::kMalformed},
        Case{"TimeWithFraction", "1531420618.5", kSignature, kBody, kNow, Proof::kMalformed},
        Case{"TimeOfWords", "yesterday", kSignature, kBody, kNow, Proof::kMalformed},
        Case{"TimeWithoutEnd", std::string(400, '9'), kSignature, kBody, kNow, Proof::kMalformed},
        Case{"TimeOverflow", "999999999999999999", kSignature, kBody, kNow, Proof::kFuture},
        Case{"TimeWithZero", "01531420618", kSignature, kBody, kNow, Proof::kWrong},
        Case{"OtherVersion", kTime, "v1" + std::string(kSignature).substr(2), kBody, kNow,
             Proof::kMalformed},
        Case{"UpperVersion", kTime, "V0" + std::string(kSignature).substr(2), kBody, kNow,
             Proof::kMalformed},
        Case{"NoVersion", kTime, std::string(kSignature).substr(3), kBody, kNow, Proof::kMalformed},
        Case{"EmptyHash", kTime, "v0=", kBody, kNow, Proof::kMalformed},
        Case{"UpperCase", kTime, upper(kSignature), kBody, kNow, Proof::kWrong},
        Case{"TooShort", kTime, std::string(kSignature).substr(0, 66), kBody, kNow, Proof::kWrong},
        Case{"TooLong", kTime, std::string(kSignature) + "0", kBody, kNow, Proof::kWrong},
        Case{"WithBlank", kTime, std::string(kSignature) + " ", kBody, kNow, Proof::kWrong},
        Case{"OfAnotherSecret", kTime, signature_of("another", kTime, kBody), kBody, kNow,
             Proof::kWrong},
        Case{"OfAnotherTime", kTime, signature_of(kSecret, "1531420619", kBody), kBody, kNow,
             Proof::kWrong},
        Case{"OfEmptySecret", kTime, signature_of("", kTime, kBody), kBody, kNow, Proof::kWrong},
        Case{"LongerBody", kTime, kSignature, std::string(kBody) + "&", kNow, Proof::kWrong},
        Case{"NoBody", kTime, kSignature, "", kNow, Proof::kWrong},
        Case{"BytesThatAreNoText", kTime, signature_of(kSecret, kTime, std::string("\0\xFF", 2)),
             std::string("\0\xFF", 2), kNow, Proof::kGood}),
    testing::PrintToStringParamName());

TEST(SlackSignature, IsWrongWithAnyByteOfTheBodyChanged) {
  const Signatures signatures = of({kSecret});
  std::string body = kBody;
  for (std::size_t i = 0; i < body.size(); ++i) {
    body[i] ^= 1;
    EXPECT_EQ(signatures.check(kTime, kSignature, body, kNow), Proof::kWrong) << i;
    body[i] ^= 1;
  }
}

TEST(SlackSignature, MayBeOfAnySecretWhileOneIsReplaced) {
  const Signatures signatures = of({"the new one", "the old one"});
  EXPECT_EQ(signatures.check(kTime, signature_of("the new one", kTime, kBody), kBody, kNow),
            Proof::kGood);
  EXPECT_EQ(signatures.check(kTime, signature_of("the old one", kTime, kBody), kBody, kNow),
            Proof::kGood);
  EXPECT_EQ(signatures.check(kTime, signature_of("the first one", kTime, kBody), kBody, kNow),
            Proof::kWrong);
}

TEST(SlackSignature, NeedsASecretThatIsNotEmpty) {
  EXPECT_FALSE(Signatures::make({}).has_value());
  EXPECT_FALSE(Signatures::make({""}).has_value());
  EXPECT_FALSE(Signatures::make({"good", ""}).has_value());
}

}  // namespace
}  // namespace viaduct::slack
