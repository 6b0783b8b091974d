// Presets: what the files and templates may say, and how wrong ones are explained.
#include "plugins/bridge/preset.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace viaduct::bridge {
namespace {

using Texts = std::vector<std::string>;

class PresetFile : public ::testing::Test {
 protected:
  PresetFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "preset-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~PresetFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& text) const {
    const std::string path = folder_ + "/mine.yaml";
    std::ofstream(path) << text;
    return path;
  }
  std::string folder_;
};

TEST_F(PresetFile, IsReadWithTypesAsYamlHasThem) {
  const auto json =
      read_preset_file(write("program: p\nnew: [-p, 1, \"2\", true, 'false', ~]\nlines:\n"
                             "  - { when: { /a: null }, text: \"\\u00e4\\\"\" }\n"));
  ASSERT_TRUE(json) << json.error();
  EXPECT_EQ(*json, R"({"program":"p","new":["-p",1,"2",true,"false",null],)"
                   R"("lines":[{"when":{"/a":null},"text":"ä\""}]})");
}

TEST_F(PresetFile, SaysWhereItIsWrong) {
  EXPECT_EQ(read_preset_file(write("program: a\nprogram: b\n")).error(),
            folder_ + "/mine.yaml:2:1: the key \"program\" is there twice");
  EXPECT_NE(read_preset_file(write("program: [a\n")).error().find("/mine.yaml:2"),
            std::string::npos);
  EXPECT_NE(read_preset_file(write("")).error().find("must have keys"), std::string::npos);
  EXPECT_EQ(read_preset_file(folder_ + "/none.yaml").error(),
            folder_ + "/none.yaml: cannot be read: No such file or directory");
  EXPECT_NE(read_preset_file(write(std::string(300 << 10, '#'))).error().find("larger"),
            std::string::npos);
}

TEST_F(PresetFile, OfAliasesUponAliasesIsRefused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string of = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + of;
    for (int k = 1; k < 10; ++k) text += ", " + of;
    text += "]\n";
  }
  EXPECT_NE(read_preset_file(write(text)).error().find("too large"), std::string::npos);
}

constexpr const char* kLeast = R"({"program":"p","new":["-p"],"lines":[{"text":"/t"}]})";

std::string error_of(const std::string& over) {
  const auto preset = parse_preset("mine", kLeast, over);
  return preset ? "none" : preset.error();
}

TEST(Preset, NeedsProgramArgumentsAndRules) {
  EXPECT_TRUE(parse_preset("mine", kLeast, ""));
  EXPECT_TRUE(parse_preset("mine", "", kLeast));
  EXPECT_NE(error_of(R"({"program":null})").find("program: must be given"), std::string::npos);
  EXPECT_NE(error_of(R"({"new":null})").find("new: must be given"), std::string::npos);
  EXPECT_NE(error_of(R"({"lines":null})").find("lines: must be given"), std::string::npos);
}

struct BadPreset {
  const char* name;
  const char* over;
  const char* error;
};
void PrintTo(const BadPreset& c, std::ostream* os) {
  *os << c.name;
}
class PresetRefuses : public ::testing::TestWithParam<BadPreset> {};
TEST_P(PresetRefuses, AndNamesTheKey) {
  EXPECT_NE(error_of(GetParam().over).find(GetParam().error), std::string::npos)
      << error_of(GetParam().over);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, PresetRefuses,
    ::testing::Values(
        BadPreset{"UnknownKey", R"({"programm":"x"})", "programm: unknown key"},
        BadPreset{"UnknownAction", R"({"lines":[{"txt":"/t"}]})", "lines[0].txt: unknown key"},
        BadPreset{"DeepKey", R"({"lines":[{"each":"/a","lines":[{"tool":{"title":"x"}}]}]})",
                  "lines[0].lines[0].tool.id: must be given"},
        BadPreset{"EachWithoutRules", R"({"lines":[{"each":"/a"}]})", "lines[0].lines: must be"},
        BadPreset{"WhenPointer", R"({"lines":[{"when":{"type":"a"}}]})", "is no JSON Pointer"},
        BadPreset{"Tilde", R"({"lines":[{"text":"/a~2"}]})", "lines[0].text: in a JSON Pointer"},
        BadPreset{"Brace", R"({"lines":[{"text":"x {/a"}]})", "a { without its }"},
        BadPreset{"MapWithoutAt", R"({"lines":[{"stop":{"map":{"a":"b"}}}]})", "stop.at: must be"},
        BadPreset{"ResumeWithoutSession", R"({"resume":["-p"]})", "resume: must have {session}"},
        BadPreset{"NewWithSession", R"({"new":["{session}"]})", "new: must not have {session}"},
        BadPreset{"PromptAsArgument", R"({"new":["{prompt}"]})", "never as an argument"},
        BadPreset{"EmptyLost", R"({"lost":[""]})", "lost: an empty text"},
        BadPreset{"DashProgram", R"({"program":"-x"})", "program: must be given"},
        BadPreset{"SessionFile", R"({"session_file":"x/{session}"})", "session_file: must begin"},
        BadPreset{"Environment", R"({"environment":{"A=B":"x"}})", "environment.A=B: must be"},
        BadPreset{"Done", R"({"lines":[{"done":"yes"}]})", "lines[0].done: must be true or false"},
        BadPreset{"NulInArgument", R"({"new":["a\u0000b"]})", "new: must be a list of texts"}));

TEST(Preset, TemplateReplacesSingleKeys) {
  const auto preset = parse_preset(
      "mine", R"({"program":"p","new":["-p"],"environment":{"A":"1","B":"2"},"lost":["gone"],
                  "lines":[{"text":"/t"}]})",
      R"({"program":"/opt/p","environment":{"B":"3"},"lost":["away","dead"]})");
  ASSERT_TRUE(preset) << preset.error();
  EXPECT_EQ(preset->name, "mine");
  EXPECT_EQ(preset->program, "/opt/p");
  EXPECT_EQ(preset->fresh, Texts{"-p"});
  EXPECT_EQ(preset->lost, (Texts{"away", "dead"}));
  ASSERT_EQ(preset->environment.size(), 2u);
  EXPECT_EQ(preset->environment[1].second, "3");
}

TEST(Preset, ArgumentsOfAFirstAndOfALaterTurn) {
  const auto preset =
      parse_preset("mine",
                   R"({"program":"p","new":["-p","{model}","{extra}","--dir={working_dir}"],
          "resume":["-p","--resume","{session}","{model}","{extra}"],
          "model":["--model","{model}"],"lines":[{"text":"/t"}]})",
                   "");
  ASSERT_TRUE(preset) << preset.error();
  EXPECT_EQ(arguments(*preset, {"", "", "/w", {}}), (Texts{"-p", "--dir=/w"}));
  EXPECT_EQ(arguments(*preset, {"", "m", "/w", {"-x", "{session}"}}),
            (Texts{"-p", "--model", "m", "-x", "{session}", "--dir=/w"}));
  EXPECT_EQ(arguments(*preset, {"id {working_dir}", "m", "/w", {}}),
            (Texts{"-p", "--resume", "id {working_dir}", "--model", "m"}));
}

TEST(Preset, KnowsWhetherItsProgramTellsTheEnd) {
  EXPECT_FALSE(parse_preset("mine", kLeast, "")->tells_end());
  EXPECT_TRUE(parse_preset("mine", kLeast, R"({"lines":[{"each":"","lines":[{"done":true}]}]})")
                  ->tells_end());
}

}  // namespace
}  // namespace viaduct::bridge
