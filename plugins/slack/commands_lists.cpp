// The commands that only tell.
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/text.hpp>
#include "plugins/slack/commands.hpp"
#include "plugins/slack/mentions.hpp"
#include "plugins/slack/message_json.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace viaduct::slack {
namespace {

constexpr std::size_t kMostListed = 15;

std::string project_of(const chat::Binding& binding) {
  const std::size_t slash = binding.working_dir.rfind('/');
  return slash == std::string::npos ? binding.working_dir : binding.working_dir.substr(slash + 1);
}

// A link to the thread, so that it is found again.
std::string where(const chat::Binding& binding, const Installations& installations) {
  const chat::Place& place = binding.place;
  const std::string words =
      place.channel.starts_with('D') ? "in a direct message" : "in <#" + place.channel + ">";
  const Installation* workspace = installations.find(place.team);
  if (workspace == nullptr || workspace->url.empty() || place.thread.empty()) return words;
  std::string ts = place.thread;
  std::erase(ts, '.');
  return words + " (<" + workspace->url + "archives/" + place.channel + "/p" + ts + "|open>)";
}

std::string name_of(const chat::Binding& binding) {
  return binding.description.empty() ? "no description" : escaped(binding.description);
}

}  // namespace

net::Task<std::optional<chat::SessionFacts>> Commands::facts(chat::Binding binding) {
  sdk::Principal who{binding.user, "", binding.place.team, binding.owner_place, false};
  const sdk::Answer answer = co_await chat::answered(
      [&](sdk::Callback done) { world_.sessions.get(who, binding.session, std::move(done)); });
  co_return answer.ok() ? chat::parse_session(answer.result) : std::nullopt;
}

net::Task<> Commands::run_list(std::string project, chat::Asker asker) {
  std::vector<ListItem> items;
  std::size_t hidden = 0;
  for (const chat::Binding& one : own(asker)) {
    if (!project.empty() && chat::lower(project_of(one)) != chat::lower(project)) continue;
    if (items.size() == kMostListed) {
      ++hidden;
      continue;
    }
    const auto now = co_await facts(one);
    std::string state = !now         ? "gone"
                        : now->ended ? "ended"
                        : one.active ? now->state
                                     : "not connected";
    std::string words = "*" + (now && !now->name().empty() ? escaped(now->name()) : name_of(one)) +
                        "*\n`" + one.session + "` | " + escaped(project_of(one)) + " | " + state;
    if (now) words += " | " + now->last_active.substr(0, 16);
    items.push_back({std::move(words),
                     now ? Button{std::string(kConnectAction) + ":" + std::to_string(items.size()),
                                  "Connect", one.session, Button::Style::kPlain}
                         : Button{}});
  }
  if (items.empty()) {
    co_await tell(asker, "_No sessions found._ Start one with `" + world_.command + " new`.");
    co_return;
  }
  co_await whisper(asker,
                   list_body("Sessions", items,
                             hidden ? std::to_string(hidden) + " older ones are not shown" : ""));
}

net::Task<> Commands::run_projects(chat::Asker asker) {
  std::map<std::string, std::size_t> counts;
  for (const chat::Binding& one : own(asker)) ++counts[one.working_dir];
  if (counts.empty()) {
    co_await tell(asker, "_No projects found._");
    co_return;
  }
  std::string words = "*Known projects:*\n";
  for (const auto& [dir, count] : counts)
    words += "\n• `" + escaped(dir) + "` - " + std::to_string(count) +
             (count == 1 ? " session" : " sessions");
  co_await tell(asker, words);
}

net::Task<> Commands::run_sessions(chat::Asker asker) {
  const auto active = world_.bindings.active_of(asker.team, asker.user);
  if (active.empty()) {
    co_await tell(asker, "_No active sessions._ Start one with `" + world_.command + " new`.");
    co_return;
  }
  std::vector<ListItem> items;
  for (const chat::Binding& one : active) {
    if (items.size() == kMostListed) break;
    items.push_back(
        {"`" + one.session + "` " + where(one, world_.installations) + " - " + name_of(one),
         {std::string(kConnectAction) + ":" + std::to_string(items.size()), "Connect", one.session,
          Button::Style::kPlain}});
  }
  co_await whisper(asker,
                   list_body("Active sessions (" + std::to_string(active.size()) + ")", items, ""));
}

