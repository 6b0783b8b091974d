// The commands that give a place its session: new, connect and resume, breakout, adopt.
#include <viaduct/chat/commands.hpp>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/chat/words.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::chat {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLongestDescription = 150;
constexpr auto kLate = 15s;  // after which somebody who waits for a thread is told

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

bool Commands::is_full(const Asker& asker, const Conversation* leaves) const {
  const auto reserved = reserved_.find(asker.team + "/" + asker.user);
  const auto active = world_.bindings.active_of(asker.team, asker.user);
  const bool makes_room = leaves != nullptr && std::ranges::find(active, leaves->binding().session,
                                                                 &Binding::session) != active.end();
  return active.size() + (reserved == reserved_.end() ? 0 : reserved->second) >=
         rules_.max_sessions_per_user + (makes_room ? 1 : 0);
}

std::optional<std::string> Commands::why_not(const std::string& dir, const Asker& asker) const {
  if (is_full(asker, nullptr)) return limit_reached();
  if (const auto found = folder(dir, asker); !found) return found.error();
  return std::nullopt;
}

std::string Commands::limit_reached() const {
  return "Session limit reached (" + std::to_string(rules_.max_sessions_per_user) +
         "). End an existing session first. " + network_.code(world_.line("sessions")) +
         " shows them, and " + network_.code(world_.line("end ID")) + " ends one.";
}

