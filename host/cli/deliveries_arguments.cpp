#include "host/cli/deliveries_arguments.hpp"

#include "host/cli/deliveries_commands.hpp"

#include <CLI/CLI.hpp>

#include <tuple>

namespace viaduct::cli {

void add_deliveries_commands(CLI::App& app, const AddCommand& command, const Options& options,
                             DeliveriesArguments& given) {
  CLI::App& deliveries =
      *app.add_subcommand("deliveries", "What the running host posts to other networks")
           ->require_subcommand(1);

  CLI::App* list = command(deliveries, "list", "List what may not have arrived, newest first", [&] {
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
    command(deliveries, name, what, [&, action = run] { return action(options, given.id); })
        ->add_option("ID", given.id, "As list shows it")
        ->required()
        ->check(CLI::PositiveNumber);
}

}  // namespace viaduct::cli