net::Task<> Commands::show_home(std::string team, std::string user) {
  const Installation* workspace = world_.installations.find(team);
  if (workspace == nullptr) co_return;
  const std::string token = workspace->token;
  std::vector<ListItem> items;
  for (const chat::Binding& one : world_.bindings.active_of(team, user)) {
    if (items.size() == kMostListed) break;
    const auto now = co_await facts(one);
    items.push_back({"*" + (now && !now->name().empty() ? escaped(now->name()) : name_of(one)) +
                         "*\n" + where(one, world_.installations) + " | " +
                         escaped(project_of(one)) + " | " + (now ? now->state : "gone"),
                     {}});
  }
  const ApiResult shown =
      co_await world_.api.call("views.publish", home_args(user, world_.command, items), token);
  if (!shown) log_.warn("home tab not shown reason=" + shown.error().message);
}

net::Task<> Commands::suggest(std::string team, std::string channel, std::string thread) {
  const Installation* workspace = world_.installations.find(team);
  if (workspace == nullptr) co_return;
  const ApiResult done = co_await world_.api.call("assistant.threads.setSuggestedPrompts",
                                                  prompts_args(channel, thread), workspace->token);
  if (!done) log_.info("no suggestions shown reason=" + done.error().message);
}

net::Task<> Commands::run_status(std::string id, chat::Asker asker) {
  const bool here = id.empty() && conversations_.at(asker.place());
  if (id.empty() && !here && asker.thread.empty() &&
      world_.bindings.active_of(asker.team, asker.user).size() != 1) {
    co_await run_sessions(asker);
    co_return;
  }
  const auto one = co_await meant(id, "status", asker);
  if (!one) co_return;
  const chat::Binding& binding = one->binding();
  const auto now = co_await facts(binding);
  std::string words = "*Session status: " +
                      (!now         ? std::string("not to be had now")
                       : now->ended ? "ended"
                                    : now->state) +
                      "*\nID: `" + binding.session + "`\nFolder: `" + escaped(binding.working_dir) +
                      "`\nBackend: " + escaped(binding.backend) + "\n" + name_of(binding);
  if (now && now->turns_waiting > 0)
    words += "\nMessages that wait: " + std::to_string(now->turns_waiting);
  co_await tell(asker, words);
}

net::Task<> Commands::run_config(chat::Asker asker) {
  std::string words =
      "*Bridge configuration:*\nCommand: `" + world_.command + "`\nFolder of new sessions: `" +
      escaped(config_.default_working_dir) +
      "`\nSessions for each person: " + std::to_string(config_.max_sessions_per_user);
  if (asker.is_operator) words += "\nYou are an operator.";
  co_await tell(asker, words);
}

net::Task<> Commands::run_memory(chat::Command command, chat::Asker asker) {
  const sdk::Principal who = asker.principal();
  const sdk::Answer answer = co_await chat::answered([&](sdk::Callback done) {
    if (const auto* remember = std::get_if<chat::RememberCommand>(&command))
      memory_.remember(who, remember->text, std::move(done));
    else if (const auto* recall = std::get_if<chat::RecallCommand>(&command))
      memory_.recall(who, recall->query, std::move(done));
    else
      memory_.work_status(who, std::move(done));
  });
  if (!answer.ok()) {
    co_await tell(asker, escaped(answer.message));
  } else if (std::holds_alternative<chat::RememberCommand>(command)) {
    co_await tell(asker, remembered_words(answer.result));
  } else if (const auto* recall = std::get_if<chat::RecallCommand>(&command)) {
    co_await tell(asker, recalled_words(answer.result, recall->query));
  } else {
    co_await tell(asker, work_words(answer.result));
  }
}

}  // namespace viaduct::slack
