// What `viaduct init` offers, asks and writes, without a machine.
#include "host/cli/init.hpp"

#include "host/cli/local_models.hpp"
#include "host/config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace viaduct::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Names = std::vector<std::string>;

Names names(const std::vector<Offer>& offers) {
  Names all;
  for (const Offer& offer : offers) all.push_back(offer.name);
  return all;
}

const Machine kEverything{{{11434, {"nomic-embed-text", "qwen3:8b", "llama3"}}, {9000, {"only"}}},
                          {"claude", "codex"},
                          {"ANTHROPIC_API_KEY"}};

struct Asked {
  std::optional<Plan> plan;
  std::string out;
};
Asked asked(const std::vector<Offer>& offers, const std::string& answers) {
  std::istringstream in(answers);
  std::ostringstream out;
  auto plan = ask(offers, in, out);
  return {std::move(plan), out.str()};
}

// The configuration as the host reads it; what is not as it should be fails the test.
config::Config read(const std::string& yaml) {
  std::string folder = (std::filesystem::temp_directory_path() / "viaduct-init-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder");
  config::LoadOptions options;
  options.file = folder + "/viaduct.yaml";
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    return name == "HOME" ? std::optional("/home/alice")
           : name.ends_with("_KEY") || name.starts_with("SLACK_") || name.starts_with("TEAMS_")
               ? std::optional("secret-" + name)
               : std::nullopt;
  };
  std::ofstream(options.file) << yaml;
  auto loaded = config::load(options);
  std::filesystem::remove_all(folder);
  for (const auto& diagnostic : loaded.diagnostics) ADD_FAILURE() << diagnostic.text() << yaml;
  return std::move(loaded.config);
}

TEST(InitOffers, ServersThenProgramsThenKeys) {
  const auto all = offers(kEverything);
  EXPECT_THAT(names(all), ElementsAre("ollama", "local-model", "claude", "codex", "anthropic"));
  EXPECT_EQ(all[0].base_url, "http://127.0.0.1:11434/v1");
  EXPECT_EQ(all[1].base_url, "http://127.0.0.1:9000/v1");
  EXPECT_EQ(all[4].api, "anthropic");
  EXPECT_EQ(all[4].key, "ANTHROPIC_API_KEY");
}

TEST(InitOffers, AModelThatCanTalkComesFirst) {
  const auto all = offers(kEverything);
  EXPECT_EQ(all[0].model, "qwen3:8b");
  EXPECT_THAT(all[0].models, ElementsAre("qwen3:8b", "llama3", "nomic-embed-text"));
}

TEST(InitOffers, TwoUnknownServersHaveTwoNames) {
  EXPECT_THAT(names(offers({{{9000, {"a"}}, {9001, {"b"}}}, {}, {}})),
              ElementsAre("local-model", "local-model-2"));
}

TEST(InitOffers, AServerWithoutAModelIsARemark) {
  const Machine machine{{{11434, {}}}, {}, {}};
  EXPECT_THAT(offers(machine), IsEmpty());
  EXPECT_THAT(remarks(machine), ElementsAre(HasSubstr("ollama pull")));
  EXPECT_THAT(remarks(kEverything), IsEmpty());
}

TEST(InitOffers, AProgramMayHaveAnyOfItsKeys) {
  const auto all = offers({{}, {"claude", "gemini"}, {"CLAUDE_CODE_OAUTH_TOKEN"}});
  EXPECT_THAT(names(all), ElementsAre("claude", "gemini"));
  EXPECT_EQ(all[0].key, "CLAUDE_CODE_OAUTH_TOKEN");
  EXPECT_EQ(all[1].key, "");
}

TEST(InitOffers, AnAgentThatSpeaksTheProtocolIsDrivenByIt) {
  const auto one = [](std::set<std::string> programs) { return offers({{}, programs, {}}).at(0); };
  for (const auto& programs : std::vector<std::set<std::string>>{
           {"claude-agent-acp"}, {"claude", "claude-agent-acp"}, {"gemini"}, {"cursor-agent"}})
    EXPECT_EQ(one(programs).plugin, "acp") << *programs.begin();
  EXPECT_THAT(one({"claude", "claude-agent-acp"}).why, HasSubstr("driver: cli, preset: claude"));
  EXPECT_THAT(one({"cursor-agent"}).why, IsEmpty());
  const Offer program = one({"claude"});
  EXPECT_EQ(program.plugin, "bridge");
  EXPECT_THAT(program.why, HasSubstr("npm install -g @agentclientprotocol/claude-agent-acp"));
  EXPECT_EQ(offers({{}, {"claude", "claude-agent-acp"}, {}}).size(), 1u) << "one way is enough";
}

TEST(InitOffers, TheKeyIsOneThatTheChosenWayTakes) {
  const std::set<std::string> keys{"OPENAI_API_KEY"};
  EXPECT_EQ(offers({{}, {"codex-acp"}, keys}).at(0).key, "OPENAI_API_KEY");
  EXPECT_EQ(offers({{}, {"codex"}, keys}).at(0).key, "");
}

