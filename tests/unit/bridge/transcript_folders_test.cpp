// The transcript folders of the bridge, on real folders.
#include "plugins/bridge/transcript_folders.hpp"

#include <fcntl.h>
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
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = FolderError::Kind;

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}
unsigned mode_of(const fs::path& path) {
  struct stat about{};
  EXPECT_EQ(::lstat(path.c_str(), &about), 0) << path;
  return about.st_mode & 07777;
}
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string line(const std::string& role, const std::string& content) {
  return json{{"role", role}, {"content", content}}.dump() + "\n";
}
const std::string kUser = line("user", "hi");
std::string call_line(const std::string& id, const std::string& name = "look") {
  return R"({"role":"assistant","content":null,"tool_calls":[{"id":")" + id +
         R"(","type":"function","function":{"name":")" + name + R"(","arguments":"{\"a\":1}"}}]})" +
         "\n";
}
std::string result_line(const std::string& id, const std::string& content) {
  return json{{"role", "tool"}, {"tool_call_id", id}, {"content", content}}.dump() + "\n";
}
std::string turn(const std::string& text, const std::string& answer) {
  TurnRecord record;
  record.user(text, {}, {});
  record.text(answer);
  return record.lines();
}

TranscriptEntries said(std::string_view lines, TranscriptLimits limits = {}) {
  TranscriptReader reader(limits);
  reader.feed(lines);
  return reader.finish();
}
json entries_of(const TranscriptEntries& what) {
  json entries = json::array();
  for (const std::string& entry : what.entries) entries.push_back(json::parse(entry));
  return entries;
}
// "user_message: hello", "tool_call look completed: output"
std::vector<std::string> in_short(const TranscriptEntries& what) {
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

fs::path new_folder() {
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

// ----------------------------------------------------------------------------------- names

struct Golden {
  const char* name;
  const char* path;
};
class DecodeFolder : public ::testing::TestWithParam<Golden> {};
TEST_P(DecodeFolder, TakesEveryDashForASlashWhereNothingExists) {
  EXPECT_EQ(decode_folder(GetParam().name), GetParam().path);
}
INSTANTIATE_TEST_SUITE_P(
    GoldenVectors, DecodeFolder,
    ::testing::Values(Golden{"-home-sam-dev-my-project", "/home/sam/dev/my/project"},
                      Golden{"noslash", "noslash"}, Golden{"-", "/"}, Golden{"-a--b", "/a//b"}),
    [](const auto& info) { return std::to_string(info.index); });

TEST_F(Folders, NamesWithDashesComeBackRight) {
  for (const char* name : {"my-project", "a-b-c/d-e", "-begins", "ends-", "a--b/-c-", "plain/x"}) {
    const fs::path path = root_ / "names" / name;
    fs::create_directories(path);
    EXPECT_EQ(decode_folder(encode_folder(path.string())), path.string());
  }
}

TEST_F(Folders, AnAmbiguousNameIsTheExistingPathWithTheLongestNames) {
  fs::create_directories(root_ / "x/my-app");
  EXPECT_EQ(decode_folder(encode_folder((root_ / "x/my/app").string())), root_ / "x/my-app");
  fs::create_directories(root_ / "x/my/app");
  EXPECT_EQ(decode_folder(encode_folder((root_ / "x/my/app").string())), root_ / "x/my-app");
  // the longest beginning leads nowhere, another does
  fs::create_directories(root_ / "y/my-app");
  fs::create_directories(root_ / "y/my/app-two");
  EXPECT_EQ(decode_folder(encode_folder((root_ / "y/my/app-two").string())),
            root_ / "y/my/app-two");
}

TEST_F(Folders, AFolderThatIsGoneIsBelowTheOneThatIsThere) {
  EXPECT_EQ(decode_folder(encode_folder((work() / "gone").string())), work() / "gone");
}

TEST_F(Folders, ANameThatWouldTakeForeverIsGivenUp) {
  std::string path = root_.string();
  for (int i = 0; i < 60; ++i) path += "-a";
  std::string below = root_.string();
  for (int i = 0; i < 5; ++i) fs::create_directories(below += "/a");
  EXPECT_THAT(decode_folder(encode_folder(path)), HasSubstr("/a/a/a"));
}

TEST_F(Folders, APathTooLongForANameIsShortenedAndStaysItsOwn) {
  std::string one = "/" + std::string(400, 'a') + "/x", two = "/" + std::string(401, 'a') + "/x";
  EXPECT_LE(encode_folder(one).size(), 255u);
  EXPECT_NE(encode_folder(one), encode_folder(two));
}

TEST_F(Folders, AWorkingFolderIsResolved) {
  fs::create_directory_symlink(work(), root_ / "link");
  EXPECT_EQ(resolved((root_ / "link" / "." / ".." / "my-project/").string()), work().string());
  EXPECT_EQ(resolved((root_ / "not/there/").string()), (root_ / "not/there").string());
  EXPECT_EQ(resolved("~/x-not-there"), fs::weakly_canonical(std::getenv("HOME")) / "x-not-there");
}

TEST(PlainId, IsNoPath) {
  EXPECT_TRUE(is_plain_id("s-01J_x9"));
  for (const char* id : {"", ".", "..", "a/b", "../a", "a.b", "a b", "ä"})
    EXPECT_FALSE(is_plain_id(id)) << id;
  EXPECT_FALSE(is_plain_id(std::string(300, 'a')));
  EXPECT_FALSE(is_plain_id(std::string_view("a\0b", 3)));
}

// --------------------------------------------------------------------------------- writing

TEST_F(Folders, ATurnIsWrittenAsLinesAndFactsForThisUserAlone) {
  ASSERT_TRUE(folders_.append(session(), turn("Good day, agent", "Hello \"you\" 🙂")));
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"),
            line("user", "Good day, agent") + line("assistant", "Hello \"you\" 🙂"));
  const json info = json::parse(text_of(folder() / "session-info.json"));
  EXPECT_EQ(info["working_dir"], work().string());
  EXPECT_THAT(info["created_at"].get<std::string>(), ::testing::EndsWith("Z"));
  const json metadata = json::parse(text_of(folder() / "metadata.json"));
  EXPECT_EQ(metadata["session_id"], "s-01J");
  EXPECT_EQ(metadata["viaduct_session"], "s_01J");
  EXPECT_EQ(metadata["working_dir"], work().string());
  EXPECT_EQ(metadata["agent_type"], "claude");
  EXPECT_EQ(metadata["native_id"], "native-1");
  EXPECT_EQ(metadata["turn_count"], 1);
  EXPECT_EQ(metadata["description"], "Good day, agent");
  EXPECT_EQ(metadata["created"], metadata["last_updated"]);
  EXPECT_THAT(names_in(folder()),
              ElementsAre("metadata.json", "session-info.json", "transcript.jsonl"));
  for (const std::string& name : names_in(folder())) EXPECT_EQ(mode_of(folder() / name), 0600u);
  for (fs::path at = folder(); at != root_; at = at.parent_path())
    EXPECT_EQ(mode_of(at), 0700u) << at;
}

TEST_F(Folders, AFurtherTurnIsAddedAndTheFactsFollow) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  const json before = json::parse(text_of(folder() / "metadata.json"));
  const std::string info = text_of(folder() / "session-info.json");
  json other = before;
  other["name"] = "Named by a hook";
  write(folder() / "metadata.json", other.dump());
  FolderSession later = session();
  later.native_id = "native-2";
  ASSERT_TRUE(folders_.append(later, turn("two", "2")));
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"), turn("one", "1") + turn("two", "2"));
  const json metadata = json::parse(text_of(folder() / "metadata.json"));
  EXPECT_EQ(metadata["turn_count"], 2);
  EXPECT_EQ(metadata["native_id"], "native-2");
  EXPECT_EQ(metadata["created"], before["created"]);
  EXPECT_GT(metadata["last_updated"], before["last_updated"]);
  EXPECT_EQ(metadata["description"], "one");
  EXPECT_EQ(metadata["name"], "Named by a hook");
  EXPECT_EQ(text_of(folder() / "session-info.json"), info);
}

