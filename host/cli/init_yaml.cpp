#include "host/cli/init.hpp"

#include <fmt/format.h>

namespace viaduct::cli {
namespace {

// A text as YAML means it literally; names of models come from elsewhere.
std::string yaml_text(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' || text[i] == '\\') out += '\\';
    if (text.substr(i).starts_with("${")) out += '$';
    out += text[i];
  }
  return out + '"';
}

std::string reference(const std::string& variable) {
  return fmt::format("\"${{env:{}}}\"", variable);
}

// The same lines, each as a comment.
std::string commented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    out += line.starts_with("  ") && !line.starts_with("  #") ? "  # " + std::string(line.substr(2))
                                                              : std::string(line);
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string backend(const Offer& offer) {
  std::string text = fmt::format("\n  # {}\n", offer.what);
  if (!offer.why.empty()) {
    std::string_view rest = offer.why;
    for (std::size_t end = 0; end != rest.npos;) {
      end = rest.find('\n');
      text += "  # " + std::string(rest.substr(0, end)) + "\n";
      if (end != rest.npos) rest.remove_prefix(end + 1);
    }
  }
  text += fmt::format("  {}:\n    plugin: {}\n    config:\n", offer.name, offer.plugin);
  const auto line = [&text](std::string_view key, const std::string& value) {
    text += fmt::format("      {}: {}\n", key, value);
  };
  if (offer.kind == Offer::Kind::kProgram) {
    if (offer.plugin == "bridge") line("driver", "cli");
    line("preset", offer.name);
    if (offer.plugin == "acp")
      text +=
          "      # permissions: { read: allow, write: ask, execute: ask }   # else people are "
          "asked "
          "each time\n";
    text += "      # model: NAME               # else the agent's own choice\n";
    if (!offer.key.empty())
      text +=
          fmt::format("      {}env: {{ {}: {} }}{}\n", offer.use_key ? "" : "# ", offer.key,
                      reference(offer.key), offer.use_key ? "" : "   # instead of its own login");
    return text;
  }
  line("driver", "llm");
  line("api", offer.api);
  if (!offer.base_url.empty()) line("base_url", yaml_text(offer.base_url));
  line("model", yaml_text(offer.model));
  if (offer.models.size() > 1) {
    text += "      # it also has:";
    for (const std::string& model : offer.models)
      if (model != offer.model) text += " " + model;
    text += '\n';
  }
  if (!offer.key.empty()) line("api_key", reference(offer.key));
  if (offer.context_tokens != 0)
    text += fmt::format(
        "      # What the server keeps of a conversation. Ollama drops the rest without a word, so "
        "older turns\n      # are summarised before that. Raise it together with Ollama's own "
        "(OLLAMA_CONTEXT_LENGTH).\n      context_tokens: {}\n",
        offer.context_tokens);
  return text;
}

constexpr const char* kHead =
    R"(# Viaduct's configuration, written by `viaduct init` from what it found on this machine.
#
#   viaduct serve     runs it: http://127.0.0.1:8410/
#   viaduct check     says everything that is wrong with this file, with line and column
#   viaduct doctor    says whether each backend can answer, and what to do if not
#   viaduct reload    takes up changed backends and surfaces while all others keep running
#   viaduct schema    prints a JSON Schema of all that can stand here, for completion in an editor
#
# "${env:NAME}" is what the environment variable NAME has when the host starts; it must be set
# there, too. "${env:NAME:-default}" has a default, "${file:PATH}" is the content of a file.

server:
  # Only this machine can reach it: there is no login yet, so any other address is refused.
  listen: 127.0.0.1:8410

store:
  # Conversations are kept in this file; keys and the control socket live beside it.
  path: "${env:VIADUCT_HOME:-~/.viaduct}/viaduct.db"

# What answers.
backends:
)";

constexpr const char* kNetworks = R"(
  # Slack and Microsoft Teams: where to get the ids and tokens is said step by step at
  # http://127.0.0.1:8410/apps/settings/#/setup/slack and …/#/setup/teams
  # slack:
  #   plugin: slack
  #   backend: {0}
  #   config:
  #     app_token: "${{env:SLACK_APP_TOKEN}}"
  #     bot_token: "${{env:SLACK_BOT_TOKEN}}"
  #     allow: everyone
  # teams:
  #   plugin: teams
  #   backend: {0}
  #   config:
  #     app_id: "${{env:TEAMS_APP_ID}}"
  #     app_password: "${{env:TEAMS_APP_PASSWORD}}"
  #     tenant_id: "${{env:TEAMS_TENANT_ID}}"
  #     public_url: https://bots.example.org
  #     allow: everyone
)";

}  // namespace

std::string configuration(const Plan& plan, const std::vector<Offer>& strangers) {
  std::string text = kHead;
  text +=
      "  # No agent, but a way to try the pages without one: it repeats what you say.\n"
      "  echo:\n    plugin: mock\n    config:\n      chunk_delay: 20ms\n";
  if (plan.empty())
    text +=
        "\n  # A model of your own machine, by Ollama (ollama pull qwen3); then name it below.\n"
        "  # ollama:\n  #   plugin: bridge\n  #   config: { driver: llm, base_url: "
        "\"http://127.0.0.1:11434/v1\", model: qwen3, context_tokens: 4096 }\n\n"
        "  # An agent, by the Agent Client Protocol (npm install -g "
        "@agentclientprotocol/claude-agent-acp);\n"
        "  # codex, gemini, opencode, copilot and others go the same way.\n"
        "  # claude:\n  #   plugin: acp\n  #   config: { preset: claude }\n\n"
        "  # The program claude without that protocol; so go codex, gemini, opencode and "
        "amplifier.\n"
        "  # claude:\n  #   plugin: bridge\n  #   config: { driver: cli, preset: claude }\n";
  for (const Offer& offer : plan) text += backend(offer);
  for (const Offer& offer : strangers) text += commented(backend(offer));
  const std::string first = plan.empty() ? "echo" : plan.front().name;
  text += fmt::format(
      "\n# Where people talk.\nsurfaces:\n  web-chat:                       # "
      "http://127.0.0.1:8410/apps/web-chat/\n    plugin: web_chat\n    backend: {}{}# answers "
      "where nobody chose another\n    backends: [",
      first, std::string(first.size() < 20 ? 21 - first.size() : 1, ' '));
  for (const Offer& offer : plan) text += offer.name + ", ";
  text +=
      "echo]\n  settings:                       # http://127.0.0.1:8410/apps/settings/\n    "
      "plugin: settings\n";
  text += fmt::format(kNetworks, first);
  return text;
}

}  // namespace viaduct::cli
