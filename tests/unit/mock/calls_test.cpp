#include "plugins/mock/calls.hpp"
#include "plugins/mock/native_ids.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace viaduct::mock {
namespace {

class CallsTest : public testing::Test {
 protected:
  CallsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mock-calls-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    file_ = (folder_ / "calls.jsonl").string();
  }
  ~CallsTest() override { std::filesystem::remove_all(folder_); }

  std::string content() const {
    std::ifstream in(file_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path folder_;
  std::string file_;
};

TEST_F(CallsTest, AppendsOneLineForEachCall) {
  Calls calls;
  ASSERT_TRUE(calls.open(file_));
  calls.add("create_session", "s_1", {{"working_dir", "~"}});
  EXPECT_EQ(content(), R"({"method":"create_session","session_id":"s_1","working_dir":"~"})"
                       "\n");
  calls.add("send_message", "s_1", {{"message", "a\nb\xFF"}});
  ASSERT_TRUE(calls.open(file_));
  calls.add("end_session", "s_1", {});
  EXPECT_EQ(content(), R"({"method":"create_session","session_id":"s_1","working_dir":"~"})"
                       "\n"
                       R"({"method":"send_message","session_id":"s_1","message":"a\nb)"
                       "\xEF\xBF\xBD\"}\n"
                       R"({"method":"end_session","session_id":"s_1"})"
                       "\n");
}

TEST_F(CallsTest, SaysWhyAFileCannotBeOpened) {
  Calls calls;
  const auto opened = calls.open((folder_ / "no" / "calls.jsonl").string());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("No such file"), std::string::npos);
}

TEST_F(CallsTest, WritesNothingWithoutAFile) {
  Calls calls;
  ASSERT_TRUE(calls.open(""));
  calls.add("end_session", "s_1", {});
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST(NativeIdsTest, LookLikeUuidsAndDiffer) {
  NativeIds ids;
  const std::string id = ids.make();
  EXPECT_THAT(id, testing::MatchesRegex("mock-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]"
                                        "[0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(id, ids.make());
}

TEST(NativeIdsTest, GiveBackOnceWhatWasPut) {
  NativeIds ids;
  ids.put("a", "hello");
  EXPECT_EQ(ids.take("a"), "hello");
  EXPECT_EQ(ids.take("a"), std::nullopt);
}

TEST(NativeIdsTest, ForgetTheOldestBeyondTheLimit) {
  NativeIds ids;
  ids.put("first", "1");
  ids.put("again", "old");
  ids.take("again");
  for (std::size_t i = 0; i + 2 < NativeIds::kMax; ++i) ids.put(std::to_string(i), "x");
  ids.put("again", "new");  // pushes "first" out
  EXPECT_EQ(ids.take("first"), std::nullopt);
  ids.put("last", "y");  // pushes the old "again" out, not the new
  EXPECT_EQ(ids.take("again"), "new");
}

}  // namespace
}  // namespace viaduct::mock
