#include <viaduct/chat/commands.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::chat {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostOffered = 10;
constexpr std::size_t kLongestDescription = 150;
constexpr int kTries = 5;  // of a message that a session cannot take now
std::string now_rfc3339() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() %
      1'000'000;
  std::string fraction = std::to_string(micros);
  fraction.insert(0, 6 - fraction.size(), '0');
  return std::string(text, size) + "." + fraction + "Z";
}

std::filesystem::path expanded(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "" : home + path.substr(1));
}

bool is_below(const std::filesystem::path& path, const std::filesystem::path& top) {
  const auto [end, at] = std::ranges::mismatch(top, path);
  return end == top.end() || (end->empty() && std::next(end) == top.end());
}

}  // namespace

Commands::Commands(const sdk::Host& host, World& world, Conversations& conversations, Rules rules)
    : log_(host),
      memory_(host),
      world_(world),
      conversations_(conversations),
      rules_(std::move(rules)),
      network_(world.network) {}

net::Task<> Commands::run(Command command, Asker asker) {
  if (std::holds_alternative<HelpCommand>(command)) {
    co_await run_help(asker);
  } else if (const auto* list = std::get_if<ListCommand>(&command)) {
    co_await run_list(list->project, asker);
  } else if (std::holds_alternative<ProjectsCommand>(command)) {
    co_await run_projects(asker);
  } else if (auto* begin = std::get_if<NewCommand>(&command)) {
    co_await run_new(std::move(*begin), asker);
  } else if (const auto* connect = std::get_if<ConnectCommand>(&command)) {
    co_await run_connect(connect->id, false, asker);
  } else if (const auto* resume = std::get_if<ResumeCommand>(&command)) {
    co_await run_connect(resume->id, true, asker);
  } else if (const auto* status = std::get_if<StatusCommand>(&command)) {
    co_await run_status(status->id, asker);
  } else if (std::holds_alternative<SessionsCommand>(command)) {
    co_await run_sessions(asker);
  } else if (const auto* breakout = std::get_if<BreakoutCommand>(&command)) {
    co_await run_breakout(breakout->name, asker);
  } else if (const auto* end = std::get_if<EndCommand>(&command)) {
    co_await run_end(end->id, asker);
  } else if (const auto* unbind = std::get_if<UnbindCommand>(&command)) {
    co_await run_unbind(unbind->id, asker);
  } else if (const auto* cancel = std::get_if<CancelCommand>(&command)) {
    co_await run_cancel(cancel->id, asker);
  } else if (const auto* retry = std::get_if<RetryCommand>(&command)) {
    co_await run_retry(retry->id, asker);
  } else if (std::holds_alternative<DiscoverCommand>(command)) {
    co_await run_discover(asker);
  } else if (std::holds_alternative<ConfigCommand>(command)) {
    co_await run_config(asker);
  } else if (const auto* wrong = std::get_if<WrongCommand>(&command)) {
    co_await tell(asker, network_.words(wrong->words));
  } else if (const auto* unknown = std::get_if<UnknownCommand>(&command)) {
    co_await tell(asker, network_.words(unknown->words(world_.command)));
  } else {
    co_await run_memory(std::move(command), asker);
  }
}

// ---------------------------------------------------------------- answering

net::Task<> Commands::whisper(Asker asker, Body body, std::string part) {
  const std::string key = asker.key + "/" + part;
  if (const auto kept = co_await world_.network.whisper(std::move(asker), key, std::move(body));
      !kept)
    log_.error("reply not kept for sending key=" + key + " reason=" + kept.error().message);
}

net::Task<> Commands::tell(Asker asker, std::string words, std::vector<Button> buttons,
                           std::string part) {
  co_await whisper(std::move(asker), network_.note(words, buttons), std::move(part));
}

net::Task<> Commands::say(Place place, std::string key, Body body) {
  if (const auto kept = co_await world_.network.post(std::move(place), key, std::move(body)); !kept)
    log_.error("message not kept for sending key=" + key + " reason=" + kept.error().message);
}

