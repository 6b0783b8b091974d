#include "host/cli/init.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <istream>
#include <iterator>
#include <ostream>

namespace viaduct::cli {
namespace {

using Keys = std::array<std::string_view, 4>;  // that can stand in for a login of its own
struct Agent {
  const char* name;      // of the presets
  std::string_view acp;  // the program that speaks the Agent Client Protocol; empty: none
  Keys acp_keys;
  const char* install;   // of that, where it is another one than the agent's own program
  std::string_view cli;  // the program that the plugin bridge has a preset for; empty: none
  Keys cli_keys;
};
constexpr Keys kManyKeys{"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY",
                         "GEMINI_API_KEY"};
// fast-agent is missing: its program is uvx, which says nothing.
constexpr std::array kAgents{
    Agent{"claude",
          "claude-agent-acp",
          {"ANTHROPIC_API_KEY"},
          "npm install -g @agentclientprotocol/claude-agent-acp",
          "claude",
          {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"}},
    Agent{"codex",
          "codex-acp",
          {"CODEX_API_KEY", "OPENAI_API_KEY"},
          "npm install -g @agentclientprotocol/codex-acp",
          "codex",
          {"CODEX_API_KEY"}},
    Agent{"gemini", "gemini", {"GEMINI_API_KEY"}, "", "gemini", {"GEMINI_API_KEY"}},
    Agent{"opencode", "opencode", kManyKeys, "", "opencode", kManyKeys},
    Agent{"amplifier",
          "",
          {},
          "",
          "amplifier",
          {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "GEMINI_API_KEY"}},
    Agent{"copilot", "copilot", {"GH_TOKEN"}, "", "", {}},
    Agent{"cursor", "cursor-agent", {"CURSOR_API_KEY"}, "", "", {}},
    Agent{"droid", "droid", {"FACTORY_API_KEY"}, "", "", {}},
    Agent{"goose", "goose", {}, "", "", {}},
    Agent{"kimi", "kimi", {}, "", "", {}},
    Agent{"kiro", "kiro-cli", {}, "", "", {}},
    Agent{"qwen", "qwen", {}, "", "", {}},
    Agent{"vibe", "vibe-acp", {"MISTRAL_API_KEY"}, "", "", {}},
    Agent{"auggie", "auggie", {}, "", "", {}},
    Agent{"cline", "cline", {}, "", "", {}},
    Agent{"kilo", "kilo", {}, "", "", {}},
    Agent{"qoder", "qodercli", {"QODER_PERSONAL_ACCESS_TOKEN"}, "", "", {}},
    Agent{"openclaw", "openclaw", {}, "", "", {}}};

struct Vendor {
  const char* name;
  const char* what;
  const char* key;
  const char* api;
  const char* base_url;  // empty: the driver's default
  const char* model;
};
constexpr std::array kVendors{
    Vendor{"anthropic", "Anthropic's models", "ANTHROPIC_API_KEY", "anthropic", "",
           "claude-sonnet-4-5"},
    Vendor{"openai", "OpenAI's models", "OPENAI_API_KEY", "openai", "", "gpt-5-mini"},
    Vendor{"google", "Google's models", "GEMINI_API_KEY", "openai",
           "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash"},
    Vendor{"openrouter", "models of many vendors, by OpenRouter", "OPENROUTER_API_KEY", "openai",
           "https://openrouter.ai/api/v1", "openrouter/auto"}};

struct Server {
  std::uint16_t port;
  const char* name;
  const char* shown;
  const char* get_a_model;
};
constexpr std::array kServers{Server{11434, "ollama", "Ollama", "ollama pull qwen3"},
                              Server{1234, "lm-studio", "LM Studio", "load one in LM Studio"},
                              Server{8080, "llama-cpp", "llama.cpp", "start it with a model"},
                              Server{8000, "vllm", "vLLM", "start it with a model"}};

// What Ollama keeps of a conversation unless it is told otherwise; the rest it drops in silence.
constexpr std::size_t kOllamaContext = 4096;
constexpr std::size_t kShownModels = 20;

const Server* usual(std::uint16_t port) {
  const auto found = std::ranges::find(kServers, port, &Server::port);
  return found == kServers.end() ? nullptr : &*found;
}

std::string described(const LocalServer& server) {
  const Server* known = usual(server.port);
  return fmt::format("{} on 127.0.0.1:{}", known ? known->shown : "a model server", server.port);
}

// One line without the space around it; nullopt: there is no more.
std::optional<std::string> answer(std::istream& in, std::ostream& out) {
  out << std::flush;
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  constexpr const char* kSpace = " \t\r";
  const auto first = line.find_first_not_of(kSpace);
  if (first == std::string::npos) return "";
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

// The one that is meant by its number (from 1) or its name.
std::optional<std::size_t> pick(std::string_view word, const std::vector<std::string>& names) {
  if (const auto at = std::ranges::find(names, word); at != names.end())
    return static_cast<std::size_t>(at - names.begin());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc{} || end != word.data() + word.size() || number < 1 ||
      number > names.size())
    return std::nullopt;
  return number - 1;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c != ' ' && c != ',' && c != '\t')
      words.back() += c;
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// Several of `names`, in their order. nullopt: a word is none of them, which was said.
std::optional<std::set<std::size_t>> pick_several(const std::string& line,
                                                  const std::vector<std::string>& names,
                                                  std::ostream& out) {
  std::set<std::size_t> picked;
  for (const std::string& word : words_of(line)) {
    if (word == "none") continue;
    if (word == "all") {
      for (std::size_t i = 0; i < names.size(); ++i) picked.insert(i);
    } else if (const auto one = pick(word, names)) {
      picked.insert(*one);
    } else {
      out << "There is no " << word << ".\n";
      return std::nullopt;
    }
  }
  return picked;
}

bool ask_for_model(Offer& offer, std::istream& in, std::ostream& out) {
  if (offer.models.size() > 1) {
    out << "\nModels of " << offer.name << ":\n";
    for (std::size_t i = 0; i < std::min(offer.models.size(), kShownModels); ++i)
      out << fmt::format("  {:>2}  {}\n", i + 1, offer.models[i]);
    if (offer.models.size() > kShownModels)
      out << fmt::format("      … and {} more, to be given by name\n",
                         offer.models.size() - kShownModels);
  }
  for (;;) {
    out << "Which model of " << offer.name << "? [" << offer.model << "] ";
    const auto said = answer(in, out);
    if (!said) return false;
    if (said->empty()) return true;
    if (const auto one = pick(*said, offer.models)) {
      offer.model = offer.models[*one];
      return true;
    }
    // A vendor has more models than are named here; a server on this machine has told all.
    if (offer.kind == Offer::Kind::kVendor) {
      offer.model = *said;
      return true;
    }
    out << "There is no " << *said << ".\n";
  }
}

bool ask_for_key(Offer& offer, std::istream& in, std::ostream& out) {
  for (;;) {
    out << "Shall " << offer.name << " use the key in " << offer.key
        << " instead of its own login? [n] ";
    const auto said = answer(in, out);
    if (!said) return false;
    if (*said == "y" || *said == "yes") offer.use_key = true;
    if (offer.use_key || said->empty() || *said == "n" || *said == "no") return true;
    out << "Say y or n.\n";
  }
}

Offer offer_of(const LocalServer& server, const std::string& name) {
  Offer offer{.name = name,
              .what = fmt::format("{}, {} model{}", described(server), server.models.size(),
                                  server.models.size() == 1 ? "" : "s"),
              .api = "openai",
              .base_url = fmt::format("http://127.0.0.1:{}/v1", server.port)};
  // Models that make vectors cannot talk: they come last.
  const auto is_for_vectors = [](const std::string& model) { return model.contains("embed"); };
  std::ranges::copy_if(server.models, std::back_inserter(offer.models),
                       std::not_fn(is_for_vectors));
  std::ranges::copy_if(server.models, std::back_inserter(offer.models), is_for_vectors);
  offer.model = offer.models.front();
  if (name == "ollama") offer.context_tokens = kOllamaContext;
  return offer;
}

std::vector<Offer> server_offers(const Machine& machine, bool strange) {
  std::vector<Offer> all;
  int unknown = 0;
  for (const LocalServer& server : machine.servers) {
    if (server.models.empty() || server.stranger.empty() == strange) continue;
    const Server* known = usual(server.port);
    std::string name = known ? known->name : "local-model";
    if (!known && ++unknown > 1) name += "-" + std::to_string(unknown);
    all.push_back(offer_of(server, name));
    if (strange)
      all.back().why = fmt::format(
          "It is run by {}, who would read all that is said. Trust it, and take the \"# \" away.",
          server.stranger);
  }
  return all;
}

// The one way to drive the agent that is there; by the protocol, if both are.
std::optional<Offer> offer_of(const Agent& agent, const Machine& machine) {
  const auto has = [&](std::string_view program) {
    return !program.empty() && machine.programs.contains(std::string(program));
  };
  const bool acp = has(agent.acp);
  if (!acp && !has(agent.cli)) return std::nullopt;
  Offer offer{.kind = Offer::Kind::kProgram, .name = agent.name};
  if (acp) {
    offer.plugin = "acp";
    offer.what =
        fmt::format("the agent {}, by the Agent Client Protocol ({})", agent.name, agent.acp);
    if (!agent.cli.empty())
      offer.why =
          "By the protocol, it asks people before it does something, and several may watch; the "
          "plugin bridge\ndrives the same agent without questions: { driver: cli, preset: " +
          offer.name + " }.";
  } else {
    offer.what = fmt::format("the program {}", agent.cli);
    if (!agent.acp.empty())
      offer.why = fmt::format(
          "{} is not installed; with it the agent asks people before it does something:\n{}, "
          "then plugin: acp, config: {{ preset: {} }}.",
          agent.acp, agent.install, agent.name);
  }
  for (const std::string_view key : acp ? agent.acp_keys : agent.cli_keys)
    if (offer.key.empty() && machine.keys.contains(std::string(key))) offer.key = key;
  return offer;
}

std::vector<std::string> names_of(const std::vector<Offer>& offers) {
  std::vector<std::string> names;
  for (const Offer& offer : offers) names.push_back(offer.name);
  return names;
}

}  // namespace

std::vector<std::string> agent_programs() {
  std::set<std::string> names;
  for (const Agent& agent : kAgents)
    for (const std::string_view program : {agent.acp, agent.cli})
      if (!program.empty()) names.emplace(program);
  return {names.begin(), names.end()};
}

std::set<std::string> key_names() {
  std::set<std::string> names;
  for (const Vendor& vendor : kVendors) names.emplace(vendor.key);
  for (const Agent& agent : kAgents)
    for (const Keys& keys : {agent.acp_keys, agent.cli_keys})
      for (const std::string_view key : keys)
        if (!key.empty()) names.emplace(key);
  return names;
}

std::vector<std::uint16_t> usual_ports() {
  std::vector<std::uint16_t> ports;
  for (const Server& server : kServers) ports.push_back(server.port);
  return ports;
}

std::vector<Offer> offers(const Machine& machine) {
  std::vector<Offer> all = server_offers(machine, /*strange=*/false);
  for (const Agent& agent : kAgents)
    if (auto offer = offer_of(agent, machine)) all.push_back(std::move(*offer));
  for (const Vendor& vendor : kVendors)
    if (machine.keys.contains(vendor.key))
      all.push_back({.kind = Offer::Kind::kVendor,
                     .name = vendor.name,
                     .what = fmt::format("{}, with the key in {}", vendor.what, vendor.key),
                     .api = vendor.api,
                     .base_url = vendor.base_url,
                     .models = {vendor.model},
                     .model = vendor.model,
                     .key = vendor.key});
  return all;
}

std::vector<Offer> strangers(const Machine& machine) {
  return server_offers(machine, /*strange=*/true);
}

std::vector<std::string> remarks(const Machine& machine) {
  std::vector<std::string> all;
  for (const LocalServer& server : machine.servers) {
    if (!server.stranger.empty()) {
      all.push_back(fmt::format("{} is run by {}, not by you: it stands in the file as a comment",
                                described(server), server.stranger));
      continue;
    }
    if (!server.models.empty()) continue;
    const Server* known = usual(server.port);
    all.push_back(fmt::format("{} has no model yet: {}, then run this again", described(server),
                              known ? known->get_a_model : "give it one"));
  }
  return all;
}

std::optional<Plan> ask(const std::vector<Offer>& offers, std::istream& in, std::ostream& out) {
  if (offers.empty()) return Plan{};
  const std::vector<std::string> names = names_of(offers);
  std::optional<std::set<std::size_t>> picked;
  while (!picked) {
    out << "Which of them shall answer? Numbers or names, all or none [all] ";
    const auto said = answer(in, out);
    if (!said) return std::nullopt;
    picked = pick_several(said->empty() ? "all" : *said, names, out);
  }
  Plan plan;
  for (const std::size_t one : *picked) plan.push_back(offers[one]);
  for (Offer& offer : plan) {
    if (!offer.models.empty() && (offer.models.size() > 1 || offer.kind == Offer::Kind::kVendor) &&
        !ask_for_model(offer, in, out))
      return std::nullopt;
    if (offer.kind == Offer::Kind::kProgram && !offer.key.empty() && !ask_for_key(offer, in, out))
      return std::nullopt;
  }
  while (plan.size() > 1) {
    out << "Which one answers where nobody chose another? [" << plan.front().name << "] ";
    const auto said = answer(in, out);
    if (!said) return std::nullopt;
    if (said->empty()) break;
    // Numbers are those of the list above.
    const auto among_all = pick(*said, names);
    const auto chosen =
        among_all ? std::ranges::find(plan, names[*among_all], &Offer::name) : plan.end();
    if (chosen != plan.end()) {
      std::rotate(plan.begin(), chosen, chosen + 1);
      break;
    }
    out << *said << " is not one of them.\n";
  }
  return plan;
}

}  // namespace viaduct::cli