TEST_F(Folders, TheFilesAreReplacedAndNeverWrittenInto) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  const int old = ::open((folder() / "transcript.jsonl").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(old, 0);
  ASSERT_TRUE(folders_.append(session(), turn("two", "2")));
  char bytes[4096];
  const ssize_t size = ::read(old, bytes, sizeof bytes);
  ::close(old);
  EXPECT_EQ(std::string(bytes, static_cast<std::size_t>(size)), turn("one", "1"));
}

TEST_F(Folders, WhatACrashLeftBesideTheFilesIsNoHindrance) {
  write(folder() / ".transcript.jsonl.part", "half a li");
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  EXPECT_THAT(names_in(folder()),
              ElementsAre("metadata.json", "session-info.json", "transcript.jsonl"));
}

TEST_F(Folders, ATornLastLineOfAnotherWriterDoesNotSwallowWhatFollows) {
  write(folder() / "transcript.jsonl", line("user", "one") + R"({"role":"assist)");
  ASSERT_TRUE(folders_.append(session(), turn("two", "2")));
  const auto reading = folders_.read("s-01J");
  ASSERT_TRUE(reading);
  EXPECT_THAT(in_short(reading->said),
              ElementsAre("user_message: one", "user_message: two", "text: 2"));
  EXPECT_EQ(reading->said.skipped, 1u);
}

TEST_F(Folders, CatchingUpWritesAllAnewOnlyWhereLessIsOnDisk) {
  const std::string two = turn("one", "1") + turn("two", "2");
  const auto first = folders_.catch_up(session(), two);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(*first);
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"), two);
  EXPECT_EQ(json::parse(text_of(folder() / "metadata.json"))["turn_count"], 2);
  EXPECT_FALSE(folders_.catch_up(session(), turn("one", "1")).value_or(true));
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"), two) << "it never shrinks";
  EXPECT_FALSE(folders_.catch_up(session(), two).value_or(true));
  EXPECT_TRUE(folders_.catch_up(session(), two + turn("three", "3")).value_or(false));
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"), two + turn("three", "3"));
  EXPECT_EQ(json::parse(text_of(folder() / "metadata.json"))["turn_count"], 3);
}

TEST_F(Folders, CatchingUpKeepsWhatOnlyTheFolderHas) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1") + turn("two", "said, and not logged")));
  // the host died before it had the second answer, and again before the third turn was written
  const std::string log = turn("one", "1") + line("user", "two") + line("user", "three");
  EXPECT_TRUE(folders_.catch_up(session(), log).value_or(false));
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"),
            turn("one", "1") + turn("two", "said, and not logged") + line("user", "three"));
  EXPECT_EQ(json::parse(text_of(folder() / "metadata.json"))["turn_count"], 3);
  EXPECT_FALSE(folders_.catch_up(session(), log).value_or(true));
}