net::Task<> Commands::to_session(Asker asker, Said said) {
  const auto found = co_await begin(asker.place(), asker, {"", "", said.text});
  if (!found) {
    co_await tell(asker, found.error(), {}, "refused");
    co_return;
  }
  const std::shared_ptr<Conversation> conversation = *found;
  auto wait = std::chrono::milliseconds(500);
  for (int i = 0; i < kTries; ++i) {
    const auto taken = co_await conversation->say(said);
    if (taken) co_return;
    if (i + 1 == kTries) break;
    boost::asio::steady_timer pause(world_.loop.context(), wait);
    co_await pause.async_wait(boost::asio::use_awaitable);
    wait *= 2;
  }
  co_await conversation->note(said.key + "/failed",
                              "Error: Failed to get response from the session. Try again.");
}

// ---------------------------------------------------------------- beginning

std::expected<std::string, std::string> Commands::folder(const std::string& dir,
                                                         const Asker& asker) const {
  const std::string wanted = dir.empty() ? rules_.default_working_dir : dir;
  std::error_code failed;
  const auto path = std::filesystem::canonical(expanded(wanted), failed);
  if (failed || !std::filesystem::is_directory(path, failed))
    return std::unexpected("There is no folder " + network_.code(wanted) + " on the host.");
  if (dir.empty() || asker.is_operator) return path.string();
  for (const std::string& top : rules_.working_dirs) {
    const auto allowed = std::filesystem::canonical(expanded(top), failed);
    if (!failed && is_below(path, allowed)) return path.string();
  }
  return std::unexpected(network_.code(wanted) +
                         " is outside of the folders that are allowed here (" +
                         network_.code("working_dirs") + ").");
}

std::optional<std::string> Commands::why_not(const std::string& dir, const Asker& asker) const {
  const auto reserved = reserved_.find(asker.team + "/" + asker.user);
  if (world_.bindings.active_of(asker.team, asker.user).size() +
          (reserved == reserved_.end() ? 0 : reserved->second) >=
      rules_.max_sessions_per_user)
    return limit_reached();
  if (const auto found = folder(dir, asker); !found) return found.error();
  return std::nullopt;
}

std::string Commands::limit_reached() const {
  return "Session limit reached (" + std::to_string(rules_.max_sessions_per_user) +
         "). End an existing session first.";
}

