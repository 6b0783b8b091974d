// The commands that only tell.
#include <viaduct/chat/commands.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/memory.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/chat/words.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::chat {
namespace {

constexpr std::size_t kMostListed = 15;
constexpr std::size_t kLongestTitle = 120;  // bytes

std::string project_of(const Binding& binding) {
  const std::size_t slash = binding.working_dir.rfind('/');
  return slash == std::string::npos ? binding.working_dir : binding.working_dir.substr(slash + 1);
}

}  // namespace

bool Commands::is_here(const Binding& binding, const Asker& asker) const {
  return binding.active && binding.place.team == asker.team &&
         binding.place.channel == asker.channel;
}

std::string Commands::name_of(const Binding& binding, const SessionFacts* now) const {
  if (now != nullptr && !now->name().empty()) return network_.escaped(now->name());
  return binding.description.empty() ? "no description" : network_.escaped(binding.description);
}

net::Task<> Commands::run_help(Asker asker) {
  co_await tell_openly(asker,
                       network_.bold("Commands") + "\n" +
                           network_.words(help_text(world_.command, network_.makes_channels())) +
                           network_.help_hint());
}

net::Task<std::optional<SessionFacts>> Commands::facts(Binding binding) {
  sdk::Principal who{binding.user, "", binding.place.team, binding.owner_place, false};
  const sdk::Answer answer = co_await answered(
      [&](sdk::Callback done) { world_.sessions.get(who, binding.session, std::move(done)); });
  co_return answer.ok() ? parse_session(answer.result) : std::nullopt;
}

net::Task<> Commands::run_list(std::string project, Asker asker) {
  std::vector<ListItem> items;
  std::size_t hidden = 0;
  std::set<std::string> projects;
  for (const Binding& one : own(asker)) {
    projects.insert(project_of(one));
    if (!project.empty() && lower(project_of(one)) != lower(project)) continue;
    if (items.size() == kMostListed) {
      ++hidden;
      continue;
    }
    const auto now = co_await facts(one);
    std::string state = !now         ? "gone"
                        : now->ended ? "ended"
                        : one.active ? now->state
                                     : "not connected";
    std::string words = network_.bold(name_of(one, now ? &*now : nullptr)) + "\n" +
                        network_.code(one.session) + " | " + network_.escaped(project_of(one)) +
                        " | " + state;
    if (now) words += " | " + ago_words(now->last_active, std::chrono::system_clock::now());
    items.push_back({std::move(words),
                     now && !is_here(one, asker)
                         ? Button{std::string(kConnectAction) + ":" + std::to_string(items.size()),
                                  "Connect", one.session, Button::Style::kPlain}
                         : Button{}});
  }
  if (items.empty() && !projects.empty()) {
    std::string all;
    for (const std::string& one : projects) all += (all.empty() ? "" : ", ") + network_.code(one);
    co_await tell(asker, network_.italic("No sessions found in " + network_.code(project) + ".") +
                             " There are some in " + all + ".");
    co_return;
  }
  if (items.empty()) {
    co_await tell(asker, network_.italic("No sessions found.") + " Start one with " +
                             network_.code(world_.line("new")) + ".");
    co_return;
  }
  co_await whisper(
      asker,
      network_.list("Sessions", items,
                    hidden ? std::to_string(hidden) + " older ones are not shown" : ""),
      "reply");
}

net::Task<> Commands::run_projects(Asker asker) {
  std::map<std::string, std::size_t> counts;
  for (const Binding& one : own(asker)) ++counts[one.working_dir];
  if (counts.empty()) {
    co_await tell(asker, network_.italic("No projects found."));
    co_return;
  }
  std::string words = network_.bold("Known projects:") + "\n";
  for (const auto& [dir, count] : counts)
    words += "\n• " + network_.code(folder_words(dir)) + " - " + std::to_string(count) +
             (count == 1 ? " session" : " sessions");
  co_await tell(asker, words);
}

net::Task<> Commands::run_sessions(Asker asker) {
  const auto active = world_.bindings.active_of(asker.team, asker.user);
  if (active.empty()) {
    co_await tell(asker, network_.italic("No active sessions.") + " Start one with " +
                             network_.code(world_.line("new")) + ".");
    co_return;
  }
  std::vector<ListItem> items;
  for (const Binding& one : active) {
    if (items.size() == kMostListed) break;
    items.push_back(
        {network_.code(one.session) + " " + network_.where(one) + " - " + name_of(one, nullptr),
         is_here(one, asker)
             ? Button{}
             : Button{std::string(kConnectAction) + ":" + std::to_string(items.size()), "Connect",
                      one.session, Button::Style::kPlain}});
  }
  co_await whisper(
      asker, network_.list("Active sessions (" + std::to_string(active.size()) + ")", items, ""),
      "reply");
}

