#include "host/plugins/plugins.hpp"
#include "host/plugins/preflight.hpp"
#include "tests/unit/plugins/test_host.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <ostream>

namespace viaduct::plugins {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using testing::HasSubstr;

const std::vector<std::string> kProbes{VIADUCT_PROBES};

// A folder with copies of these files of the faulty ones.
void put(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  for (const auto& name : names)
    fs::copy_file(fs::path(VIADUCT_FAULTY) / (name + ".so"), folder.path() / (name + ".so"));
}

TEST(Loader, ReadsTheDescriptorOfAPlugin) {
  Loader loader(VIADUCT_PREFLIGHT_CHILD);
  const auto info = loader.find("backend", kProbes);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->file, (fs::path(VIADUCT_PROBES) / "backend.so").string());
  EXPECT_EQ(info->name, "backend");
  EXPECT_EQ(info->id, "test.probe.backend");
  EXPECT_EQ(info->version, "1.2.3");
  EXPECT_FALSE(info->is_surface);
  EXPECT_FALSE(info->concurrent);
  EXPECT_EQ(info->schema, R"({"type":"object"})");
  EXPECT_TRUE(loader.find("surface_on_loop", kProbes)->concurrent);
  EXPECT_TRUE(loader.find("surface_on_loop", kProbes)->is_surface);
}

TEST(Loader, SaysWhatThereIsWhenAPluginIsMissing) {
  Loader loader("");
  const auto near = loader.find("surfac", kProbes);
  ASSERT_FALSE(near);
  EXPECT_EQ(near.error().code, Errc::not_found);
  EXPECT_THAT(near.error().message, HasSubstr("did you mean \"surface\"?"));
  EXPECT_THAT(near.error().message, HasSubstr(VIADUCT_PROBES));
  const auto far = loader.find("teams_and_more", kProbes);
  EXPECT_THAT(far.error().message, HasSubstr("there are: backend, "));
  EXPECT_EQ(loader.find("../surface", kProbes).error().code, Errc::invalid_argument);
}

TEST(Loader, TakesTheFirstFolderThatHasThePlugin) {
  TemporaryFolder first;
  fs::copy_file(fs::path(VIADUCT_FAULTY) / "nothing.so", first.path() / "surface.so");
  Loader loader(VIADUCT_PREFLIGHT_CHILD);
  const auto info = loader.find("surface", {first.path().string(), VIADUCT_PROBES});
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->id, "test.faulty");
  for (const auto& found : loader.scan({first.path().string(), VIADUCT_PROBES}))
    if (found.info && found.info->name == "surface") EXPECT_EQ(found.info->id, "test.faulty");
}

struct Fault {
  const char* name;
  const char* says;
};
void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

class LoaderOfAFaultyPlugin : public testing::TestWithParam<Fault> {};