net::Task<std::expected<std::shared_ptr<Conversation>, std::string>> Commands::begin(
    Place place, Asker asker, Wanted wanted) {
  using Refused = std::unexpected<std::string>;
  // A second event for the same place waits for the first.
  while (beginning_.contains(place.key())) {
    boost::asio::steady_timer pause(world_.loop.context(), 50ms);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
  const auto held = conversations_.at(place);
  if (held && !wanted.instead) co_return held;

  const std::string person = asker.team + "/" + asker.user;
  if (is_full(asker, held.get())) co_return Refused(limit_reached());
  const auto dir = folder(wanted.dir, asker);
  if (!dir) co_return Refused(dir.error());

  const std::string key = place.key();
  beginning_.insert(key);
  ++reserved_[person];
  const auto release = [&] {
    if (--reserved_[person] == 0) reserved_.erase(person);
  };
  bool is_released = false;
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
  const auto session = made.ok() ? parse_session(made.result) : std::nullopt;
  if (session && held && held->binding().session == session->id) {
    result = held;  // this command was run before
  } else if (session && held && !co_await held->unbind()) {
    result = Refused("The present conversation could not be let go. Try again.");
  } else if (session) {
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
    // From here on the binding counts, while it is written, too.
    release();
    is_released = true;
    const auto kept = co_await world_.bindings.put(std::move(binding));
    if (kept)
      result = conversations_.at(place);
    else
      result = Refused("The session could not be kept: " + network_.escaped(kept.error().message));
  }
  beginning_.erase(key);
  if (!is_released) release();
  co_return result;
}

// ---------------------------------------------------------------- threads

net::Task<> Commands::tell_if_late(std::shared_ptr<boost::asio::steady_timer> limit, Asker asker) {
  const auto [stopped] =
      co_await limit->async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  if (!stopped)
    co_await tell(asker, "It takes longer than usual; the thread will appear.", {}, "late");
}

net::Task<std::expected<std::string, std::string>> Commands::open_thread(Asker asker,
                                                                         std::string words) {
  const std::string key = asker.key + "/root";
  const auto limit = std::make_shared<boost::asio::steady_timer>(world_.loop.context(), kLate);
  world_.loop.spawn(tell_if_late(limit, asker));
  auto thread = co_await world_.network.open_thread(asker, key, network_.note(words));
  limit->cancel();
  if (!thread) co_return std::unexpected("No thread could be opened here: " + thread.error());
  co_return *std::move(thread);
}

net::Task<std::optional<Place>> Commands::place_for(Asker asker, std::string words) {
  Place place = asker.place();
  if (asker.is_whole() || !asker.thread.empty()) co_return place;
  place.thread = asker.message;
  if (!place.thread.empty()) co_return place;
  auto thread = co_await open_thread(asker, std::move(words));
  if (!thread) {
    co_await tell(asker, network_.escaped(thread.error()));
    co_return std::nullopt;
  }
  place.thread = *std::move(thread);
  co_return place;
}

// ---------------------------------------------------------------- new

net::Task<> Commands::run_new(NewCommand command, Asker asker) {
  if (!asker.is_whole() && !asker.thread.empty() && conversations_.at(asker.place())) {
    co_await tell_openly(
        asker, network_.words("This thread has a session already. Say `new` outside of it, or end "
                              "it first with `end`."));
    co_return;
  }
  // What can be known before is said before, and no thread is left behind.
  const bool opens = !asker.is_whole() && asker.thread.empty() && asker.message.empty();
  if (opens) {
    if (const auto no = why_not(command.dir, asker)) {
      co_await tell(asker, *no);
      co_return;
    }
  }
  std::string head = "New session of " + network_.person(asker);
  if (!command.description.empty()) head += ": " + network_.escaped(command.description);
  const auto place = co_await place_for(asker, std::move(head));
  if (!place) co_return;
  // In a direct message it takes the place of the old one, which lives on.
  const auto begun = co_await begin(
      *place, asker, {command.dir, command.backend, command.description, asker.is_whole()});
  if (!begun) {
    // Where a thread was opened for it, it is said there: once.
    if (opens)
      co_await say(*place, asker.key + "/failed", network_.note(begun.error()));
    else
      co_await tell(asker, begun.error());
    co_return;
  }
  const Binding& binding = (*begun)->binding();
  std::string words = "Started new session " + network_.code(binding.session) + " in " +
                      network_.code(folder_words(binding.working_dir));
  if (!binding.description.empty())
    words += "\n" + network_.italic(network_.escaped(binding.description));
  const bool hears_all = network_.hears_all(*place);
  if (asker.is_whole())
    words +=
        hears_all ? "\nSay what you want it to do." : "\nMention me with what you want it to do.";
  else
    words += hears_all ? "\nReply in this thread to interact with the session."
                       : "\nMention me in this thread to interact with the session.";
  (*begun)->follow();
  co_await say(*place, asker.key + "/started", network_.note(words));
  if (!asker.reply_url.empty() && !asker.is_whole())
    co_await tell(asker, "Started, in the thread above.");
}

// ---------------------------------------------------------------- one that there is

net::Task<net::Result<>> Commands::move(Binding binding, Asker asker) {
  sdk::Principal who = asker.principal();
  who.place = binding.owner_place;
  if (who.place.empty()) who.user_id = binding.user;
  std::vector<Place> left;
  for (const Binding& one : world_.bindings.of_session(binding.session))
    if (one.active && one.place != binding.place) left.push_back(one.place);
  if (const Binding* here = world_.bindings.find(binding.place);
      here != nullptr && here->session == binding.session) {
    binding.shown_turn = here->shown_turn;
    binding.shown_entry = here->shown_entry;
    binding.owes = here->owes;
    binding.cut_turn = here->cut_turn;
    binding.cuts = here->cuts;
  } else {
    binding.cut_turn = 0;
    binding.cuts.clear();
    // What was said elsewhere is not said here again, and what was asked there is answered there.
    // The newest entries may be of no turn.
    std::uint64_t newest = 0;
    for (std::uint64_t before = 0; newest == 0;) {
      const sdk::Answer history = co_await answered([&](sdk::Callback done) {
        world_.sessions.history(who, binding.session, before, 200, std::move(done));
      });
      const auto page = history.ok() ? parse_entries(history.result) : std::nullopt;
      if (!page || page->entries.empty()) break;
      if (before == 0) binding.shown_entry = page->entries.back().number;
      for (const Entry& entry : page->entries) newest = std::max(newest, entry.turn);
      if (!page->more) break;
      before = page->entries.front().number;
    }
    binding.shown_turn = std::max(binding.shown_turn, newest);
    binding.owes = false;
  }
  for (const Place& place : left) {
    const auto there = conversations_.at(place);
    if (!there) continue;
    binding.shown_turn = std::max(binding.shown_turn, there->last_turn());
    if (!co_await there->unbind())
      co_return std::unexpected(
          sdk::Status{sdk::Code::kUnavailable, "the place where it was could not be let go"});
  }
  if (const auto held = conversations_.at(binding.place);
      held && held->binding().session != binding.session && !co_await held->unbind())
    co_return std::unexpected(
        sdk::Status{sdk::Code::kUnavailable, "the present conversation could not be let go"});
  binding.active = true;
  binding.told = false;
  binding.last_turn = 0;
  conversations_.forget(binding.place);
  if (const auto kept = co_await world_.bindings.put(binding); !kept) co_return kept;
  if (const auto here = conversations_.at(binding.place)) here->follow();
  for (const Place& place : left)
    co_await say(
        place, asker.key + "/moved@" + place.key(),
        network_.note("Session moved: it is " + network_.where(binding) + " now. Continue there."));
  co_return net::Result<>();
}

net::Task<> Commands::run_connect(std::string id, bool revive, Asker asker) {
  if (id.empty()) {
    const Binding* here = world_.bindings.find(asker.place());
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
  if (const auto held = conversations_.at(asker.place())) {
    if (held->binding().session == source->session && !revive) {
      co_await tell_openly(asker, "This is that session's thread.");
      co_return;
    }
    if (held->binding().session != source->session && !asker.is_whole()) {
      co_await tell_openly(asker,
                           "This thread has another session. Say it outside of this thread.");
      co_return;
    }
  }
  const auto active = world_.bindings.active_of(asker.team, asker.user);
  const bool counts = std::ranges::none_of(
      active, [&](const Binding& one) { return one.session == source->session; });
  const auto leaves = asker.is_whole() ? conversations_.at(asker.place()) : nullptr;
  if (counts && is_full(asker, leaves.get())) {
    co_await tell_openly(asker, limit_reached());
    co_return;
  }
  sdk::Principal who = asker.principal();
  who.place = source->owner_place;
  if (who.place.empty()) who.user_id = source->user;
  const sdk::Answer resumed = co_await answered(
      [&](sdk::Callback done) { world_.sessions.resume(who, source->session, std::move(done)); });
  if (!resumed.ok()) {
    log_.warn("session not resumed session=" + source->session + " reason=" + resumed.message);
    co_await tell(asker,
                  resumed.code == sdk::Code::kNotFound || resumed.code == sdk::Code::kSessionDead
                      ? "That session cannot be had again. Start a new one with " +
                            network_.code(world_.line("new")) + "."
                      : "Could not resume session " + network_.code(source->session) + ": " +
                            network_.escaped(resumed.message));
    co_return;
  }
  const auto place = co_await place_for(
      asker,
      network_.person(asker) + " goes on with a session: " +
          network_.escaped(source->description.empty() ? source->session : source->description));
  if (!place) co_return;
  Binding binding = *source;
  binding.place = *place;
  binding.user = source->owner_place.empty() ? source->user : asker.user;
  co_await settle_in(std::move(binding), asker);
}

net::Task<> Commands::settle_in(Binding binding, Asker asker) {
  if (const auto moved = co_await move(binding, asker); !moved) {
    co_await tell(asker,
                  "Could not keep the connection: " + network_.escaped(moved.error().message));
    co_return;
  }
  std::string words = "Connected to session " + network_.code(binding.session);
  if (!binding.description.empty())
    words += "\n" + network_.italic(network_.escaped(binding.description));
  co_await say(binding.place, asker.key + "/connected", network_.note(words));
  if (!asker.reply_url.empty() && binding.place != asker.place())
    co_await tell(asker, "Connected, in its own thread.");
}

net::Task<> Commands::run_adopt(LeftValue left, Asker asker) {
  if (!asker.is_operator) {
    co_await tell(asker, operators_only());
    co_return;
  }
  const auto place =
      co_await place_for(asker, network_.person(asker) + " takes over a session of " +
                                    network_.escaped(left.backend) + ".");
  if (!place) co_return;
  if (conversations_.at(*place) && !asker.is_whole()) {
    co_await tell(asker, "This thread has another session. Say it outside of this thread.");
    co_return;
  }
  sdk::Principal who = asker.principal();
  if (!asker.is_direct) who.place = place->key();
  const sdk::Answer adopted = co_await answered([&](sdk::Callback done) {
    world_.sessions.adopt(who, left.native_id, left.backend, std::move(done));
  });
  const auto session = adopted.ok() ? parse_adopted(adopted.result) : std::nullopt;
  if (!session) {
    log_.warn("session not taken over native_id=" + left.native_id + " reason=" + adopted.message);
    co_await tell(asker, "It could not be taken over: " + network_.escaped(adopted.message));
    co_return;
  }
  Binding binding;
  binding.place = *place;
  binding.session = session->id;
  binding.owner_place = who.place;
  binding.user = asker.user;
  binding.working_dir = session->working_dir;
  binding.description = net::one_line(session->name(), kLongestDescription);
  binding.backend = session->backend;
  binding.created_at = now_rfc3339();
  co_await settle_in(std::move(binding), asker);
}

net::Task<> Commands::run_breakout(std::string name, Asker asker) {
  const auto here = conversations_.at(asker.place());
  if (here && asker.thread.empty() && !asker.is_whole()) {
    co_await tell_openly(asker, "This channel is the session's own already.");
    co_return;
  }
  if (!here || asker.thread.empty() || asker.is_direct) {
    co_await tell_openly(asker,
                         "Use " + network_.code("breakout") +
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
  if (const auto kept = co_await move(moved, asker); !kept) {
    co_await tell(asker,
                  "The session could not be moved: " + network_.escaped(kept.error().message));
    co_return;
  }
  if (old.user != asker.user) co_await world_.network.invite(moved.place, old.user);
  co_await say(moved.place, asker.key + "/here",
               network_.note("Session " + network_.code(old.session) +
                             " moved to this channel. Continue the conversation here."));
}

}  // namespace viaduct::chat
