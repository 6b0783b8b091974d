// What the tests of the bridge's transcripts share: lines, entries in short, and real folders.
#pragma once

#include "plugins/bridge/transcript_folders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace viaduct::bridge {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = FolderError::Kind;

inline std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}
inline unsigned mode_of(const fs::path& path) {
  struct stat about{};
  EXPECT_EQ(::lstat(path.c_str(), &about), 0) << path;
  return about.st_mode & 07777;
}
inline std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline std::string line(const std::string& role, const std::string& content) {
  return json{{"role", role}, {"content", content}}.dump() + "\n";
}
inline const std::string kUser = line("user", "hi");
inline std::string call_line(const std::string& id, const std::string& name = "look") {
  return R"({"role":"assistant","content":null,"tool_calls":[{"id":")" + id +
         R"(","type":"function","function":{"name":")" + name + R"(","arguments":"{\"a\":1}"}}]})" +
         "\n";
}
inline std::string result_line(const std::string& id, const std::string& content) {
  return json{{"role", "tool"}, {"tool_call_id", id}, {"content", content}}.dump() + "\n";
}
inline std::string turn(const std::string& text, const std::string& answer) {
  TurnRecord record;
  record.user(text, {}, {});
  record.text(answer);
  return record.lines();
}

inline TranscriptEntries said(std::string_view lines, TranscriptLimits limits = {}) {
  TranscriptReader reader(limits);
  reader.feed(lines);
  return reader.finish();
}
inline json entries_of(const TranscriptEntries& what) {
  json entries = json::array();
  for (const std::string& entry : what.entries) entries.push_back(json::parse(entry));
  return entries;
}
// "user_message: hello", "tool_call look completed: output"
inline std::vector<std::string> in_short(const TranscriptEntries& what) {
  std::vector<std::string> all;
  for (const json& entry : entries_of(what)) {
    std::string one = entry["type"];
    if (one == "tool_call") {
      const json& data = entry["data"];
      one += " " + data["title"].get<std::string>() + " " + data["status"].get<std::string>();
      if (data.contains("content"))
        for (const json& block : data["content"]) one += ": " + block["content"].value("text", "?");
    } else {
      one += ": " + entry["text"].get<std::string>();
    }
    all.push_back(one);
  }
  return all;
}

inline fs::path new_folder() {
  std::string form = (fs::temp_directory_path() / "viaduct-folders-XXXXXX").string();
  return fs::canonical(::mkdtemp(form.data()));
}

class Folders : public ::testing::Test {
 protected:
  Folders() { fs::create_directory(work()); }
  ~Folders() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  fs::path home() const { return root_ / "home"; }
  fs::path work() const { return root_ / "my-project"; }
  FolderSession session(const std::string& id = "s_01J") const {
    return {id, work().string(), "claude", "native-1"};
  }
  fs::path folder(const std::string& id = "s-01J") const {
    return home() / "projects" / encode_folder(work().string()) / "sessions" / id;
  }
  // As another program leaves it.
  void leave(const std::string& id, std::string_view transcript, const std::string& project = "") {
    write(home() / "projects" / (project.empty() ? encode_folder(work().string()) : project) /
              "sessions" / id / "transcript.jsonl",
          transcript);
  }
  std::vector<std::string> ids(const std::string& working_dir = "") const {
    std::vector<std::string> all;
    const auto listing = folders_.list(working_dir);
    EXPECT_TRUE(listing) << listing.error().message;
    if (listing)
      for (const FoundSession& one : listing->sessions) all.push_back(one.id);
    return all;
  }

  const fs::path root_ = new_folder();
  TranscriptFolders folders_{home()};
};

}  // namespace viaduct::bridge