net::Task<std::vector<ListItem>> Commands::overview(std::string team, std::string user,
                                                    std::size_t most) {
  std::vector<ListItem> items;
  for (const Binding& one : world_.bindings.active_of(team, user)) {
    if (items.size() == most) break;
    const auto now = co_await facts(one);
    items.push_back({network_.bold(name_of(one, now ? &*now : nullptr)) + "\n" +
                         network_.where(one) + " | " + network_.escaped(project_of(one)) + " | " +
                         (now ? now->state : "gone"),
                     {}});
  }
  co_return items;
}

net::Task<> Commands::run_status(std::string id, Asker asker) {
  const bool here = id.empty() && conversations_.at(asker.place());
  if (id.empty() && !here && asker.thread.empty() &&
      world_.bindings.active_of(asker.team, asker.user).size() != 1) {
    co_await run_sessions(asker);
    co_return;
  }
  const auto one = co_await meant(id, "status", asker);
  if (!one) co_return;
  const Binding& binding = one->binding();
  const auto now = co_await facts(binding);
  const std::string state = !now ? "not to be had now" : now->ended ? "ended" : now->state;
  std::string words =
      network_.bold("Session status: " + state) + "\nID: " + network_.code(binding.session) +
      "\nFolder: " + network_.code(folder_words(binding.working_dir)) +
      "\nBackend: " + network_.escaped(binding.backend) + "\n" + name_of(binding, nullptr);
  if (now && now->turns_waiting > 0)
    words += "\nMessages that wait: " + std::to_string(now->turns_waiting);
  co_await tell(asker, words);
}

std::string Commands::operators_only() const {
  return "Only operators may do that: those whom the configuration names in " +
         network_.code("operators") + ".";
}

net::Task<> Commands::run_discover(std::uint32_t limit, Asker asker) {
  if (!asker.is_operator) {
    co_await tell(asker, operators_only());
    co_return;
  }
  const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
    world_.sessions.discover(asker.principal(), R"({"limit":)" + std::to_string(limit) + "}",
                             std::move(done));
  });
  const auto found = answer.ok() ? parse_discovery(answer.result) : std::nullopt;
  if (!found) {
    log_.warn("nothing discovered reason=" + answer.message);
    co_await tell(asker, "It could not be looked for: " + network_.escaped(answer.message));
    co_return;
  }
  std::string below =
      found->left_out ? std::to_string(found->left_out) + " more are not shown" : "";
  for (const std::string& backend : found->failures)
    below += (below.empty() ? "" : "; ") + backend + " could not be asked";
  if (found->sessions.empty()) {
    co_await tell(asker, network_.italic("No other program has left a session on the host.") +
                             (below.empty() ? "" : "\n" + network_.escaped(below)));
    co_return;
  }
  std::vector<ListItem> items;
  for (const Discovered& one : found->sessions) {
    const std::string since = ago_words(one.updated_at, std::chrono::system_clock::now());
    const std::string title = net::one_line(one.title, kLongestTitle);
    std::string words = network_.bold(title.empty() ? "no title" : network_.escaped(title)) + "\n" +
                        network_.escaped(one.backend) + " | " +
                        network_.code(folder_words(one.working_dir)) +
                        (since.empty() ? "" : " | " + since);
    if (!one.session.empty()) words += " | " + network_.code(one.session) + " already";
    items.push_back(
        {std::move(words),
         one.session.empty()
             ? Button{std::string(kAdoptAction) + ":" + std::to_string(items.size()), "Take over",
                      left_value({one.backend, one.native_id}), Button::Style::kPlain}
             : Button{}});
  }
  co_await whisper(asker, network_.list("Sessions that other programs left", items, below),
                   "reply");
}

net::Task<> Commands::run_config(Asker asker) {
  std::string words = network_.bold("Bridge configuration:");
  if (!world_.command.empty()) words += "\nCommand: " + network_.code(world_.command);
  words += "\nFolder of new sessions: " + network_.code(folder_words(rules_.default_working_dir)) +
           "\nSessions for each person: " + std::to_string(rules_.max_sessions_per_user);
  if (asker.is_operator) words += "\nYou are an operator.";
  co_await tell(asker, words);
}

net::Task<> Commands::run_memory(Command command, Asker asker) {
  const sdk::Principal who = asker.principal();
  const sdk::Answer answer = co_await answered([&](sdk::Callback done) {
    if (const auto* remember = std::get_if<RememberCommand>(&command))
      memory_.remember(who, remember->text, std::move(done));
    else if (const auto* recall = std::get_if<RecallCommand>(&command))
      memory_.recall(who, recall->query, std::move(done));
    else
      memory_.work_status(who, std::move(done));
  });
  if (!answer.ok()) {
    co_await tell(asker, network_.escaped(answer.message));
  } else if (std::holds_alternative<RememberCommand>(command)) {
    co_await tell(asker, remembered_words(network_, answer.result));
  } else if (const auto* recall = std::get_if<RecallCommand>(&command)) {
    co_await tell(asker, recalled_words(network_, answer.result, recall->query));
  } else {
    co_await tell(asker, work_words(network_, answer.result));
  }
}

}  // namespace viaduct::chat