net::Task<std::expected<std::shared_ptr<Conversation>, std::string>> Commands::begin(
    Place place, Asker asker, Wanted wanted) {
  using Refused = std::unexpected<std::string>;
  // A second event for the same place waits for the first.
  while (beginning_.contains(place.key())) {
    boost::asio::steady_timer pause(world_.loop.context(), 50ms);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
  if (auto held = conversations_.at(place)) co_return held;

  const std::string person = asker.team + "/" + asker.user;
  if (const auto no = why_not(wanted.dir, asker)) co_return Refused(*no);
  const auto dir = folder(wanted.dir, asker);

  const std::string key = place.key();
  beginning_.insert(key);
  ++reserved_[person];
  const std::string description = net::one_line(wanted.description, kLongestDescription);
  sdk::Principal who = asker.principal();
  if (!asker.is_direct) who.place = key;
  std::string options = R"({"working_dir":)" + sdk::json_string(*dir) + R"(,"description":)" +
                        sdk::json_string(description) + R"(,"key":)" + sdk::json_string(asker.key);
  if (!wanted.backend.empty()) options += R"(,"backend":)" + sdk::json_string(wanted.backend);
  options += "}";
  const sdk::Answer made = co_await answered(
      [&](sdk::Callback done) { world_.sessions.create(who, options, std::move(done)); });
  std::expected<std::shared_ptr<Conversation>, std::string> result =
      Refused("The session could not be started: " + network_.escaped(made.message));
  if (const auto session = made.ok() ? parse_session(made.result) : std::nullopt) {
    Binding binding;
    binding.place = place;
    binding.session = session->id;
    binding.owner_place = who.place;
    binding.user = asker.user;
    binding.working_dir = *dir;
    binding.description = description;
    binding.backend = session->backend;
    binding.created_at = now_rfc3339();
    conversations_.forget(place);
    const auto kept = co_await world_.bindings.put(std::move(binding));
    if (kept)
      result = conversations_.at(place);
    else
      result = Refused("The session could not be kept: " + network_.escaped(kept.error().message));
  }
  beginning_.erase(key);
  if (--reserved_[person] == 0) reserved_.erase(person);
  co_return result;
}

net::Task<std::expected<std::string, std::string>> Commands::open_thread(Asker asker,
                                                                         std::string words) {
  const std::string key = asker.key + "/root";
  auto thread = co_await world_.network.open_thread(std::move(asker), key, network_.note(words));
  if (!thread) co_return std::unexpected("No thread could be opened here: " + thread.error());
  co_return *std::move(thread);
}

net::Task<> Commands::run_new(NewCommand command, Asker asker) {
  Place place = asker.place();
  std::string root;  // key of the message that was posted for it
  if (asker.is_whole()) {
    // The new one takes the place of the old, which lives on.
    if (const auto held = conversations_.at(place)) {
      if (!co_await held->unbind()) {
        co_await tell(asker, "The present conversation could not be let go. Try again.");
        co_return;
      }
    }
  } else if (!asker.thread.empty()) {
    if (conversations_.at(place)) {
      co_await tell(asker, network_.words(
                               "This thread has a session already. Say `new` outside of it, or end "
                               "it first with `end`."));
      co_return;
    }
  } else if (!asker.message.empty()) {
    place.thread = asker.message;
  } else {
    // What can be known before is said before, and no thread is left behind.
    if (const auto no = why_not(command.dir, asker)) {
      co_await tell(asker, *no);
      co_return;
    }
    std::string words = "New session of " + network_.person(asker);
    if (!command.description.empty()) words += ": " + network_.escaped(command.description);
    const auto thread = co_await open_thread(asker, words);
    if (!thread) {
      co_await tell(asker, network_.escaped(thread.error()));
      co_return;
    }
    place.thread = *thread;
    root = asker.key + "/root";
  }
  const auto begun =
      co_await begin(place, asker, {command.dir, command.backend, command.description});
  if (!begun) {
    // Where a thread was opened for it, it is said there: once.
    if (root.empty())
      co_await tell(asker, begun.error());
    else
      co_await say(place, asker.key + "/failed", network_.note(begun.error()));
    co_return;
  }
  const Binding& binding = (*begun)->binding();
  std::string words = "Started new session " + network_.code(binding.session) + " in " +
                      network_.code(binding.working_dir);
  if (!binding.description.empty())
    words += "\n" + network_.italic(network_.escaped(binding.description));
  words += asker.is_whole() ? "\nSay what you want it to do."
                            : "\nReply in this thread to interact with the session.";
  (*begun)->follow();
  co_await say(place, asker.key + "/started", network_.note(words));
  if (!asker.reply_url.empty() && !asker.is_whole())
    co_await tell(asker, "Started, in the thread above.");
}

net::Task<> Commands::run_connect(std::string id, bool revive, Asker asker) {
  Place place = asker.place();
  if (id.empty()) {
    const Binding* here = world_.bindings.find(place);
    if (here == nullptr) {
      co_await tell(asker,
                    "Which session? See " + network_.code(world_.line("list")) + ", and then say " +
                        network_.code(world_.line(revive ? "resume ID" : "connect ID")) + ".");
      co_return;
    }
    id = here->session;
  }
  const auto source = find(id, asker);
  if (!source) {
    co_await tell(asker, source.error());
    co_return;
  }
  if (!asker.is_whole() && asker.thread.empty()) {
    if (!asker.message.empty()) {
      place.thread = asker.message;
    } else {
      const auto thread = co_await open_thread(
          asker, network_.person(asker) + " goes on with a session: " +
                     network_.escaped(source->description.empty() ? source->session
                                                                  : source->description));
      if (!thread) {
        co_await tell(asker, network_.escaped(thread.error()));
        co_return;
      }
      place.thread = *thread;
    }
  }
  if (const auto held = conversations_.at(place)) {
    if (held->binding().session == source->session && !revive) {
      co_await tell(asker, "This is that session's thread.");
      co_return;
    }
    if (held->binding().session != source->session && !asker.is_whole()) {
      co_await tell(asker, "This thread has another session. Say it outside of this thread.");
      co_return;
    }
  }
  const auto active = world_.bindings.active_of(asker.team, asker.user);
  const bool counts = std::ranges::none_of(
      active, [&](const Binding& one) { return one.session == source->session; });
  if (counts && active.size() >= rules_.max_sessions_per_user) {
    co_await tell(asker, limit_reached());
    co_return;
  }
  sdk::Principal who = asker.principal();
  who.place = source->owner_place;
  if (who.place.empty()) who.user_id = source->user;
  const sdk::Answer resumed = co_await answered(
      [&](sdk::Callback done) { world_.sessions.resume(who, source->session, std::move(done)); });
  if (!resumed.ok()) {
    co_await tell(asker,
                  resumed.code == sdk::Code::kNotFound || resumed.code == sdk::Code::kSessionDead
                      ? "That session cannot be had again. Start a new one with " +
                            network_.code(world_.line("new")) + "."
                      : "Could not resume session " + network_.code(source->session) + ": " +
                            network_.escaped(resumed.message));
    co_return;
  }
  if (const auto held = conversations_.at(place);
      held && held->binding().session != source->session)
    co_await held->unbind();
  Binding binding = *source;
  // What was said elsewhere is not said here again.
  std::uint64_t newest = 0;
  const sdk::Answer history = co_await answered([&](sdk::Callback done) {
    world_.sessions.history(who, source->session, 0, 1, std::move(done));
  });
  if (const auto page = history.ok() ? parse_entries(history.result) : std::nullopt;
      page && !page->entries.empty()) {
    newest = page->entries.back().number;
    if (binding.place != place) binding.shown_turn = page->entries.back().turn;
  }
  if (binding.place != place) binding.shown_entry = newest;
  binding.place = place;
  binding.active = true;
  binding.user = asker.user;
  if (source->owner_place.empty()) binding.user = source->user;
  conversations_.forget(place);
  if (const auto kept = co_await world_.bindings.put(binding); !kept) {
    co_await tell(asker,
                  "Could not keep the connection: " + network_.escaped(kept.error().message));
    co_return;
  }
  if (const auto here = conversations_.at(place)) here->follow();
  std::string words = "Connected to session " + network_.code(binding.session);
  if (!binding.description.empty())
    words += "\n" + network_.italic(network_.escaped(binding.description));
  co_await say(place, asker.key + "/connected", network_.note(words));
  if (!asker.reply_url.empty() && place != asker.place())
    co_await tell(asker, "Connected, in its own thread.");
}

net::Task<> Commands::run_breakout(std::string name, Asker asker) {
  const auto here = conversations_.at(asker.place());
  if (!here || asker.thread.empty() || asker.is_direct) {
    co_await tell(asker, "Use " + network_.code("breakout") +
                             " within a session's thread, to move it to a channel of its own.");
    co_return;
  }
  const Binding old = here->binding();
  const auto channel = co_await world_.network.open_channel(
      asker, name.empty() ? "amp-" + lower(old.session.substr(2, 8)) : lower(name));
  if (!channel) {
    co_await tell(asker, "The channel could not be made: " + network_.escaped(channel.error()));
    co_return;
  }
  Binding moved = old;
  moved.place = *channel;
  if (const auto kept = co_await world_.bindings.put(moved); !kept) {
    co_await tell(asker,
                  "The session could not be moved: " + network_.escaped(kept.error().message));
    co_return;
  }
  co_await say(
      old.place, asker.key + "/moved",
      network_.note("Session moved: it is " + network_.where(moved) + " now. Continue there!"));
  co_await here->unbind();
  co_await say(moved.place, asker.key + "/here",
               network_.note("Session " + network_.code(old.session) +
                             " moved to this channel. Continue the conversation here."));
  if (const auto there = conversations_.at(moved.place)) there->follow();
}

// ---------------------------------------------------------------- one session

net::Task<std::shared_ptr<Conversation>> Commands::meant(std::string id, std::string word,
                                                         Asker asker) {
  if (!id.empty()) {
    const auto found = find(id, asker);
    if (!found) {
      co_await tell(asker, found.error());
      co_return nullptr;
    }
    if (auto open = conversations_.of(found->session)) co_return open;
    co_await tell(asker, "That session is not connected to any place. " +
                             network_.code(world_.line("connect " + found->session)) +
                             " does that.");
    co_return nullptr;
  }
  if (auto here = conversations_.at(asker.place())) co_return here;
  if (!asker.thread.empty() && !asker.is_whole()) {
    co_await tell(asker, "This thread has no session.");
    co_return nullptr;
  }
  std::vector<Binding> here;
  for (Binding& one : world_.bindings.active_of(asker.team, asker.user))
    if (one.place.channel == asker.channel) here.push_back(std::move(one));
  if (here.size() == 1) co_return conversations_.at(here.front().place);
  if (here.empty()) {
    co_await tell(asker, "You have no session here. Start one with " +
                             network_.code(world_.line("new")) + ".");
    co_return nullptr;
  }
  std::vector<Button> choices;
  for (const Binding& one : here) {
    if (choices.size() == kMostOffered) break;
    choices.push_back({std::string(kPickAction) + ":" + word + ":" + std::to_string(choices.size()),
                       one.description.empty() ? one.session : one.description, one.session,
                       Button::Style::kPlain});
  }
  co_await tell(asker, "Which session do you mean?", choices);
  co_return nullptr;
}

net::Task<> Commands::run_end(std::string id, Asker asker) {
  const auto one = co_await meant(id, "end", asker);
  if (!one) co_return;
  const Binding binding = one->binding();
  const sdk::Answer ended = co_await one->end(asker.principal());
  if (!ended.ok() && ended.code != sdk::Code::kNotFound && ended.code != sdk::Code::kSessionDead) {
    co_await tell(asker, "The session could not be ended: " + network_.escaped(ended.message));
    co_return;
  }
  co_await one->unbind();
  co_await say(binding.place, asker.key + "/ended",
               network_.note("Session ended. Start a new one with " +
                             network_.code(world_.line("new")) + "."));
  if (binding.place != asker.place()) co_await tell(asker, "Session ended.");
}

net::Task<> Commands::run_unbind(std::string id, Asker asker) {
  const auto one = co_await meant(id, "disconnect", asker);
  if (!one) co_return;
  const Binding binding = one->binding();
  if (!co_await one->unbind()) {
    co_await tell(asker, "That could not be written down. Try again.");
    co_return;
  }
  co_await say(binding.place, asker.key + "/unbound",
               network_.note("This conversation is no longer connected. The session lives on: " +
                             network_.code(world_.line("connect " + binding.session)) + "."));
  if (binding.place != asker.place()) co_await tell(asker, "Disconnected.");
}

net::Task<> Commands::run_cancel(std::string id, Asker asker) {
  const auto one = co_await meant(id, "cancel", asker);
  if (!one) co_return;
  const bool works = one->facts().state != "idle" || one->facts().turns_waiting > 0;
  const sdk::Answer stopped = co_await one->cancel(asker.principal());
  if (!stopped.ok())
    co_await tell(asker, "It could not be stopped: " + network_.escaped(stopped.message));
  else if (!works)
    co_await tell(asker, "Nothing is running.");
}

net::Task<> Commands::run_retry(std::string id, Asker asker) {
  const auto one = co_await meant(id, "retry", asker);
  if (!one) co_return;
  const std::uint64_t last = one->binding().shown_turn;
  if (last == 0) {
    co_await tell(asker, "There is nothing to try again yet.");
    co_return;
  }
  const auto again = co_await one->retry(asker.principal(), last, asker.key + "/again");
  if (!again) co_await tell(asker, network_.escaped(again.error().message));
}

net::Task<> Commands::press(std::string action, std::string value, Asker asker) {
  const std::string kind = action.substr(0, action.find(':'));
  if (kind == kConnectAction) {
    co_await run_connect(value, false, asker);
  } else if (kind == kPickAction) {
    const std::size_t word = kind.size() + 1;
    const std::string what = action.substr(word, action.find(':', word) - word);
    if (what == "end")
      co_await run_end(value, asker);
    else if (what == "disconnect")
      co_await run_unbind(value, asker);
    else if (what == "cancel")
      co_await run_cancel(value, asker);
    else if (what == "retry")
      co_await run_retry(value, asker);
    else if (what == "status")
      co_await run_status(value, asker);
  } else if (kind == kPermitAction) {
    const auto choice = parse_permit(value);
    if (!choice) co_return;
    const auto one = conversations_.of(choice->session);
    if (!one) {
      co_await tell(asker, "The session of this request is no longer connected.");
      co_return;
    }
    const sdk::Answer taken =
        co_await one->answer(asker.principal(), choice->entry, choice->option);
    if (taken.code == sdk::Code::kPermissionDenied || taken.code == sdk::Code::kNotFound)
      co_await tell(asker, "Only the person who asked, or an operator, can decide this.");
    else if (!taken.ok())
      co_await tell(asker, network_.escaped(taken.message));
  } else if (kind == kRetryAction || kind == kStopAction) {
    const auto turn = parse_turn(value);
    if (!turn) co_return;
    const auto one = conversations_.of(turn->session);
    if (!one) {
      co_await tell(asker, "That session is no longer connected here.");
      co_return;
    }
    if (kind == kStopAction) {
      const sdk::Answer stopped = co_await one->cancel(asker.principal());
      if (!stopped.ok()) co_await tell(asker, network_.escaped(stopped.message));
      co_return;
    }
    const auto again = co_await one->retry(asker.principal(), turn->turn, asker.key);
    if (!again) co_await tell(asker, network_.escaped(again.error().message));
  }
}

// ---------------------------------------------------------------- whose they are

std::vector<Binding> Commands::own(const Asker& asker) const {
  std::vector<Binding> all;
  for (Binding& one : world_.bindings.of_person(asker.team, asker.user)) {
    const auto same = std::ranges::find(all, one.session, &Binding::session);
    if (same == all.end())
      all.push_back(std::move(one));
    else if (one.active && !same->active)
      *same = std::move(one);
  }
  std::ranges::reverse(all);
  return all;
}

std::expected<Binding, std::string> Commands::find(std::string_view id, const Asker& asker) const {
  std::vector<Binding> found;
  auto all = own(asker);
  // What a shared thread has belongs to everybody in it.
  if (const Binding* here = world_.bindings.find(asker.place()))
    if (std::ranges::find(all, here->session, &Binding::session) == all.end()) all.push_back(*here);
  if (asker.is_operator)
    for (const Binding& one : world_.bindings.all_active())
      if (one.place.team == asker.team &&
          std::ranges::find(all, one.session, &Binding::session) == all.end())
        all.push_back(one);
  for (Binding& one : all) {
    if (one.session == id) return std::move(one);
    if (one.session.starts_with(id) ||
        (one.session.starts_with("s_") && one.session.substr(2).starts_with(id)))
      found.push_back(std::move(one));
  }
  if (found.size() == 1) return std::move(found.front());
  if (found.empty()) return std::unexpected("Session not found: " + network_.code(id));
  std::string words = "Multiple sessions match. Be more specific:\n";
  for (std::size_t i = 0; i < found.size() && i < 5; ++i)
    words +=
        "\n• " + network_.code(found[i].session) + " " + network_.escaped(found[i].description);
  return std::unexpected(words);
}

}  // namespace viaduct::chat