TEST(InitOffers, AServerOfSomebodyElseIsOnlyMentioned) {
  const Machine machine{{{11434, {"qwen3"}, "the user bob"}}, {}, {}};
  EXPECT_THAT(offers(machine), IsEmpty());
  EXPECT_THAT(remarks(machine), ElementsAre(HasSubstr("is run by the user bob, not by you")));
  const std::string yaml = configuration({}, strangers(machine));
  EXPECT_EQ(read(yaml).backends.size(), 1u);
  EXPECT_THAT(yaml, HasSubstr("\n  # It is run by the user bob, who would read all that is said."));
  EXPECT_THAT(yaml, HasSubstr("\n  # ollama:\n  #   plugin: bridge\n  #   config:\n  #     driver: "
                              "llm\n"));
}

TEST(InitOffers, EveryNameIsGoodForAnInstance) {
  Machine machine;
  for (const auto port : usual_ports()) machine.servers.push_back({port, {"m"}});
  for (const auto& program : agent_programs()) machine.programs.insert(program);
  machine.keys = key_names();
  const auto all = offers(machine);
  EXPECT_EQ(all.size(), usual_ports().size() + 18 + 4) << "and the agents, and four vendors";
  const auto config = read(configuration(all));
  EXPECT_EQ(config.backends.size(), all.size() + 1) << "with the mock";
}

TEST(InitAsks, EmptyLinesTakeWhatIsInBrackets) {
  const auto all = offers(kEverything);
  const auto [plan, out] = asked(all, "\n\n\n\n\n\n");
  ASSERT_TRUE(plan);
  EXPECT_EQ(names(*plan), names(all));
  EXPECT_EQ((*plan)[0].model, "qwen3:8b");
  EXPECT_FALSE((*plan)[2].use_key);
  EXPECT_THAT(out, HasSubstr("Which of them shall answer? Numbers or names, all or none [all] "));
}

TEST(InitAsks, TakesNumbersAndNamesAndTheOneThatAnswers) {
  // 1 and 3; the second model; no key; the other one first.
  const auto [plan, out] = asked(offers(kEverything), "1, claude\n2\nn\nclaude\n");
  ASSERT_TRUE(plan);
  EXPECT_THAT(names(*plan), ElementsAre("claude", "ollama"));
  EXPECT_EQ((*plan)[1].model, "llama3");
}

TEST(InitAsks, NumbersAreThoseOfTheList) {
  const auto [plan, out] = asked(offers(kEverything), "4 2\n4\n");
  ASSERT_TRUE(plan) << out;
  EXPECT_THAT(names(*plan), ElementsAre("codex", "local-model"));
}

TEST(InitAsks, AgainWhenItIsNoAnswer) {
  const auto [plan, out] =
      asked(offers(kEverything), "6\nollama claude\nqwen9\n1\nmaybe\ny\nx\n\n");
  ASSERT_TRUE(plan) << out;
  EXPECT_THAT(names(*plan), ElementsAre("ollama", "claude"));
  EXPECT_TRUE((*plan)[1].use_key);
  for (const char* said :
       {"There is no 6.", "There is no qwen9.", "Say y or n.", "x is not one of"})
    EXPECT_THAT(out, HasSubstr(said));
}

TEST(InitAsks, AVendorsModelMayBeAnyOther) {
  const auto [plan, out] = asked(offers(kEverything), "anthropic\nclaude-x\n");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->front().model, "claude-x");
}

TEST(InitAsks, NoneIsOnlyTheMock) {
  const auto [plan, out] = asked(offers(kEverything), "none\n");
  ASSERT_TRUE(plan);
  EXPECT_THAT(*plan, IsEmpty());
  EXPECT_TRUE(asked({}, "").plan) << "with nothing to offer there is nothing to ask";
}

TEST(InitAsks, TheEndOfInputStopsItWhereverItIs) {
  for (const char* answers : {"", "all", "all\n", "all\n1\n", "all\n1\nn\n", "all\n1\nn\nm\n"})
    EXPECT_FALSE(asked(offers(kEverything), answers).plan) << answers;
}

TEST(InitWrites, WhatTheHostReadsAsItWasMeant) {
  auto plan = offers(kEverything);
  plan[0].model = "odd \"name\" \\ ${env:HOME}";
  plan[2].use_key = true;
  const std::string yaml = configuration(plan);
  const auto config = read(yaml);
  ASSERT_EQ(config.backends.size(), 6u);
  EXPECT_EQ(config.backends[0].name, "echo");
  EXPECT_EQ(config.backends[1].config,
            R"({"api":"openai","base_url":"http://127.0.0.1:11434/v1","context_tokens":4096,)"
            R"("driver":"llm","model":"odd \"name\" \\ ${env:HOME}"})");
  EXPECT_EQ(config.backends[3].config,
            R"({"driver":"cli","env":{"ANTHROPIC_API_KEY":"secret-ANTHROPIC_API_KEY"},)"
            R"("preset":"claude"})")
      << yaml;
  EXPECT_EQ(config.backends[4].config, R"({"driver":"cli","preset":"codex"})");
  EXPECT_EQ(config.surfaces[0].backend, "ollama");
  EXPECT_THAT(config.surfaces[0].backends,
              ElementsAre("ollama", "local-model", "claude", "codex", "anthropic", "echo"));
  EXPECT_EQ(config.surfaces[1].plugin, "settings");
}