TEST_F(Folders, CatchingUpWritesAllAnewWhereATurnInTheMiddleIsMissing) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1") + turn("three", "3")));
  const std::string log = turn("one", "1") + line("user", "two") + turn("three", "3");
  EXPECT_TRUE(folders_.catch_up(session(), log).value_or(false));
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"), log);
}

TEST_F(Folders, AnIdThatIsAPathIsRefused) {
  for (const char* id : {"../../x", "a/b", "..", ""}) {
    const auto written = folders_.append(session(id), turn("one", "1"));
    ASSERT_FALSE(written) << id;
    EXPECT_EQ(written.error().kind, Kind::kRefused);
    EXPECT_EQ(folders_.read(id).error().kind, Kind::kRefused);
    EXPECT_EQ(folders_.remove(id).error().kind, Kind::kRefused);
  }
  EXPECT_FALSE(fs::exists(home()));
}

TEST_F(Folders, ALinkInTheWayIsRefusedAndNotFollowed) {
  const fs::path victim = root_ / "victim.txt";
  write(victim, "precious");
  for (const char* name : {"transcript.jsonl", "metadata.json", "session-info.json"}) {
    fs::remove_all(home());
    fs::create_directories(folder());
    fs::create_symlink(victim, folder() / name);
    const auto written = folders_.append(session(), turn("one", "1"));
    ASSERT_FALSE(written) << name;
    EXPECT_EQ(written.error().kind, Kind::kRefused);
    EXPECT_THAT(written.error().message, HasSubstr("symbolic link"));
    EXPECT_EQ(written.error().lines_written, std::string(name) != "transcript.jsonl");
    EXPECT_TRUE(fs::is_symlink(folder() / name));
    EXPECT_EQ(text_of(victim), "precious");
  }
  fs::remove_all(home());
  fs::create_directories(root_ / "elsewhere");
  fs::create_directories(folder().parent_path());
  fs::create_directory_symlink(root_ / "elsewhere", folder());
  EXPECT_EQ(folders_.append(session(), turn("one", "1")).error().kind, Kind::kRefused);
  EXPECT_THAT(names_in(root_ / "elsewhere"), IsEmpty());
}

TEST_F(Folders, SomethingElseInTheWayIsRefused) {
  fs::create_directories(folder() / "transcript.jsonl");
  EXPECT_EQ(folders_.append(session(), turn("one", "1")).error().kind, Kind::kRefused);
  fs::remove_all(folder());
  fs::create_directories(folder());
  ASSERT_EQ(::mkfifo((folder() / "transcript.jsonl").c_str(), 0600), 0);
  EXPECT_EQ(folders_.append(session(), turn("one", "1")).error().kind, Kind::kRefused);
  fs::remove_all(folder());
  write(folder(), "a file where the folder would be");
  EXPECT_EQ(folders_.append(session(), turn("one", "1")).error().kind, Kind::kRefused);
}

TEST_F(Folders, AHomeThatIsAFileIsAnErrorThatNamesIt) {
  write(home(), "");
  const auto written = folders_.append(session(), turn("one", "1"));
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr(home().string()));
  EXPECT_FALSE(written.error().lines_written);
}

TEST_F(Folders, WhatCannotBeWrittenLeavesTheOldFile) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  const std::string old = text_of(folder() / "transcript.jsonl");
  // what is written first cannot be made: its name is taken by a folder
  fs::create_directories(folder() / ".transcript.jsonl.part" / "x");
  const auto written = folders_.append(session(), turn("two", "2"));
  ASSERT_FALSE(written);
  EXPECT_FALSE(written.error().lines_written);
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"), old);
}

// ----------------------------------------------------------------- from entries, and back

TEST(TurnRecord, IsMessagesWithToolCallsAndTheirResults) {
  TurnRecord record;
  record.user("do it", {}, {});
  record.text("Let me ");
  record.text("look.");
  record.tool_call("t1",
                   R"({"title":"read","kind":"read","status":"pending","rawInput":{"f":"x"}})");
  record.tool_call("t2", R"({"title":"list","status":"in_progress"})");
  record.tool_call("t1", R"({"status":"completed","rawOutput":"contents"})");
  record.tool_call(
      "t2",
      R"({"status":"failed","content":[{"type":"content","content":{"type":"text","text":"no"}}]})");
  record.text("Done.");
  record.tool_call("t3", R"({"title":"slow","status":"in_progress"})");
  std::vector<json> lines;
  std::string all = record.lines();
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at);
    lines.push_back(json::parse(all.substr(at, end - at)));
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 6u) << all;
  EXPECT_EQ(lines[0], (json{{"role", "user"}, {"content", "do it"}}));
  EXPECT_EQ(lines[1]["content"], "Let me look.");
  EXPECT_EQ(lines[1]["tool_calls"].size(), 2u);
  EXPECT_EQ(lines[1]["tool_calls"][0],
            (json{{"id", "t1"},
                  {"type", "function"},
                  {"function", {{"name", "read"}, {"arguments", R"({"f":"x"})"}}}}));
  EXPECT_EQ(lines[2], (json{{"role", "tool"}, {"tool_call_id", "t1"}, {"content", "contents"}}));
  EXPECT_EQ(lines[3]["content"], "[failed]\nno");
  EXPECT_EQ(lines[4]["content"], "Done.");
  EXPECT_EQ(lines[4]["tool_calls"][0]["id"], "t3");
  EXPECT_EQ(lines[5]["content"], "[failed]\nThe turn ended before this tool answered.");
}

