#include "host/cli/deliveries_arguments.hpp"

#include "host/cli/deliveries_commands.hpp"

#include <CLI/CLI.hpp>

#include <tuple>

namespace viaduct::cli {

void add_deliveries_commands(CLI::App& app, const AddCommand& command, const Options& options,
                             DeliveriesArguments& given) {
  // Alone it lists. Its callback comes after that of a subcommand, whose exit code it keeps.
  CLI::App* top =
      command(app, "deliveries", "What the running host posts to other networks; alone: list", [&] {
        return app.get_subcommand("deliveries")->get_subcommands().empty()
                   ? deliveries_list(options, given.states, given.surface, given.before,
                                     given.limit)
                   : given.code;
      });
  CLI::App& deliveries = *top->require_subcommand(0, 1);
  const auto sub = [&](const char* name, const char* what, std::function<int()> run) {
    return command(deliveries, name, what,
                   [&given, run = std::move(run)] { return given.code = run(); });
  };

  CLI::App* list = sub("list", "List what may not have arrived, newest first", [&] {
    return deliveries_list(options, given.states, given.surface, given.before, given.limit);
  });
  list->add_option("--state", given.states,
                   "Those in this state instead; may be repeated: ready, sending, sent, ambiguous, "
                   "failed, expired")
      ->check(CLI::IsMember({"ready", "sending", "sent", "ambiguous", "failed", "expired"}));
  list->add_option("--surface", given.surface, "Only those of this surface");
  list->add_option("--before", given.before, "Only those with a lower ID")
      ->check(CLI::PositiveNumber);
  list->add_option("--limit", given.limit, "How many")->check(CLI::Range(1, 200));
  list->footer(
      "ambiguous: it was cut off, and nobody can find out whether it arrived; look there, then\n"
      "retry or drop it. failed: it was refused. expired: it could not be sent in time.");

  for (const auto& [name, what, run] :
       {std::tuple{"retry", "Send one of them once more; it may then be there twice",
                   &deliveries_retry},
        std::tuple{"drop", "Give one of them up, so that it is listed no more", &deliveries_drop}})
    sub(name, what, [&, action = run] { return action(options, given.id); })
        ->add_option("ID", given.id, "As list shows it")
        ->required()
        ->check(CLI::PositiveNumber);
}

}  // namespace viaduct::cli
