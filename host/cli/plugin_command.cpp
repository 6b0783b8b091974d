#include "host/cli/plugin_command.hpp"

#include "host/cli/commands.hpp"
#include "host/cli/control.hpp"
#include "host/cli/errors.hpp"
#include "host/cli/places.hpp"
#include "host/cli/trial.hpp"
#include "host/config/values.hpp"

#include <algorithm>
#include <iostream>

namespace viaduct::cli {
namespace {

// Stands for secrets that are not there, where nothing is proven with them.
constexpr std::string_view kNotSet = "not-set-here";

// The name is no command, and as far as is known no instance. Nobody's arguments, then: --json
// means what it means elsewhere.
int unknown(const PluginCommand& command, const std::vector<std::string>& names,
            const std::string& more) {
  const std::string near = config::nearest(command.name, names);
  std::string text = "there is no command " + config::in_quotes(command.name);
  if (!near.empty()) text += "; did you mean " + config::in_quotes(near) + "?";
  if (!more.empty()) text += "\n" + more;
  const bool json = std::ranges::count(command.arguments, "--json") != 0;
  print_error(json, {Errc::invalid_argument, text});
  if (!json) std::cerr << "Run with --help for more information.\n";
  return 2;
}

}  // namespace

std::optional<PluginCommand> plugin_command(const std::vector<std::string>& words,
                                            const std::vector<std::string>& commands) {
  constexpr std::string_view kConfig = "--config";
  PluginCommand command;
  auto word = words.begin();
  const auto take_config = [&] {
    if (word->starts_with(std::string(kConfig) + "="))
      command.config = word->substr(kConfig.size() + 1);
    else if (*word == kConfig && word + 1 != words.end())
      command.config = *++word;
    else
      return false;
    return true;
  };
  for (; word != words.end() && word->starts_with("-"); ++word)
    if (!take_config()) return std::nullopt;
  if (word == words.end() || std::ranges::find(commands, *word) != commands.end())
    return std::nullopt;
  command.name = *word;
  for (++word; word != words.end(); ++word) {
    if (*word == "--") {
      command.arguments.insert(command.arguments.end(), word + 1, words.end());
      break;
    }
    if (!take_config()) command.arguments.push_back(*word);
  }
  return command;
}

int run_plugin(const PluginCommand& command, const std::vector<std::string>& commands) {
  if (!config::is_instance_name(command.name)) return unknown(command, commands, "");
  plugins::Loader loader(executable());
  const auto loaded = load_config(command.config, loader);
  std::vector<std::string> names = commands;
  for (const auto& backend : loaded.config.backends) names.push_back(backend.name);
  for (const auto& surface : loaded.config.surfaces) names.push_back(surface.name);
  const bool configured = std::ranges::count(names, command.name) != 0;
  if (loaded.config.home.empty()) return unknown(command, names, "");

  ControlRequest request{"tool.run", command.name};
  request.arguments = command.arguments;
  auto reply = ask_host(control_socket(loaded.config.home), request);
  if (!reply && reply.error().code == Errc::unavailable && configured) {
    // What is written before there is a secret needs none.
    const auto without = load_config(command.config, loader, std::string(kNotSet));
    const bool is_sound =
        std::ranges::any_of(
            without.config.surfaces,
            [&](const auto& one) { return one.name == command.name && one.sound; }) ||
        std::ranges::any_of(without.config.backends,
                            [&](const auto& one) { return one.name == command.name && one.sound; });
    if (!is_sound) {
      print(loaded.diagnostics.empty() ? without.diagnostics : loaded.diagnostics);
      return 2;
    }
    reply = try_tool(without.config, loader, command.name, command.arguments);
  }
  const auto answer = reply ? parse_tool_answer(*reply) : std::unexpected(reply.error());
  const bool help = std::ranges::count(command.arguments, "--help") != 0 ||
                    command.arguments == std::vector<std::string>{"help"};
  if (answer) {
    if (answer->exit_code == 0) {
      if (const auto written = write_files(answer->files, command.arguments); !written) {
        std::cerr << command.name << ": " << written.error().message << '\n';
        return 1;
      }
    }
    std::cout << answer->output << std::flush;
    // Many a plugin says how it is used for whatever it does not know.
    return help && answer->exit_code == 2 ? 0 : answer->exit_code;
  }
  const Error& error = answer.error();
  if (help && error.code == Errc::unsupported) {
    std::cout << error.message << '\n';
    return 0;
  }
  // Without a host, and without the instance, the word was most likely meant to be something else.
  if (error.code == Errc::not_found && !configured) return unknown(command, names, error.message);
  if (error.code == Errc::unavailable && !configured) return unknown(command, names, error.message);
  std::cerr << (error.message.starts_with(command.name) ? "" : command.name + ": ") << error.message
            << '\n';
  return error.code == Errc::unsupported ? 2 : 1;
}

}  // namespace viaduct::cli