TEST(TurnRecord, KeepsWhatWasAttachedAndWhatOthersSaid) {
  TurnRecord record;
  record.user("look", R"([{"type":"image","mimeType":"image/png","data":"QUJD"},
                          {"type":"resource","resource":{"uri":"file:///a","text":"inside"}}])",
              R"([{"author":"Bob","text":"me too"}])");
  const json message = json::parse(record.lines());
  ASSERT_EQ(message["content"].size(), 4u);
  EXPECT_EQ(message["content"][0], (json{{"type", "text"}, {"text", "look"}}));
  EXPECT_THAT(message["content"][1]["text"].get<std::string>(), HasSubstr("> Bob: me too"));
  EXPECT_EQ(message["content"][2]["image_url"]["url"], "data:image/png;base64,QUJD");
  EXPECT_THAT(message["content"][3]["text"].get<std::string>(), HasSubstr("inside"));
}

TEST(TurnRecord, SaysSoWhenATurnIsTooLong) {
  TurnRecord record(10'000);
  record.user("go", {}, {});
  for (int i = 0; i < 200; ++i) record.text(std::string(100, 'x'));
  const std::string lines = record.lines();
  EXPECT_LT(lines.size(), 10'300u);
  EXPECT_GT(lines.size(), 9'800u);
  EXPECT_THAT(lines.substr(lines.size() - 100), HasSubstr("too long for a transcript"));
}

TEST(Lines, OfALogComeBackAsTheSameEntries) {
  const json entries = {
      {{"type", "user_message"}, {"text", "Grüße 🙂 \"x\"\n"}, {"data", json::object()}},
      {{"type", "text"}, {"text", "Let me look."}, {"data", json::object()}},
      {{"type", "tool_call"},
       {"text", ""},
       {"data",
        {{"toolCallId", "a"},
         {"title", "read"},
         {"status", "completed"},
         {"rawInput", {{"path", "x"}, {"n", {1, 2}}}},
         {"content", {{{"type", "content"}, {"content", {{"type", "text"}, {"text", "out"}}}}}}}}},
      {{"type", "tool_call"},
       {"text", ""},
       {"data",
        {{"toolCallId", "b"},
         {"title", "write"},
         {"status", "failed"},
         {"rawInput", json::object()},
         {"content", {{{"type", "content"}, {"content", {{"type", "text"}, {"text", "no"}}}}}}}}},
      {{"type", "text"}, {"text", "Done."}, {"data", json::object()}},
      {{"type", "user_message"},
       {"text", "and this"},
       {"data", {{"blocks", {{{"type", "image"}, {"mimeType", "image/jpeg"}, {"data", "QUJD"}}}}}}},
      {{"type", "text"}, {"text", "A picture."}, {"data", json::object()}},
  };
  const auto lines = lines_of(entries.dump());
  ASSERT_TRUE(lines);
  const json back = entries_of(said(*lines));
  EXPECT_EQ(back, entries);
  EXPECT_EQ(lines_of(back.dump()).value_or(""), *lines);
}

TEST(Lines, OfALogLeaveOutWhatIsNoMessage) {
  const json entries = {{{"type", "user_message"}, {"text", "a"}, {"data", json::object()}},
                        {{"type", "thought"}, {"text", "hm"}},
                        {{"type", "text"}, {"text", "b"}},
                        {{"type", "notice"}, {"text", "n"}},
                        {{"type", "usage"}, {"data", {{"inputTokens", 1}}}},
                        {{"type", "turn_end"}, {"data", {{"stop_reason", "end_turn"}}}},
                        {{"type", "context_restored"}, {"text", "r"}}};
  EXPECT_EQ(lines_of(entries.dump()).value_or("?"), line("user", "a") + line("assistant", "b"));
  EXPECT_EQ(lines_of("").value_or("?"), "");
  EXPECT_FALSE(lines_of("{}"));
}

// --------------------------------------------------------------------------------- reading

TEST(Reading, KeepsEverythingInOrder) {
  std::string lines;
  for (int i = 0; i < 500; ++i)
    lines += line("user", "q" + std::to_string(i)) + line("assistant", "a" + std::to_string(i));
  const TranscriptEntries all = said(lines);
  ASSERT_EQ(all.entries.size(), 1000u);
  EXPECT_EQ(in_short(all)[998], "user_message: q499");
  EXPECT_EQ(all.messages, 1000u);
  EXPECT_EQ(all.skipped + all.dropped + all.too_long, 0u);
}

TEST(Reading, SkipsLinesThatAreNoMessagesAndCountsThem) {
  const TranscriptEntries all =
      said(line("user", "one") + "\n  \t\r\n" + "{not json\n" + "\"text\"\n[1]\n42\nnull\n" +
           R"({"content":"no role"})" + "\n" + R"({"role":"","content":"x"})" + "\n" +
           R"({"role":7,"content":"x"})" + "\n" + "\xff\xfe\n" + line("assistant", "two"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one", "text: two"));
  EXPECT_EQ(all.skipped, 9u);
  EXPECT_FALSE(all.torn);
}

TEST(Reading, SystemMessagesAreNoneAndNoFault) {
  const TranscriptEntries all =
      said(line("system", "be kind") + line("developer", "x") + line("user", "one"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one"));
  EXPECT_EQ(all.skipped, 0u);
}

TEST(Reading, ATornLastLineIsSkippedAndToldAndAWholeOneWithoutItsEndIsNot) {
  const TranscriptEntries torn = said(line("user", "one") + R"({"role":"assistant","cont)");
  EXPECT_THAT(in_short(torn), ElementsAre("user_message: one"));
  EXPECT_EQ(torn.skipped, 1u);
  EXPECT_TRUE(torn.torn);
  const TranscriptEntries whole =
      said(line("user", "one") + R"({"role":"assistant","content":"two"})");
  EXPECT_THAT(in_short(whole), ElementsAre("user_message: one", "text: two"));
  EXPECT_EQ(whole.skipped, 0u);
}

TEST(Reading, ALineOverTheLimitIsSkippedAndToldInWhicheverPiecesItComes) {
  const std::string lines =
      line("user", "one") + line("assistant", std::string(5000, 'x')) + line("user", "two");
  for (const std::size_t step : {std::size_t{1}, std::size_t{77}, lines.size()}) {
    TranscriptReader reader({.line = 1000});
    for (std::size_t at = 0; at < lines.size(); at += step)
      reader.feed(std::string_view(lines).substr(at, step));
    const TranscriptEntries all = reader.finish();
    EXPECT_THAT(in_short(all), ElementsAre("user_message: one", "user_message: two"));
    EXPECT_EQ(all.too_long, 1u);
    EXPECT_EQ(all.skipped, 0u);
  }
}

TEST(Reading, ALineNestedWithoutEndIsSkipped) {
  const std::string deep(200'000, '[');
  const TranscriptEntries all =
      said(R"({"role":"user","content":)" + deep + "\n" + R"({"role":"user","content":)" + deep +
           std::string(200'000, ']') + "}\n" + line("user", "one"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one"));
  EXPECT_EQ(all.skipped, 2u);
}

TEST(Reading, ALineOfMoreValuesThanAnyMessageHasIsSkipped) {
  std::string values = "[";
  for (int i = 0; i < 1'100'000; ++i) values += "[],";
  const TranscriptEntries all =
      said(R"({"role":"user","content":)" + values + "[]]}\n" + line("user", "one"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: one"));
  EXPECT_EQ(all.skipped, 1u);
}

TEST(Reading, StopsWhereThereIsMoreThanTheHostTakes) {
  TranscriptReader reader({.entries = 3});
  EXPECT_TRUE(reader.feed(line("user", "one") + line("assistant", "two") + line("user", "three")));
  EXPECT_FALSE(reader.feed(line("user", "four") + line("user", "five")));
  EXPECT_FALSE(reader.feed(line("user", "six")));
  const TranscriptEntries all = reader.finish();
  EXPECT_EQ(all.too_much, "3 entries");
  EXPECT_EQ(all.entries.size(), 3u);
  EXPECT_EQ(all.messages, 4u) << "what follows is not looked at";
}

TEST(Reading, OneLineIsNoWayAroundTheLimits) {
  std::string parts;
  for (int i = 0; i < 500; ++i) parts += R"({"type":"text","text":"0123456789"},)";
  const std::string lines = kUser + R"({"role":"assistant","content":[)" + parts + "{}]}\n";
  EXPECT_EQ(said(lines, {.entries = 100}).entries.size(), 100u);
  const TranscriptEntries few = said(lines, {.bytes = 5000});
  EXPECT_EQ(few.too_much, "0 MiB of what was said");
  EXPECT_LT(few.bytes, 5100u);
  std::string calls = kUser;
  for (int i = 0; i < 100; ++i) calls += call_line("");
  EXPECT_EQ(said(calls, {.entries = 50}).entries.size(), 50u);
  std::string results = kUser;
  for (int i = 0; i < 100; ++i) results += result_line("id" + std::to_string(i), "out");
  EXPECT_EQ(said(results, {.entries = 50}).entries.size(), 50u);
}

TEST(Reading, WhatCallsBecomeByTheirResultsCountsToo) {
  const auto bytes_of = [](const TranscriptEntries& all) {
    std::size_t bytes = 0;
    for (const std::string& entry : all.entries) bytes += entry.size();
    return bytes;
  };
  const std::string calls = kUser + call_line("a") + call_line("b") + line("assistant", "x");
  const std::string lines = calls + result_line("a", std::string(3000, 'y'));
  const TranscriptEntries all = said(lines);
  EXPECT_EQ(all.bytes, bytes_of(all));
  EXPECT_GT(all.bytes, 3000u);
  EXPECT_EQ(said(calls, {.bytes = 3000}).too_much, "");
  EXPECT_NE(said(lines, {.bytes = 3000}).too_much, "");
}

struct Orphans {
  const char* name;
  std::string lines;
  std::vector<std::string> kept;
  std::size_t dropped;
};
void PrintTo(const Orphans& one, std::ostream* out) {
  *out << one.name;
}
class ToolOrphans : public ::testing::TestWithParam<Orphans> {};
TEST_P(ToolOrphans, AreDroppedAtTheEndsOnly) {
  const TranscriptEntries all = said(GetParam().lines);
  EXPECT_EQ(in_short(all), GetParam().kept);
  EXPECT_EQ(all.dropped, GetParam().dropped);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ToolOrphans,
    ::testing::Values(
        Orphans{"LeadingResults",
                result_line("x", "1") + result_line("y", "2") + kUser,
                {"user_message: hi"},
                2},
        Orphans{"LeadingBehindASystemMessage",
                line("system", "s") + result_line("x", "1") + kUser,
                {"user_message: hi"},
                1},
        Orphans{"OnlyResults", result_line("x", "1"), {}, 1},
        Orphans{"TrailingCall", kUser + call_line("a"), {"user_message: hi"}, 1},
        Orphans{"TrailingCalls", kUser + call_line("a") + call_line("b"), {"user_message: hi"}, 2},
        Orphans{"OnlyACall", call_line("a"), {}, 1},
        Orphans{
            "BothEnds", result_line("x", "1") + kUser + call_line("a"), {"user_message: hi"}, 2},
        Orphans{"TrailingResultIsKept",
                kUser + call_line("a") + result_line("a", "out"),
                {"user_message: hi", "tool_call look completed: out"},
                0},
        Orphans{"CallBehindAnAnsweredOne",
                kUser + call_line("a") + result_line("a", "out") + call_line("b"),
                {"user_message: hi", "tool_call look completed: out"},
                1},
        Orphans{"UnansweredInTheMiddleIsKept",
                kUser + call_line("a") + line("assistant", "well"),
                {"user_message: hi", "tool_call look failed", "text: well"},
                0},
        Orphans{"ResultOfNothingInTheMiddleIsKept",
                kUser + result_line("x", "out") + line("assistant", "well"),
                {"user_message: hi", "tool_call tool completed: out", "text: well"},
                0},
        Orphans{
            "TextOfATrailingCallIsKept",
            kUser +
                R"({"role":"assistant","content":"I look","tool_calls":[{"id":"a","function":{"name":"f"}}]})" +
                "\n",
            {"user_message: hi", "text: I look"},
            1},
        Orphans{"EmptyToolCalls",
                kUser + R"({"role":"assistant","content":"x","tool_calls":[]})" + "\n",
                {"user_message: hi", "text: x"},
                0}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Reading, AnIdThatIsUsedAgainMeansTheLastCall) {
  const TranscriptEntries all =
      said(kUser + call_line("call_0", "one") + result_line("call_0", "1") +
           call_line("call_0", "two") + result_line("call_0", "2"));
  EXPECT_THAT(in_short(all), ElementsAre("user_message: hi", "tool_call one completed: 1",
                                         "tool_call two completed: 2"));
}

TEST(Reading, UnderstandsContentInPartsAndNone) {
  const TranscriptEntries all = said(
      R"({"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"input_text","text":"more"},{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lG"}}]})"
      "\n"
      R"({"role":"assistant","content":null})"
      "\n"
      R"({"role":"assistant"})"
      "\n"
      R"({"role":"user","content":"   "})"
      "\n"
      R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"run","input":{"c":"ls"}}]})"
      "\n"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"files"}]}]})"
      "\n");
  EXPECT_THAT(in_short(all), ElementsAre("user_message: see", "thought: hm", "text: a",
                                         "tool_call run completed: files"));
  EXPECT_EQ(all.skipped, 0u);
  const json blocks = entries_of(all)[0]["data"]["blocks"];
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_EQ(blocks[0], (json{{"type", "image"}, {"mimeType", "image/png"}, {"data", "QUJD"}}));
  EXPECT_EQ(blocks[1]["text"], "more");
  EXPECT_EQ(blocks[2], (json{{"type", "image"}, {"mimeType", "image/gif"}, {"data", "R0lG"}}));
  EXPECT_EQ(entries_of(all)[3]["data"]["rawInput"], (json{{"c", "ls"}}));
}

TEST(Reading, UnderstandsToolCallsOfTheEcosystemAndTakesEachOnce) {
  const TranscriptEntries all = said(
      kUser +
      R"({"role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_call","id":"t","name":"bash","input":{"c":1}}],"tool_calls":[{"id":"t","tool":"bash","arguments":{"c":1}}]})"
      "\n" +
      R"({"role":"tool","name":"bash","tool_call_id":"t","content":"ok"})" + "\n");
  EXPECT_THAT(in_short(all),
              ElementsAre("user_message: hi", "text: a", "tool_call bash completed: ok"));
}

TEST(Reading, TakesTimesThatItUnderstands) {
  const json entries = entries_of(
      said(R"({"role":"user","content":"a","timestamp":"2026-01-31T12:00:00.123456+00:00"})"
           "\n"
           R"({"role":"user","content":"b","metadata":{"timestamp":"2026-01-31T12:00:01Z"}})"
           "\n"
           R"({"role":"user","content":"c","timestamp":"yesterday"})"
           "\n"
           R"({"role":"user","content":"d","timestamp":1769860800})"));
  EXPECT_EQ(entries[0]["at"], "2026-01-31T12:00:00.123456Z");
  EXPECT_EQ(entries[1]["at"], "2026-01-31T12:00:01Z");
  EXPECT_FALSE(entries[2].contains("at"));
  EXPECT_FALSE(entries[3].contains("at"));
}

TEST_F(Folders, ASessionIsReadWithItsFacts) {
  leave("abc", line("user", "hello") + line("assistant", "hi"));
  const auto reading = folders_.read("abc");
  ASSERT_TRUE(reading) << reading.error().message;
  EXPECT_THAT(in_short(reading->said), ElementsAre("user_message: hello", "text: hi"));
  EXPECT_EQ(reading->facts.working_dir, work().string()) << "decoded, with the dash in its name";
  EXPECT_EQ(reading->facts.title, "hello");
}

TEST_F(Folders, TheWorkingFolderIsTheOneInTheFilesFirst) {
  leave("abc", line("user", "hello"));
  const fs::path files = folder("abc");
  const auto working_dir = [&] { return folders_.read("abc").value().facts.working_dir; };
  write(files / "metadata.json", R"({"working_dir":"/from/metadata"})");
  EXPECT_EQ(working_dir(), "/from/metadata");
  write(files / "session-info.json", R"({"working_dir":"/from/info"})");
  EXPECT_EQ(working_dir(), "/from/info");
  for (const char* bad : {R"({"working_dir":""})", R"({"working_dir":7})", R"({"working_dir":"x"})",
                          "{}", "[]", "{", ""}) {
    write(files / "session-info.json", bad);
    EXPECT_EQ(working_dir(), "/from/metadata") << bad;
  }
  write(files / "metadata.json", "nothing");
  EXPECT_EQ(working_dir(), work().string());
}

TEST_F(Folders, AMissingTranscriptIsNotFound) {
  EXPECT_EQ(folders_.read("abc").error().kind, Kind::kNotFound);
  fs::create_directories(folder("abc"));
  EXPECT_EQ(folders_.read("abc").error().kind, Kind::kNotFound);
}

TEST_F(Folders, AnEmptyTranscriptIsASessionInWhichNothingWasSaid) {
  leave("abc", "");
  const auto reading = folders_.read("abc");
  ASSERT_TRUE(reading);
  EXPECT_THAT(reading->said.entries, IsEmpty());
}

TEST_F(Folders, ATranscriptThatIsTooLongIsRefusedInWords) {
  leave("abc", line("user", "hello"));
  fs::resize_file(folder("abc") / "transcript.jsonl", 100 << 20);
  const auto reading = folders_.read("abc");
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, Kind::kRefused);
  EXPECT_THAT(reading.error().message, HasSubstr("too long to be taken over: 100 MiB of 64"));
}

TEST_F(Folders, ATranscriptOfTooManyEntriesIsRefusedInWords) {
  leave("abc", line("user", "one") + line("assistant", "two") + line("user", "three"));
  const auto reading = TranscriptFolders(home(), {.entries = 2}).read("abc");
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().kind, Kind::kRefused);
  EXPECT_THAT(reading.error().message,
              HasSubstr("abc is too long to be taken over: more than 2 entries"));
  EXPECT_TRUE(TranscriptFolders(home(), {.entries = 3}).read("abc"));
}

TEST_F(Folders, WhatCannotBeReadIsUnavailableAndNeverGone) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  leave("abc", line("user", "hello"));
  for (const fs::path& closed :
       {folder("abc") / "transcript.jsonl", folder("abc"), folder("abc").parent_path(),
        folder("abc").parent_path().parent_path(), home() / "projects"}) {
    const unsigned mode = mode_of(closed);
    ASSERT_EQ(::chmod(closed.c_str(), 0), 0);
    EXPECT_EQ(folders_.read("abc").error().kind, Kind::kUnavailable) << closed;
    ASSERT_EQ(::chmod(closed.c_str(), mode), 0);
  }
  EXPECT_TRUE(folders_.read("abc"));
}

