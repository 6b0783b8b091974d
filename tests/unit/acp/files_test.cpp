// Files for an agent: inside of its folder, and nowhere else.
#include "plugins/acp/files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace viaduct::acp {
namespace {

namespace fs = std::filesystem;
using sdk::Code;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/viaduct-acp-files-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    folder_ = top_ / "work";
    fs::create_directories(folder_ / "sub");
    put(top_ / "outside.txt", "secret");
    put(folder_ / "a.txt", "one\ntwo\nthree\n");
  }
  void TearDown() override { fs::remove_all(top_); }

  static void put(const fs::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
  }
  static std::string get(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  auto read(const fs::path& path, std::int64_t line = 0, std::int64_t limit = -1) const {
    return read_file(folder_, ReadFile{"s", path.string(), line, limit}, 1000);
  }
  auto write(const fs::path& path, const std::string& text) const {
    return write_file(folder_, WriteFile{"s", path.string(), text}, 1000);
  }

  fs::path top_, folder_;
};

TEST_F(Files, AFileIsReadWholeOrByLines) {
  EXPECT_EQ(read(folder_ / "a.txt").value(), "one\ntwo\nthree\n");
  EXPECT_EQ(read(folder_ / "a.txt", 2).value(), "two\nthree\n");
  EXPECT_EQ(read(folder_ / "a.txt", 2, 1).value(), "two\n");
  EXPECT_EQ(read(folder_ / "a.txt", 1, 0).value(), "");
  EXPECT_EQ(read(folder_ / "a.txt", 9).value(), "");
  EXPECT_EQ(read(folder_ / "a.txt", 3, 100).value(), "three\n");
}

TEST_F(Files, WhatLiesElsewhereIsRefusedWhateverThePathLooksLike) {
  fs::create_symlink(top_ / "outside.txt", folder_ / "link.txt");
  fs::create_directory_symlink(top_, folder_ / "up");
  for (const fs::path& path :
       {top_ / "outside.txt", folder_ / "../outside.txt", folder_ / "sub/../../outside.txt",
        folder_ / "link.txt", folder_ / "up/outside.txt", fs::path("/etc/passwd"),
        fs::path(folder_.string() + "-other/x"), folder_, folder_ / ".", fs::path("/")}) {
    SCOPED_TRACE(path);
    EXPECT_EQ(read(path).error().code, Code::kPermissionDenied);
    EXPECT_FALSE(write(path, "x"));
  }
  EXPECT_EQ(get(top_ / "outside.txt"), "secret");
}

TEST_F(Files, ALinkThatStaysInsideIsFollowed) {
  fs::create_symlink("../a.txt", folder_ / "sub/inside.txt");
  EXPECT_EQ(read(folder_ / "sub/inside.txt", 1, 1).value(), "one\n");
}

TEST_F(Files, AFolderIsKnownByItsRealPathAndOnlyIfItLiesInside) {
  const std::string real = fs::canonical(folder_).string();
  fs::create_directory_symlink("sub", folder_ / "inside");
  fs::create_directory_symlink("..", folder_ / "up");
  fs::create_directory_symlink(folder_, top_ / "link");
  const std::string link = (top_ / "link").string();
  EXPECT_EQ(folder_below(link, "").value(), real);
  EXPECT_EQ(folder_below(link, link).value(), real);
  EXPECT_EQ(folder_below(link, real + "/sub").value(), real + "/sub");
  EXPECT_EQ(folder_below(link, link + "/inside").value(), real + "/sub");
  EXPECT_EQ(folder_below(link, link + "/up").error().code, Code::kPermissionDenied);
  EXPECT_EQ(folder_below(link, link + "/sub/../..").error().code, Code::kPermissionDenied);
  EXPECT_EQ(folder_below(link, "/").error().code, Code::kPermissionDenied);
  EXPECT_EQ(folder_below(link, link + "/none").error().code, Code::kNotFound);
  EXPECT_EQ(folder_below(link, link + "/a.txt").error().code, Code::kNotFound);
  EXPECT_EQ(folder_below(link, "sub").error().code, Code::kInvalidArgument);
}

TEST_F(Files, RelativePathsAndNothingAtAllAreInvalid) {
  EXPECT_EQ(read("a.txt").error().code, Code::kInvalidArgument);
  EXPECT_EQ(read("").error().code, Code::kInvalidArgument);
  EXPECT_EQ(read(folder_ / std::string("a\0b", 3)).error().code, Code::kInvalidArgument);
}

TEST_F(Files, MissingLargeAndStrangeFilesAreSaid) {
  EXPECT_EQ(read(folder_ / "none.txt").error().code, Code::kNotFound);
  EXPECT_EQ(read(folder_ / "a.txt/b").error().code, Code::kNotFound);
  EXPECT_EQ(read(folder_ / "sub").error().code, Code::kInvalidArgument);
  put(folder_ / "large.txt", std::string(1001, 'x'));
  EXPECT_EQ(read(folder_ / "large.txt").error().code, Code::kInvalidArgument);
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read(folder_ / "pipe").error().code, Code::kInvalidArgument) << "and it does not hang";
  EXPECT_FALSE(write(folder_ / "pipe", "x"));
  EXPECT_FALSE(write(folder_ / "large.txt", std::string(1001, 'y')));
  EXPECT_EQ(write(folder_ / "none/new.txt", "x").error().code, Code::kNotFound);
}

TEST_F(Files, WritingMakesAFileAndKeepsItsMode) {
  ASSERT_TRUE(write(folder_ / "sub/new.txt", "text"));
  EXPECT_EQ(get(folder_ / "sub/new.txt"), "text");
  fs::permissions(folder_ / "a.txt", fs::perms(0755));
  ASSERT_TRUE(write(folder_ / "a.txt", "other"));
  EXPECT_EQ(get(folder_ / "a.txt"), "other");
  EXPECT_EQ(fs::status(folder_ / "a.txt").permissions(), fs::perms(0755));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2) << "nothing is left over";
}

TEST_F(Files, WritingReplacesALinkInsteadOfFollowingIt) {
  fs::create_symlink(top_ / "outside.txt", folder_ / "link.txt");
  EXPECT_FALSE(write(folder_ / "link.txt", "mine"));
  EXPECT_EQ(get(top_ / "outside.txt"), "secret");
}

TEST_F(Files, AFolderThatIsItselfReachedByALinkIsTheFolder) {
  fs::create_directory_symlink(folder_, top_ / "short");
  EXPECT_TRUE(read_file(top_ / "short", ReadFile{"s", (folder_ / "a.txt").string(), 0, -1}, 1000));
  EXPECT_TRUE(
      read_file(top_ / "short", ReadFile{"s", (top_ / "short/a.txt").string(), 0, -1}, 1000));
}

}  // namespace
}  // namespace viaduct::acp
