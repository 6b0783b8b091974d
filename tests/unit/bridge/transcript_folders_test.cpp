// Transcript folders: their names, writing and reading them, on real folders.
#include "transcript_fixture.hpp"

#include <fcntl.h>

namespace viaduct::bridge {
namespace {

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

}  // namespace
}  // namespace viaduct::bridge