// --------------------------------------------------------------------------------- listing

TEST_F(Folders, NothingIsListedWhereNothingIs) {
  EXPECT_THAT(ids(), IsEmpty());
}

TEST_F(Folders, SessionsAreListedWithTheNewestFirst) {
  int at = 1'700'000'000;
  for (const char* id : {"one", "three", "two"}) {
    leave(id, line("user", std::string("about ") + id));
    const timespec times[2] = {{0, UTIME_OMIT}, {at += 10, 5000}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (folder(id) / "transcript.jsonl").c_str(), times, 0), 0);
  }
  write(folder("three") / "metadata.json", R"({"description":"described","name":"named"})");
  write(folder("one") / "metadata.json", R"({"description":"described"})");
  const auto listing = folders_.list();
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->unreadable, 0u);
  ASSERT_EQ(listing->sessions.size(), 3u);
  const FoundSession& newest = listing->sessions[0];
  EXPECT_EQ(newest.id, "two");
  EXPECT_EQ(newest.title, "about two");
  EXPECT_EQ(newest.working_dir, work().string());
  EXPECT_EQ(newest.updated_at, "2023-11-14T22:13:50.000005Z");
  EXPECT_EQ(listing->sessions[1].title, "named");
  EXPECT_EQ(listing->sessions[2].title, "described");
}

