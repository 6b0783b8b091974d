// The commands about one session, and whose sessions are whose.
#include <viaduct/chat/commands.hpp>

#include <algorithm>
#include <utility>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/words.hpp>

namespace viaduct::chat {
namespace {

constexpr std::size_t kMostOffered = 10;

}  // namespace

net::Task<std::shared_ptr<Conversation>> Commands::meant(std::string id, std::string word,
                                                         Asker asker) {
  if (!id.empty()) {
    const auto found = find(id, asker);
    if (!found) {
      co_await tell(asker, found.error());
      co_return nullptr;
    }
    if (auto open = conversations_.of(found->session)) co_return open;
    co_await tell(asker, co_await gone_words(found->session));
    co_return nullptr;
  }
  if (auto here = conversations_.at(asker.place())) co_return here;
  if (!asker.thread.empty() && !asker.is_whole()) {
    co_await tell_openly(asker, "This thread has no session.");
    co_return nullptr;
  }
  std::vector<Binding> here;
  for (Binding& one : world_.bindings.active_of(asker.team, asker.user))
    if (one.place.channel == asker.channel) here.push_back(std::move(one));
  if (here.size() == 1) co_return conversations_.at(here.front().place);
  if (here.empty()) {
    co_await tell_openly(asker, "You have no session here. Start one with " +
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

std::string Commands::by(const Asker& asker, const Binding& binding) const {
  return asker.user == binding.user ? "" : " by " + network_.person(asker);
}

std::string Commands::named(const Binding& binding) const {
  return network_.bold(name_of(binding, nullptr)) + " " + network_.code(binding.session) + " " +
         network_.where(binding) + ".";
}

net::Task<> Commands::run_end(std::string id, Asker asker) {
  const auto one = co_await meant(id, "end", asker);
  if (!one) co_return;
  const Binding binding = one->binding();
  const auto before = co_await facts(binding);
  const sdk::Answer ended = co_await one->end(asker.principal());
  if (!ended.ok() && ended.code != sdk::Code::kNotFound && ended.code != sdk::Code::kSessionDead) {
    co_await tell(asker, "The session could not be ended: " + network_.escaped(ended.message));
    co_return;
  }
  if (!co_await one->unbind())
    log_.error("binding of an ended session not given up session=" + binding.session);
  std::string words = "Session ended" + by(asker, binding) + ". Start a new one with " +
                      network_.code(world_.line("new")) + ". Go on with this one: " +
                      network_.code(world_.line("resume " + binding.session)) + ".";
  if (before && before->turns_waiting > 0) words += "\n" + unanswered_words(before->turns_waiting);
  co_await say(binding.place, asker.key + "/ended", network_.note(words));
  if (binding.place != asker.place()) co_await tell(asker, "Session ended: " + named(binding));
}

net::Task<> Commands::run_unbind(std::string id, Asker asker) {
  const auto one = co_await meant(id, "disconnect", asker);
  if (!one) co_return;
  const Binding binding = one->binding();
  if (!co_await one->unbind()) {
    co_await tell(asker, "That could not be written down. Try again.");
    co_return;
  }
  co_await say(
      binding.place, asker.key + "/unbound",
      network_.note(
          "This conversation is no longer connected" +
          (by(asker, binding).empty() ? std::string() : ", it was let go of" + by(asker, binding)) +
          ". The session lives on: " + network_.code(world_.line("connect " + binding.session)) +
          "."));
  if (binding.place != asker.place()) co_await tell(asker, "Disconnected: " + named(binding));
}

net::Task<> Commands::run_cancel(std::string id, Asker asker) {
  const auto one = co_await meant(id, "cancel", asker);
  if (!one) co_return;
  const bool works = one->facts().state != "idle" || one->facts().turns_waiting > 0;
  const sdk::Answer stopped = co_await one->cancel(asker.principal());
  if (!stopped.ok())
    co_await tell(asker, "It could not be stopped: " + network_.escaped(stopped.message));
  else if (!works)
    co_await tell_openly(asker, "Nothing is running.");
}

net::Task<> Commands::run_retry(std::string id, Asker asker) {
  const auto one = co_await meant(id, "retry", asker);
  if (!one) co_return;
  const std::uint64_t last = one->binding().shown_turn;
  if (last == 0)
    co_await tell_openly(asker, "There is nothing to try again yet.");
  else
    co_await try_again(one, last, one->binding().place, asker);
}

net::Task<> Commands::try_again(std::shared_ptr<Conversation> one, std::uint64_t turn, Place place,
                                Asker asker) {
  const Binding binding = one->binding();
  const auto again = co_await one->retry(asker.principal(), turn, place);
  if (!again)
    co_await tell(asker, network_.escaped(again.error().message));
  else if (*again == Conversation::Retried::kBefore)
    co_await tell_openly(asker, "That was tried again already.");
  else if (binding.active && binding.place != place)
    co_await tell(asker, "The answer comes " + network_.where(binding) + ".");
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

bool Commands::may_have(const std::string& session, const Asker& asker) const {
  return std::ranges::any_of(world_.bindings.of_session(session), [&](const Binding& one) {
    return one.place.team == asker.team &&
           (asker.is_operator || one.user == asker.user || one.place == asker.place());
  });
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
  if (found.empty())
    return std::unexpected("Session not found: " + network_.code(id) + ". " +
                           network_.code(world_.line("list")) + " shows yours.");
  std::string words = "Multiple sessions match. Be more specific:\n";
  for (std::size_t i = 0; i < found.size() && i < 5; ++i)
    words +=
        "\n• " + network_.code(found[i].session) + " " + network_.escaped(found[i].description);
  return std::unexpected(words);
}

}  // namespace viaduct::chat
