// Finding and removing transcript folders, on real folders.
#include "transcript_fixture.hpp"

#include <fcntl.h>

namespace viaduct::bridge {
namespace {

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

TEST_F(Folders, AFolderThatAHostIsMakingIsThatSessionBeforeItsFactsAreThere) {
  leave("s-0123456789abcdefghjkmnpqrs", line("user", "x"));
  leave("s-too-short", line("user", "x"));
  EXPECT_THAT(ids(), testing::UnorderedElementsAre("s_0123456789abcdefghjkmnpqrs", "s-too-short"));
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