TEST_F(Folders, WhatIsNoSessionIsNotListed) {
  leave("good", line("user", "x"));
  leave("parent_child", line("user", "a sub-session by its name"));
  leave("child", line("user", "a sub-session by its metadata"));
  write(folder("child") / "metadata.json", R"({"parent_id":"good"})");
  leave("no plain name", line("user", "x"));
  fs::create_directories(folder("empty"));
  write(folder("afile"), "x");
  write(home() / "projects" / "plain-file", "x");
  fs::create_directories(root_ / "outside" / "sessions" / "evil");
  write(root_ / "outside" / "sessions" / "evil" / "transcript.jsonl", line("user", "x"));
  fs::create_directory_symlink(root_ / "outside", home() / "projects" / "-link");
  fs::create_directory_symlink(root_ / "outside/sessions/evil", folder("linked"));
  fs::create_directories(folder("inner"));
  fs::create_symlink(root_ / "outside/sessions/evil/transcript.jsonl",
                     folder("inner") / "transcript.jsonl");
  EXPECT_THAT(ids(), ElementsAre("good"));
  EXPECT_EQ(folders_.read("evil").error().kind, Kind::kNotFound);
  EXPECT_NE(folders_.read("linked").error().kind, Kind::kUnavailable);
}

TEST_F(Folders, SessionsDirectlyInTheProjectAreFoundToo) {
  write(home() / "projects" / encode_folder(work().string()) / "direct" / "transcript.jsonl",
        line("user", "hello"));
  EXPECT_THAT(ids(), ElementsAre("direct"));
  EXPECT_TRUE(folders_.read("direct"));
  EXPECT_TRUE(folders_.remove("direct"));
  EXPECT_THAT(ids(), IsEmpty());
}

