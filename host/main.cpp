// The `viaduct` executable: reads the command line and runs what it says.
#include "host/cli/commands.hpp"
#include "host/cli/deliveries_arguments.hpp"
#include "host/cli/errors.hpp"
#include "host/cli/init_command.hpp"
#include "host/cli/places.hpp"
#include "host/cli/plugin_command.hpp"
#include "host/cli/serve.hpp"
#include "host/cli/sessions_arguments.hpp"
#include "host/plugins/plugins.hpp"

#include <viaduct/testing/check.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstring>
#include <iostream>

int main(int argc, char** argv) {
  using namespace viaduct;
  // How this program tries plugin files in a child process; not for people.
  if (argc > 1 && std::strcmp(argv[1], "preflight") == 0)
    return plugins::preflight_main({argv + 2, argv + argc});

  CLI::App app{"Viaduct " + cli::version() + ": puts AI agents where people already talk"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "viaduct " + cli::version(), "Print the version and exit");
  app.footer(
      "Exit codes: 0 fine, 1 it failed, 2 usage or configuration. With --json an error is JSON, "
      "too,\non standard output: {\"error\":{\"code\",\"message\"}}.");
  cli::Options options;
  app.add_option("--config", options.config, "The configuration, for all commands");
  int code = 0;
  const auto command = [&](CLI::App& parent, const char* name, const char* what, auto run) {
    CLI::App* sub = parent.add_subcommand(name, what);
    sub->add_option(
        "--config", options.config,
        "The configuration; else config/viaduct.yaml, then ~/.config/viaduct/viaduct.yaml");
    sub->add_flag("--json", options.json, "Print JSON");
    sub->callback([&, run] { code = run(); });
    return sub;
  };

  command(app, "serve", "Run the host", [&] { return cli::serve({options.config}); });
  command(app, "check", "Say everything that is wrong with the configuration",
          [&] { return cli::check(options); });
  command(app, "schema", "Print the JSON Schema of the configuration, for editors",
          [&] { return cli::schema(options); });
  command(app, "doctor", "Look whether everything is there that the configuration needs",
          [&] { return cli::doctor(options); });
  command(app, "reload", "Have the running host take up the changed configuration",
          [&] { return cli::reload(options); });
  cli::InitOptions init;
  CLI::App* first = app.add_subcommand(
      "init", "Write a first configuration out of what is installed on this machine");
  first->add_option("--output,--config", init.output,
                    "Where to; else ~/.config/viaduct/viaduct.yaml");
  first->add_flag("--yes", init.yes, "Take all defaults; so it is without a terminal");
  first->add_flag("--ask", init.ask, "Ask, also without a terminal")->excludes("--yes");
  first->add_flag("--force", init.force, "Replace the file; the old one is kept beside it");
  first->add_option("--port", init.ports, "Look for model servers here instead of the usual ports")
      ->check(CLI::Range(1, 65535));
  first->callback([&] { code = cli::init(init); });
  command(app, "plugins", "List the plugins that are found",
          [&] { return cli::list_plugins(options); });
  command(app, "version", "Print the version", [&] { return cli::print_version(options); });

  testing::CheckOptions checks;
  CLI::App* plugin = app.add_subcommand("plugin", "For authors of plugins")->require_subcommand(1);
  CLI::App* check = command(*plugin, "check", "Exercise the whole contract of plugin files", [&] {
    checks.json = options.json;
    return testing::check_main(checks, std::cout);
  });
  check->add_option("FILE", checks.file, "The plugin, FILE.so")->required();
  check->add_option("--with", checks.config,
                    "Its configuration, JSON; else the example of its descriptor");
  check->add_option("--test", checks.tests, "Only the checks with these ids");
  check->add_flag("--only-failed", checks.only_failed, "Show only what did not pass");
  check->add_flag("--in-process", checks.in_process,
                  "Start no child for each check, for debuggers");

  cli::SessionsArguments sessions;
  cli::add_sessions_commands(app, command, options, sessions);
  cli::DeliveriesArguments deliveries;
  cli::add_deliveries_commands(app, command, options, deliveries);

  app.footer(
      "viaduct [--config FILE] NAME ARGUMENT…\n  A subcommand of the plugin that the running "
      "host has as NAME; all behind a \"--\" is the plugin's.\n\n" +
      app.get_footer());
  std::vector<std::string> commands;
  for (const CLI::App* sub : app.get_subcommands({})) commands.push_back(sub->get_name());
  if (const auto other = cli::plugin_command({argv + 1, argv + argc}, commands))
    return cli::run_plugin(*other, commands);

  const bool json = std::ranges::count(argv, argv + argc, std::string_view("--json")) != 0;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    // What is not known says more than what is missing because of it.
    const auto unknown = app.remaining(true);
    cli::print_error(json, {Errc::invalid_argument,
                            dynamic_cast<const CLI::RequiredError*>(&error) && !unknown.empty()
                                ? "there is no command " + unknown.front()
                                : error.what()});
    if (!json) std::cerr << "Run with --help for more information.\n";
    return 2;
  }
  return code;
}
