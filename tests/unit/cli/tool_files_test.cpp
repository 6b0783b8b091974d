#include "host/cli/tool_files.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace viaduct::cli {
namespace {

namespace fs = std::filesystem;

class ToolFiles : public testing::Test {
 protected:
  ToolFiles() {
    std::string name = (fs::temp_directory_path() / "viaduct-tool-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~ToolFiles() override { fs::remove_all(folder); }

  static std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
  }

  fs::path folder;
};

TEST_F(ToolFiles, AreWrittenWhereAnOptionSays) {
  const std::string file = folder / "a.zip";
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"manifest", "--out", file}, {"manifest", "--out=" + file}, {"-o", file}}) {
    const auto written = write_files({{file, "YWI="}}, arguments);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(content(file), "ab");
    fs::remove(file);
  }
}

TEST_F(ToolFiles, AreWrittenNowhereElse) {
  const std::string file = folder / "a.zip";
  const std::string other = folder / "b.zip";
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"manifest", file},
                                             {"manifest", "--out", folder},
                                             {"manifest", "--out", folder / "." / "a.zip"},
                                             {"--out", "--out" + file}}) {
    const auto written = write_files({{file, ""}}, arguments);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Errc::permission_denied);
  }
  EXPECT_FALSE(write_files({{other, ""}, {file, ""}}, {"--out", other}));
  EXPECT_FALSE(write_files({{"", ""}}, {"--out", ""}));
  EXPECT_EQ(count(), 0u);
}

TEST_F(ToolFiles, KeepAllBytesAndRefuseWhatIsNoBase64) {
  const std::string file = folder / "a";
  const auto write = [&](const char* base64) {
    return write_files({{file, base64}}, {"-o", file}).has_value();
  };
  for (const char* text :
       {"a", "ab", "ab=", "a===", "====", "a=bc", "ab=c", "a b=", "-_==", "YWI=YWI="})
    EXPECT_FALSE(write(text)) << text;
  EXPECT_EQ(count(), 0u);
  ASSERT_TRUE(write(""));
  EXPECT_EQ(content(file), "");
  ASSERT_TRUE(write("+/8A"));
  EXPECT_EQ(content(file), std::string("\xfb\xff\0", 3));
  ASSERT_TRUE(write("YQ=="));
  EXPECT_EQ(content(file), "a");
}

TEST_F(ToolFiles, ReplaceWhatALinkPointsToAndLeaveDevicesAlone) {
  const std::string link = folder / "link";
  std::ofstream(folder / "real") << "old";
  fs::create_symlink("real", link);
  ASSERT_TRUE(write_files({{link, "YWI="}}, {"--out", link}));
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(content(folder / "real"), "ab");
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(write_files({{pipe, "YWI="}}, {"--out", pipe}));
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(count(), 3u);
}

}  // namespace
}  // namespace viaduct::cli