TEST(InitWrites, AnAgentThatSpeaksTheProtocolWithItsKeyAndHowToDecideForPeople) {
  auto plan = offers({{}, {"claude", "claude-agent-acp"}, {"ANTHROPIC_API_KEY"}});
  const std::string yaml = configuration(plan);
  EXPECT_THAT(yaml, HasSubstr("  # the agent claude, by the Agent Client Protocol "
                              "(claude-agent-acp)\n  # By the protocol, it asks people"));
  EXPECT_THAT(yaml, HasSubstr("      # permissions: { read: allow, write: ask, execute: ask }"));
  const auto config = read(yaml);
  EXPECT_EQ(config.backends[1].plugin, "acp");
  EXPECT_EQ(config.backends[1].config, R"({"preset":"claude"})");
  plan[0].use_key = true;
  EXPECT_EQ(read(configuration(plan)).backends[1].config,
            R"({"env":{"ANTHROPIC_API_KEY":"secret-ANTHROPIC_API_KEY"},"preset":"claude"})");
}

TEST(InitWrites, WithoutAnAgentTheMockAnswersAndTheFileSaysHowToAddOne) {
  const std::string yaml = configuration({});
  const auto config = read(yaml);
  ASSERT_EQ(config.backends.size(), 1u);
  EXPECT_EQ(config.surfaces[0].backend, "echo");
  EXPECT_THAT(config.surfaces[0].backends, ElementsAre("echo"));
  EXPECT_THAT(yaml, HasSubstr("ollama pull qwen3"));
  EXPECT_THAT(yaml, HasSubstr("plugin: acp\n  #   config: { preset: claude }"));
  EXPECT_THAT(yaml, HasSubstr("context_tokens: 4096"));
}

TEST(InitWrites, SlackAndTeamsAsCommentsThatAreRightWithoutTheirMarks) {
  std::string yaml = configuration({});
  EXPECT_EQ(read(yaml).surfaces.size(), 2U);
  EXPECT_THAT(yaml, HasSubstr("/apps/settings/#/setup/slack"));
  const std::string mark = "\n  # ";
  for (auto at = yaml.find("\n  # slack:"); at != yaml.npos; at = yaml.find(mark, at))
    yaml.replace(at, mark.size(), "\n  ");
  const auto config = read(yaml);
  ASSERT_EQ(config.surfaces.size(), 4U) << yaml;
  EXPECT_EQ(config.surfaces[2].plugin, "slack");
  EXPECT_EQ(config.surfaces[3].plugin, "teams");
  EXPECT_EQ(config.surfaces[3].backend, "echo");
  EXPECT_THAT(config.surfaces[3].config, HasSubstr("public_url"));
}

TEST(Listener, IsTheOneThatIsTalkedToAt127001) {
  constexpr const char* kHead =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
      "timeout\n";
  const auto row = [](const char* local, const char* state, int user) {
    return "   0: " + std::string(local) + ":2CAA 00000000:0000 " + state +
           " 00000000:00000000 00:00000000 00000000  " + std::to_string(user) + "  0 123\n";
  };
  const std::string any = kHead + row("00000000", "0A", 33);
  EXPECT_EQ(listener(any, "", 11434), 33U);
  EXPECT_EQ(listener(any + row("0100007F", "0A", 1000), "", 11434), 1000U) << "more exact";
  EXPECT_EQ(listener(any, "", 11435), std::nullopt);
  EXPECT_EQ(listener(kHead + row("0100007F", "01", 7), "", 11434), std::nullopt) << "no listener";
  EXPECT_EQ(listener("", kHead + row("00000000000000000000000000000000", "0A", 5), 11434), 5U);
  EXPECT_EQ(listener("nonsense\n", "", 11434), std::nullopt);
}

TEST(ParseModels, TakesTheNamesThatDoInALine) {
  EXPECT_EQ(parse_models(R"({"data":[{"id":"a"},{"id":"b\u001b[31m"},{"id":""},{"id":"c d"}]})"),
            (Names{"a", "c d"}));
  EXPECT_EQ(parse_models(R"({"object":"list","data":null})"), Names{}) << "as Ollama has it";
  EXPECT_EQ(parse_models(R"({"data":[]})"), Names{});
}

TEST(ParseModels, WhatIsNoneOfAModelServerIsNone) {
  for (const char* body : {"", "<html>", "[]", "{}", R"({"data":{}})", R"({"data":["a"]})",
                           R"({"data":[{"name":"a"}]})", "{\"data\":[{\"id\":\"\xff\"}]}"})
    EXPECT_FALSE(parse_models(body)) << body;
}

}  // namespace
}  // namespace viaduct::cli
