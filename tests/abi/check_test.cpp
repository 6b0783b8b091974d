// `viaduct plugin check` passes good plugins and finds each of the faulty ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>
#include <viaduct/testing/check.hpp>
#include <viaduct/testing/json.hpp>

namespace viaduct::testing {
namespace {

CheckOptions good(const std::string& name) {
  CheckOptions options;
  options.file = std::string(VIADUCT_GOOD_DIR "/") + name + ".so";
  return options;
}

std::string described(const CheckResult& result) {
  return std::string(outcome_name(result.outcome)) + ": " + result.text;
}

CheckResult one(const std::vector<CheckResult>& results, const std::string& id) {
  for (const auto& result : results) {
    if (result.id == id) return result;
  }
  return {};
}

class GoodPlugin : public ::testing::TestWithParam<std::string> {};

// Every check but the two kinds that do not apply; nothing may even warn.
TEST_P(GoodPlugin, PassesEverything) {
  CheckOptions options;
  options.file = GetParam();
  std::size_t passed = 0;
  for (const auto& result : check_plugin(options)) {
    if (result.outcome == Outcome::kSkipped) continue;
    EXPECT_EQ(result.outcome, Outcome::kPassed) << result.id << ": " << described(result);
    ++passed;
  }
  EXPECT_GE(passed, 30U);
}

INSTANTIATE_TEST_SUITE_P(InPlainC, GoodPlugin,
                         ::testing::Values(VIADUCT_GOOD_DIR "/backend.so",
                                           VIADUCT_GOOD_DIR "/surface.so",
                                           VIADUCT_GOOD_DIR "/sender.so",
                                           VIADUCT_GOOD_DIR "/keeps_nothing.so"),
                         [](const auto& at) { return "Number" + std::to_string(at.index); });
INSTANTIATE_TEST_SUITE_P(BuiltWithAFrozenHeader, GoodPlugin,
                         ::testing::Values(VIADUCT_GOOD_DIR "/backend_1_0.so",
                                           VIADUCT_GOOD_DIR "/surface_1_0.so"),
                         [](const auto& at) { return "Number" + std::to_string(at.index); });
INSTANTIATE_TEST_SUITE_P(BuiltWithALaterHeader, GoodPlugin,
                         ::testing::Values(VIADUCT_GOOD_DIR "/backend_later.so",
                                           VIADUCT_GOOD_DIR "/surface_later.so"),
                         [](const auto& at) { return "Number" + std::to_string(at.index); });
INSTANTIATE_TEST_SUITE_P(WithALoopOfItsOwn, GoodPlugin,
                         ::testing::Values(VIADUCT_GOOD_DIR "/loop.so"),
                         [](const auto& at) { return "Number" + std::to_string(at.index); });
INSTANTIATE_TEST_SUITE_P(AnsweringFromAForeignThread, GoodPlugin,
                         ::testing::Values(VIADUCT_FAULTY_DIR "/foreign_thread.so"),
                         [](const auto& at) { return "Number" + std::to_string(at.index); });

class ShippedPlugin : public ::testing::TestWithParam<std::string> {};

TEST_P(ShippedPlugin, FailsNothing) {
  CheckOptions options;
  options.file = GetParam();
  for (const auto& result : check_plugin(options)) {
    EXPECT_TRUE(result.outcome != Outcome::kFailed && result.outcome != Outcome::kCrashed)
        << result.id << ": " << described(result);
  }
}

std::vector<std::string> shipped() {
  std::vector<std::string> files;
  std::istringstream list(VIADUCT_SHIPPED);
  for (std::string file; std::getline(list, file, ':');) {
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ShippedPlugin);
INSTANTIATE_TEST_SUITE_P(InTree, ShippedPlugin, ::testing::ValuesIn(shipped()), [](const auto& at) {
  return std::filesystem::path(at.param).stem().string();
});

struct Fault {
  const char* plugin;
  const char* check;
  Outcome outcome;
};
void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.plugin;
}

// The same as the table of faulty/README.md.
constexpr Fault kFaults[] = {
    {"not_elf", "exports-only-entry", Outcome::kFailed},
    {"wrong_major", "descriptor-sane", Outcome::kFailed},
    {"short_descriptor", "descriptor-sane", Outcome::kFailed},
    {"short_api", "descriptor-sane", Outcome::kFailed},
    {"null_api", "descriptor-sane", Outcome::kFailed},
    {"null_create", "descriptor-sane", Outcome::kFailed},
    {"null_start", "descriptor-sane", Outcome::kFailed},
    {"null_id", "descriptor-sane", Outcome::kFailed},
    {"unknown_kind", "descriptor-sane", Outcome::kFailed},
    {"bad_schema", "schema-and-example", Outcome::kFailed},
    {"bad_example", "schema-and-example", Outcome::kFailed},
    {"no_symbol", "exports-only-entry", Outcome::kFailed},
    {"undefined_symbol", "loads-now-and-local", Outcome::kFailed},
    {"crash_on_load", "loads-now-and-local", Outcome::kCrashed},
    {"exit_on_load", "loads-now-and-local", Outcome::kCrashed},
    {"hang_on_load", "loads-now-and-local", Outcome::kFailed},
    {"noisy_on_load", "quiet-on-load", Outcome::kFailed},
    {"extra_export", "exports-only-entry", Outcome::kFailed},
    {"unique_symbol", "no-unique-symbols", Outcome::kFailed},
    {"create_null", "create-destroy-100-times", Outcome::kFailed},
    {"create_fails", "create-destroy-100-times", Outcome::kFailed},
    {"create_crashes", "create-destroy-100-times", Outcome::kCrashed},
    {"create_crashes_on_bad_config", "create-rejects-bad-config", Outcome::kCrashed},
    {"create_hangs", "create-destroy-100-times", Outcome::kFailed},
    {"create_calls_host", "create-calls-no-host", Outcome::kFailed},
    {"throws_in_create", "create-destroy-100-times", Outcome::kFailed},
    {"start_never", "start-answers-once", Outcome::kFailed},
    {"start_fails", "start-answers-once", Outcome::kFailed},
    {"start_crashes", "start-answers-once", Outcome::kCrashed},
    {"start_twice", "start-answers-once", Outcome::kFailed},
    {"unknown_call", "start-answers-once", Outcome::kFailed},
    {"null_status", "start-answers-once", Outcome::kFailed},
    {"unknown_code", "start-answers-once", Outcome::kFailed},
    {"no_backend", "interface-is-there", Outcome::kFailed},
    {"offers_everything", "unknown-interface-is-null", Outcome::kFailed},
    {"stop_never", "stop-answers-once", Outcome::kFailed},
    {"stop_needs_start", "stop-without-start", Outcome::kFailed},
    {"stop_twice_crashes", "double-stop", Outcome::kCrashed},
    {"stop_leaves_calls", "stop-finishes-open-turns", Outcome::kFailed},
    {"answers_after_stop", "stop-finishes-open-turns", Outcome::kFailed},
    {"talks_after_stop", "silent-after-stop", Outcome::kFailed},
    {"talks_in_destroy", "silent-after-stop", Outcome::kFailed},
    {"destroy_crashes", "create-destroy-100-times", Outcome::kCrashed},
    {"loop_ignores_wake", "loop-keeps-the-rules", Outcome::kFailed},
    {"loop_never_quits", "loop-keeps-the-rules", Outcome::kFailed},
    {"loop_returns", "loop-keeps-the-rules", Outcome::kFailed},
    {"one_for_all", "two-instances-independent", Outcome::kFailed},
    {"leaks_thread", "threads-and-fds-return", Outcome::kFailed},
    {"leaks_descriptor", "threads-and-fds-return", Outcome::kFailed},
    {"changes_process", "process-untouched", Outcome::kFailed},
    {"prompt_never", "prompt-answers-once", Outcome::kFailed},
    {"prompt_twice", "prompt-answers-once", Outcome::kFailed},
    {"read_malformed", "discover-and-read", Outcome::kFailed},
    {"purge_twice", "purge-answers", Outcome::kFailed},
    {"prompt_not_json", "prompt-answers-once", Outcome::kFailed},
    {"prompt_crashes", "prompt-answers-once", Outcome::kCrashed},
    {"prompt_blocks", "prompt-answers-once", Outcome::kFailed},
    {"throws_in_prompt", "prompt-answers-once", Outcome::kFailed},
    {"event_after_turn", "event-order", Outcome::kFailed},
    {"unknown_session", "event-order", Outcome::kFailed},
    {"wrong_session", "concurrent-sessions", Outcome::kFailed},
    {"huge_event", "prompt-answers-once", Outcome::kFailed},
    {"invalid_utf8", "prompt-answers-once", Outcome::kFailed},
    {"bad_event", "prompt-answers-once", Outcome::kFailed},
    {"bad_content", "prompt-answers-once", Outcome::kFailed},
    {"drops_on_busy", "back-pressure", Outcome::kFailed},
    {"ignores_writable", "back-pressure", Outcome::kFailed},
    {"ignores_gone", "gone-is-heeded", Outcome::kFailed},
    {"ignores_restored", "restored-with-a-prompt", Outcome::kWarning},
    {"keeps_restored", "restored-with-a-prompt", Outcome::kCrashed},
    {"cancel_never", "cancel-races", Outcome::kFailed},
    {"ignores_cancel", "cancel-races", Outcome::kFailed},
    {"close_leaves_turn", "close-answers-turn", Outcome::kFailed},
    {"route_twice", "routes-registered", Outcome::kFailed},
    {"no_handler", "requests-are-answered", Outcome::kFailed},
    {"request_never", "requests-are-answered", Outcome::kFailed},
    {"responds_twice", "requests-are-answered", Outcome::kFailed},
    {"crash_on_bad_body", "requests-are-answered", Outcome::kCrashed},
    {"bad_header", "requests-are-answered", Outcome::kFailed},
    {"sends_after_closed", "sockets-gone", Outcome::kFailed},
    {"crash_on_failure", "service-failures", Outcome::kCrashed},
    {"send_twice", "parcels-are-answered", Outcome::kFailed},
    {"send_never", "parcels-are-answered", Outcome::kFailed},
    {"null_send", "parcels-are-answered", Outcome::kFailed},
    {"sends_after_stop", "stop-while-sending", Outcome::kFailed},
    {"forgets_on_failure", "service-failures", Outcome::kFailed},
};

class FaultyPlugin : public ::testing::TestWithParam<Fault> {};

TEST_P(FaultyPlugin, IsFound) {
  CheckOptions options;
  options.file = std::string(VIADUCT_FAULTY_DIR "/") + GetParam().plugin + ".so";
  options.tests = {GetParam().check};
  // Long enough for what must happen, short where the fault is that nothing does.
  options.patience =
      std::chrono::milliseconds(GetParam().outcome == Outcome::kCrashed ? 5000 : 700);
  const auto results = check_plugin(options);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].outcome, GetParam().outcome) << described(results[0]);
  EXPECT_NE(results[0].text, "");
}