TEST_F(Folders, SessionsOfOneFolderAreListedAlone) {
  leave("here", line("user", "x"));
  leave("there", line("user", "x"), "-somewhere-else");
  fs::create_directory_symlink(work(), root_ / "link");
  EXPECT_EQ(ids().size(), 2u);
  EXPECT_THAT(ids(work().string()), ElementsAre("here"));
  EXPECT_THAT(ids((root_ / "link").string()), ElementsAre("here"));
  EXPECT_THAT(ids("/somewhere/else"), ElementsAre("there"));
  EXPECT_THAT(ids("/nowhere"), IsEmpty());
}

TEST_F(Folders, ASessionOfAViaductIsListedWithItsId) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  const auto listing = folders_.list();
  ASSERT_TRUE(listing);
  ASSERT_EQ(listing->sessions.size(), 1u);
  EXPECT_EQ(listing->sessions[0].id, "s_01J") << "by which the host knows its own";
  EXPECT_TRUE(folders_.read("s_01J"));
  EXPECT_TRUE(folders_.read("s-01J"));
}

TEST_F(Folders, TheTitleIsLookedForAtTheBeginningAlone) {
  leave("long", line("assistant", std::string(200'000, 'x')) + line("user", "far behind"));
  leave("tail", line("user", "the first") + line("assistant", std::string(200'000, 'x')));
  const auto listing = folders_.list();
  ASSERT_TRUE(listing);
  for (const FoundSession& one : listing->sessions)
    EXPECT_EQ(one.title, one.id == "long" ? "" : "the first");
}

TEST_F(Folders, HundredsOfSessionsInManyFoldersAreListed) {
  for (int project = 0; project < 10; ++project)
    for (int i = 0; i < 50; ++i)
      leave("id-" + std::to_string(project) + "-" + std::to_string(i), kUser,
            "-not-there-" + std::to_string(project));
  EXPECT_EQ(ids().size(), 500u);
}

// -------------------------------------------------------------------------------- removing

TEST_F(Folders, ASessionIsRemovedWithAllItsFilesAndNoOther) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  ASSERT_TRUE(folders_.append(session("s_02J"), turn("one", "1")));
  write(folder() / "handoff.md", "x");
  EXPECT_TRUE(folders_.remove("s-01J"));
  EXPECT_FALSE(fs::exists(folder()));
  EXPECT_THAT(ids(), ElementsAre("s_02J"));
  EXPECT_TRUE(folders_.remove("s-01J")) << "it may be asked for again";
}

TEST_F(Folders, NothingIsRemovedThroughALinkInTheFolder) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  write(root_ / "outside" / "precious", "x");
  write(folder() / "sub" / "deeper" / "file", "x");
  fs::create_directory_symlink(root_ / "outside", folder() / "sub" / "link");
  fs::create_symlink(root_ / "outside/precious", folder() / "link");
  EXPECT_TRUE(folders_.remove("s-01J"));
  EXPECT_FALSE(fs::exists(folder()));
  EXPECT_EQ(text_of(root_ / "outside" / "precious"), "x");
}

TEST_F(Folders, FoldersInEachOtherWithoutEndAreLeft) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  fs::path deep = folder();
  for (int i = 0; i < 150; ++i) deep /= "d";
  fs::create_directories(deep);
  const auto removed = folders_.remove("s-01J");
  ASSERT_FALSE(removed);
  EXPECT_THAT(removed.error().message, HasSubstr("nested without end"));
}

TEST_F(Folders, WhatIsNotWantedAnyMoreWhenItsTurnComesIsNotRemoved) {
  ASSERT_TRUE(folders_.append(session(), turn("one", "1")));
  const auto late = folders_.remove("s-01J", [] { return false; });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, Kind::kUnavailable);
  EXPECT_EQ(text_of(folder() / "transcript.jsonl"), turn("one", "1"));
  EXPECT_TRUE(folders_.remove("s-none", [] { return false; })) << "there is nothing to keep";
}

TEST_F(Folders, RemovingALinkLeavesWhatItPointsTo) {
  write(root_ / "outside" / "transcript.jsonl", kUser);
  fs::create_directories(folder().parent_path());
  fs::create_directory_symlink(root_ / "outside", folder());
  EXPECT_TRUE(folders_.remove("s-01J"));
  EXPECT_TRUE(fs::exists(root_ / "outside" / "transcript.jsonl"));
}

}  // namespace
}  // namespace viaduct::bridge
