#include "host/cli/sessions_arguments.hpp"

#include "host/config/values.hpp"

#include <CLI/CLI.hpp>

#include <tuple>

namespace viaduct::cli {
namespace {

std::string check_age(const std::string& text) {
  const auto age = config::parse_duration(text);
  if (age && age->count() > 0) return "";
  return text + " is no length of time; write 90d, 12h or 30m";
}

}  // namespace

void add_sessions_commands(CLI::App& app, const AddCommand& command, const Options& options,
                           SessionsArguments& given) {
  // Alone it lists. Its callback comes after that of a subcommand, whose exit code it keeps.
  CLI::App* top = command(app, "sessions", "The sessions of the running host; alone: list", [&] {
    return app.get_subcommand("sessions")->get_subcommands().empty()
               ? sessions_list(options, given.before, given.limit, given.all)
               : given.code;
  });
  CLI::App& sessions = *top->require_subcommand(0, 1);
  const auto sub = [&](const char* name, const char* what, std::function<int()> run) {
    return command(sessions, name, what,
                   [&given, run = std::move(run)] { return given.code = run(); });
  };

  CLI::App* list = sub("list", "List sessions, last active first", [&] {
    return sessions_list(options, given.before, given.limit, given.all);
  });
  list->add_option("--before", given.before, "Go on where an earlier list ended");
  list->add_option("--limit", given.limit, "How many")->check(CLI::Range(1, 200));
  list->add_flag("--all", given.all, "Ended ones, too");

  for (const auto& [name, what, run] :
       {std::tuple{"show", "Show one session", &sessions_show},
        std::tuple{"export", "Print the whole log, one JSON object a line", &sessions_export},
        std::tuple{"end", "End a session; only its owner can revive it", &sessions_end}})
    sub(name, what, [&, action = run] { return action(options, given.id); })
        ->add_option("ID", given.id, "The session")
        ->required();

  CLI::App* audit = sub("audit", "Show what was done with a session (resumes, ends), newest last",
                        [&] { return sessions_audit(options, given.id, given.limit); });
  audit->add_option("ID", given.id, "The session, also one that was purged")->required();
  audit->add_option("--limit", given.limit, "How many of the newest")->check(CLI::Range(1, 500));

  CLI::App* discover = sub("discover", "List sessions that other programs left on this machine",
                           [&] { return sessions_discover(options, given.backend, given.limit); });
  discover->add_option("--backend", given.backend, "Only what this backend finds");
  discover->add_option("--limit", given.limit, "How many")->check(CLI::Range(1, 500));
  discover->footer("Go on with one of them: viaduct sessions adopt ID");

  CLI::App* adopt =
      sub("adopt", "Take a session of another program over, with all that was said in it",
          [&] { return sessions_adopt(options, given.id, given.surface, given.backend); });
  adopt
      ->add_option("ID", given.id,
                   "Its id as discover shows it, or the beginning of it (4 letters or more)")
      ->required();
  adopt->add_option("--surface", given.surface,
                    "Where it shows, for the local user; else the only web chat");
  adopt->add_option("--backend", given.backend, "Which goes on with it; else the surface's own");
  adopt->footer(
      "It becomes a session here, with which the agent goes on where it was. What the other "
      "program "
      "keeps\nstays as it is, until `sessions purge` deletes the session here: then the agent's "
      "own "
      "goes with it.");

  CLI::App* purge = sub("purge", "Delete for good what nobody used for long, of everybody", [&] {
    return sessions_purge(options, *config::parse_duration(given.older_than), given.dry_run);
  });
  purge
      ->add_option("--older-than", given.older_than,
                   "Since when nothing happened in them: 90d, 12h, 30m")
      ->required()
      ->check(check_age);
  purge->add_flag("--dry-run", given.dry_run, "Only say what would be deleted");
  purge->footer(
      "What runs or waits stays. What the backend keeps of a session is deleted, too, and what an "
      "agent keeps that\nspeaks ACP and can delete; files that other programs wrote are left, and "
      "so is what only a backend could\ndelete that is no longer in the configuration. The "
      "database does not shrink: the space is used again by what "
      "comes next.");
}

}  // namespace viaduct::cli