INSTANTIATE_TEST_SUITE_P(WithOneFault, FaultyPlugin, ::testing::ValuesIn(kFaults),
                         [](const auto& at) { return std::string(at.param.plugin); });

TEST(FaultyPlugins, AreAllInTheTableAndInTheReadme) {
  std::set<std::string> known{"foreign_thread"};
  for (const auto& fault : kFaults) known.insert(fault.plugin);
  std::ifstream file(VIADUCT_FAULTY_SOURCES "/README.md");
  const std::string readme((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(VIADUCT_FAULTY_SOURCES)) {
    const auto extension = entry.path().extension();
    if (extension != ".c" && extension != ".cpp") continue;
    ++count;
    const std::string name = entry.path().stem().string();
    EXPECT_EQ(known.count(name), 1U) << name;
    EXPECT_NE(readme.find("| `" + name + "` |"), std::string::npos) << name;
  }
  EXPECT_EQ(count + 1, known.size());  // not_elf has no source
  for (const auto& fault : kFaults) {
    EXPECT_NE(readme.find("`" + std::string(fault.check) + "` |"), std::string::npos)
        << fault.check;
  }
}

TEST(PluginCheck, SaysWhatFollowsAFailedGateIsSkipped) {
  CheckOptions options;
  options.file = VIADUCT_FAULTY_DIR "/wrong_major.so";
  const auto results = check_plugin(options);
  EXPECT_EQ(results.size(), list_checks().size());
  EXPECT_EQ(one(results, "prompt-answers-once").outcome, Outcome::kSkipped);
  EXPECT_EQ(one(results, "prompt-answers-once").text, "descriptor-sane did not hold");
  const auto sane = one(results, "descriptor-sane");
  EXPECT_NE(sane.text.find("7.0"), std::string::npos) << sane.text;
  EXPECT_NE(sane.text.find("1.0"), std::string::npos) << sane.text;
  EXPECT_NE(sane.text.find("wrong_major.so"), std::string::npos) << sane.text;
}

TEST(PluginCheck, PrintsATableWithACountAndExitsByIt) {
  CheckOptions options = good("backend");
  options.tests = {"descriptor-sane", "prompt-answers-once"};
  std::ostringstream out;
  EXPECT_EQ(check_main(options, out), 0);
  EXPECT_NE(out.str().find("passed   prompt-answers-once"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("2 passed, 0 failed, 0 crashed, 0 warnings, 0 skipped"),
            std::string::npos)
      << out.str();
  options.file = VIADUCT_FAULTY_DIR "/prompt_crashes.so";
  options.only_failed = true;
  std::ostringstream failed;
  EXPECT_EQ(check_main(options, failed), 1);
  EXPECT_EQ(failed.str().find("descriptor-sane"), std::string::npos) << failed.str();
  EXPECT_NE(failed.str().find("crashed  prompt-answers-once  SIGABRT"), std::string::npos)
      << failed.str();
}

TEST(PluginCheck, PrintsJson) {
  CheckOptions options = good("surface");
  options.tests = {"requests-are-answered", "odd-text"};
  options.json = true;
  std::ostringstream out;
  EXPECT_EQ(check_main(options, out), 0);
  const auto json = Json::parse(out.str());
  ASSERT_TRUE(json);
  EXPECT_TRUE((*json)["ok"].as_bool());
  EXPECT_EQ((*json)["passed"].as_int(), 1);
  EXPECT_EQ((*json)["skipped"].as_int(), 1);
  EXPECT_EQ((*json)["checks"].size(), 2U);
  EXPECT_EQ((*json)["checks"][0]["outcome"].as_string(), "skipped");
}

TEST(PluginCheck, RefusesUnknownIdsAndMissingFiles) {
  CheckOptions options = good("backend");
  options.tests = {"no-such-check"};
  std::ostringstream out;
  EXPECT_EQ(check_main(options, out), 2);
  EXPECT_NE(out.str().find("no-such-check"), std::string::npos);
  options = good("no-such-file");
  EXPECT_EQ(check_main(options, out), 2);
}

TEST(PluginCheck, ExercisesWithTheGivenConfiguration) {
  CheckOptions options = good("backend");
  options.tests = {"start-answers-once"};
  options.config = "[]";
  EXPECT_EQ(check_plugin(options)[0].outcome, Outcome::kFailed);
  options.config = R"({"any":"thing"})";
  EXPECT_EQ(check_plugin(options)[0].outcome, Outcome::kPassed);
}

TEST(PluginCheck, RunsInProcessForADebugger) {
  CheckOptions options = good("backend");
  options.in_process = true;
  options.tests = {"prompt-answers-once", "double-stop", "start-answers-once"};
  for (const auto& result : check_plugin(options)) {
    EXPECT_EQ(result.outcome, Outcome::kPassed) << result.id << ": " << described(result);
  }
}

TEST(PluginCheck, HasAnIdAndADescriptionForEachCheck) {
  std::set<std::string> ids;
  for (const auto& check : list_checks()) {
    EXPECT_TRUE(ids.insert(check.id).second) << check.id;
    EXPECT_FALSE(check.description.empty());
    EXPECT_TRUE(std::all_of(check.id.begin(), check.id.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    })) << check.id;
  }
  EXPECT_GE(ids.size(), 40U);
}

}  // namespace
}  // namespace viaduct::testing