TEST_P(LoaderOfAFaultyPlugin, NamesTheFileAndTheFault) {
  for (const char* child : {"", VIADUCT_PREFLIGHT_CHILD}) {
    TemporaryFolder folder;
    put(folder, {GetParam().name});
    Loader loader(child);
    const auto info = loader.find(GetParam().name, {folder.path().string()});
    ASSERT_FALSE(info);
    EXPECT_THAT(info.error().message,
                HasSubstr((folder.path() / GetParam().name).string() + ".so: "));
    EXPECT_THAT(info.error().message, HasSubstr(GetParam().says));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LoaderOfAFaultyPlugin,
    testing::Values(Fault{"short_api", "its api table is too short"},
                    Fault{"no_stop", "no function stop"}, Fault{"newer_entry", "viaduct_plugin_v3"},
                    Fault{"no_entry", "does not export viaduct_plugin_v1"},
                    Fault{"short_descriptor", "struct_size 40"}, Fault{"damaged", "damaged"},
                    Fault{"other_major", "built for plugin ABI 9.4, but this host has 1.0"},
                    Fault{"bad_kind", "its kind is 5"}, Fault{"no_id", "no id"},
                    Fault{"bad_schema", "config_schema is no JSON object"},
                    Fault{"no_api", "no api table"}, Fault{"no_create", "no create function"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Loader, NamesWhatIsNoLibraryForThisMachine) {
  TemporaryFolder folder;
  const auto file = [&](const char* name) { return (folder.path() / name).string(); };
  std::ofstream(file("words.so")) << "just words, and enough of them to be longer than a header";
  std::ofstream(file("empty.so"));
  fs::create_directory(file("folder.so"));
  fs::create_symlink("nowhere", file("dangling.so"));
  // A library, for a machine that is not this one.
  fs::copy_file(fs::path(VIADUCT_FAULTY) / "nothing.so", file("foreign.so"));
  std::fstream foreign(file("foreign.so"), std::ios::in | std::ios::out | std::ios::binary);
  foreign.seekp(18).write("\x16\x00", 2);
  foreign.close();
  // And one that is cut off.
  fs::copy_file(fs::path(VIADUCT_FAULTY) / "nothing.so", file("cut.so"));
  fs::resize_file(file("cut.so"), 1000);
  Loader loader(VIADUCT_PREFLIGHT_CHILD);
  const std::vector<std::string> folders{folder.path().string()};
  EXPECT_THAT(loader.find("words", folders).error().message, HasSubstr("no shared library"));
  EXPECT_THAT(loader.find("empty", folders).error().message, HasSubstr("no shared library"));
  EXPECT_THAT(loader.find("folder", folders).error().message, HasSubstr("no regular file"));
  EXPECT_THAT(loader.find("dangling", folders).error().message, HasSubstr("cannot be read"));
  EXPECT_THAT(loader.find("foreign", folders).error().message, HasSubstr("built for machine 22"));
  EXPECT_THAT(loader.find("cut", folders).error().message, HasSubstr("cut.so: it crashes"));
}

TEST(Loader, RefusesWhatEverybodyMayChange) {
  TemporaryFolder folder;
  put(folder, {"nothing"});
  fs::permissions(folder.path() / "nothing.so", fs::perms::others_write, fs::perm_options::add);
  Loader loader("");
  const auto file = loader.find("nothing", {folder.path().string()});
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("everybody may write to it"));
  fs::permissions(folder.path() / "nothing.so", fs::perms::others_write, fs::perm_options::remove);
  fs::permissions(folder.path(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_THAT(Loader("").find("nothing", {folder.path().string()}).error().message,
              HasSubstr("everybody may put files into its folder"));
}

TEST(Loader, SurvivesAPluginThatCrashesOnLoadAndLoadsItsNeighbours) {
  TemporaryFolder folder;
  put(folder, {"crashes", "nothing", "talks", "other_major"});
  Loader loader(VIADUCT_PREFLIGHT_CHILD);
  const std::vector<std::string> folders{folder.path().string()};
  const auto crash = loader.find("crashes", folders);
  ASSERT_FALSE(crash);
  EXPECT_THAT(crash.error().message, HasSubstr("crashes.so: it crashes the process"));
  EXPECT_TRUE(loader.find("nothing", folders));
  EXPECT_TRUE(loader.find("talks", folders));  // what it prints is no verdict
  const auto found = loader.scan(folders);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_FALSE(found[0].info);
  EXPECT_TRUE(found[1].info);
  EXPECT_THAT(found[2].info.error().message, HasSubstr("ABI 9.4"));
  EXPECT_TRUE(found[3].info);
}

TEST(Preflight, GivesUpOnAFileThatHangsAndGoesOnBehindIt) {
  const auto file = [](const char* name) { return std::string(VIADUCT_FAULTY) + "/" + name; };
  const auto verdicts =
      preflight_files(VIADUCT_PREFLIGHT_CHILD,
                      {file("nothing.so"), file("hangs.so"), file("crashes.so"), file("talks.so")},
                      std::chrono::milliseconds(3000));
  ASSERT_EQ(verdicts.size(), 4u);
  EXPECT_TRUE(verdicts[0]);
  EXPECT_THAT(verdicts[1].error().message, HasSubstr("does not finish loading within 3 s"));
  EXPECT_THAT(verdicts[2].error().message, HasSubstr("crashes"));
  EXPECT_TRUE(verdicts[3]);
}

TEST(Loader, LoadsNothingWithoutItsChild) {
  Loader loader("/no/such/program");
  const auto info = loader.find("backend", kProbes);
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, Errc::unavailable);
}

TEST(Loader, SaysWhenTheFileOfALoadedPluginWasReplaced) {
  TemporaryFolder folder;
  put(folder, {"nothing"});
  Loader loader(VIADUCT_PREFLIGHT_CHILD);
  const std::vector<std::string> folders{folder.path().string()};
  ASSERT_TRUE(loader.find("nothing", folders));
  EXPECT_FALSE(loader.replaced("nothing"));
  fs::copy_file(fs::path(VIADUCT_FAULTY) / "talks.so", folder.path() / "new");
  fs::rename(folder.path() / "new", folder.path() / "nothing.so");
  EXPECT_TRUE(loader.replaced("nothing"));
  EXPECT_TRUE(loader.find("nothing", folders));  // the old one is what runs
}

TEST(Loader, TriesAFileAgainThatWasMended) {
  TemporaryFolder folder;
  put(folder, {"no_stop"});
  Loader loader(VIADUCT_PREFLIGHT_CHILD);
  const std::vector<std::string> folders{folder.path().string()};
  ASSERT_FALSE(loader.find("no_stop", folders));
  fs::copy_file(fs::path(VIADUCT_FAULTY) / "nothing.so", folder.path() / "new");
  fs::rename(folder.path() / "new", folder.path() / "no_stop.so");
  EXPECT_TRUE(loader.find("no_stop", folders));
}

}  // namespace
}  // namespace viaduct::plugins
