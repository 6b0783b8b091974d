#include <viaduct/chat/commands.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <viaduct/chat/calls.hpp>
#include <viaduct/chat/value.hpp>

namespace viaduct::chat {
namespace {

constexpr int kTries = 5;  // of a message that a session cannot take now

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
  } else if (const auto* discover = std::get_if<DiscoverCommand>(&command)) {
    co_await run_discover(discover->limit, asker);
  } else if (std::holds_alternative<ConfigCommand>(command)) {
    co_await run_config(asker);
  } else if (const auto* wrong = std::get_if<WrongCommand>(&command)) {
    co_await tell_openly(asker, network_.words(wrong->words(world_.command)));
  } else if (const auto* unknown = std::get_if<UnknownCommand>(&command)) {
    co_await tell_openly(asker, network_.words(unknown->words(world_.command)));
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

net::Task<> Commands::tell_openly(Asker asker, std::string words, std::vector<Button> buttons,
                                  std::string part) {
  Body body = network_.note(words, buttons);
  body.is_open = true;
  co_await whisper(std::move(asker), std::move(body), std::move(part));
}

net::Task<> Commands::say(Place place, std::string key, Body body) {
  if (const auto kept = co_await world_.network.post(std::move(place), key, std::move(body)); !kept)
    log_.error("message not kept for sending key=" + key + " reason=" + kept.error().message);
}

net::Task<> Commands::to_session(Asker asker, Said said) {
  const Place place = asker.place();
  std::optional<Binding> before;
  if (is_left(place)) before = *world_.bindings.find(place);
  const auto found = co_await begin(place, asker, {"", "", said.text});
  if (!found) {
    // A surface may have shown one already.
    world_.network.show_life(place, said.message, Life::kDone);
    co_await tell(asker, found.error(), {}, "refused");
    co_return;
  }
  const std::shared_ptr<Conversation> conversation = *found;
  if (before && before->session != conversation->binding().session) {
    const auto now = co_await facts(*before);
    if (!now || now->ended)
      co_await say(place, asker.key + "/anew",
                   network_.note("This is a new session, the one before has ended. Go on with that "
                                 "one: " +
                                 network_.code(world_.line("resume " + before->session)) + "."));
  }
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

// ---------------------------------------------------------------- what was here before

bool Commands::is_left(const Place& place) const {
  const Binding* const last = world_.bindings.find(place);
  return last != nullptr && !last->active && !last->told && !is_beginning(place);
}

net::Task<> Commands::tell_left(Asker asker) {
  const Place place = asker.place();
  if (!is_left(place)) co_return;
  Binding last = *world_.bindings.find(place);
  last.told = true;
  // First, so that nobody else is told meanwhile.
  if (const auto kept = co_await world_.bindings.update(last); !kept)
    log_.warn("binding not kept, what has become of it is said again session=" + last.session +
              " reason=" + kept.error().message);
  co_await tell_openly(asker, co_await gone_words(last.session), {}, "left");
}

net::Task<std::string> Commands::gone_words(std::string session) {
  const auto all = world_.bindings.of_session(session);
  for (const Binding& one : all)
    if (one.active) co_return "The session is " + network_.where(one) + " now. Continue there.";
  const auto now = all.empty() ? std::nullopt : co_await facts(all.back());
  if (!now || now->ended)
    co_return "Session has ended. Start a new one with " + network_.code(world_.line("new")) +
        ". Go on with this one: " + network_.code(world_.line("resume " + session)) + ".";
  co_return "The session is not connected to any place. " +
      network_.code(world_.line("connect " + session)) + " does that.";
}

// ---------------------------------------------------------------- buttons

net::Task<> Commands::press(std::string action, std::string value, Asker asker) {
  const std::string kind = action.substr(0, action.find(':'));
  if (kind == kConnectAction) {
    co_await run_connect(value, false, asker);
  } else if (const auto left = parse_left(value); kind == kAdoptAction && left) {
    co_await run_adopt(*left, asker);
  } else if (kind == kPickAction) {
    const std::size_t word = std::min(kind.size() + 1, action.size());
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
    else
      co_await tell_openly(asker, "There is nothing like that here.");
  } else if (const auto choice = parse_permit(value); kind == kPermitAction && choice) {
    co_await press_permit(*choice, asker);
  } else if (const auto turn = parse_turn(value);
             turn && (kind == kRetryAction || kind == kStopAction || kind == kShowAction)) {
    if (!may_have(turn->session, asker)) {
      co_await tell_openly(asker, "That session is not yours.");
      co_return;
    }
    if (kind == kShowAction) {
      // What was said elsewhere is not for whoever is here.
      const auto here = conversations_.of(turn->session, asker.place());
      if (!here || !here->has_said(turn->turn)) {
        co_await tell(asker, "That was not said here.");
        co_return;
      }
      const auto shown = co_await here->show_again(turn->turn, asker.key + "/shown");
      if (!shown)
        co_await tell(asker, "It cannot be read now: " + network_.escaped(shown.error().message) +
                                 ". Press again in a moment.");
      co_return;
    }
    const auto one = conversations_.of(turn->session);
    if (!one) {
      co_await tell(asker, co_await gone_words(turn->session));
      co_return;
    }
    if (kind == kRetryAction) {
      co_await try_again(one, turn->turn, asker.place(), asker);
      co_return;
    }
    const sdk::Answer stopped = co_await one->cancel(asker.principal(), turn->turn);
    if (!stopped.ok()) co_await tell(asker, network_.escaped(stopped.message));
  } else {
    // No button of ours, or one of an older version.
    co_await tell_openly(asker, "There is nothing like that here.");
  }
}

net::Task<> Commands::press_permit(PermitValue choice, Asker asker) {
  const std::string refused = "Only the person who asked, or an operator, can decide this.";
  if (!may_have(choice.session, asker)) {
    co_await tell_openly(asker, refused);
    co_return;
  }
  const auto one = conversations_.of(choice.session);
  if (!one) {
    co_await tell(asker, co_await gone_words(choice.session));
    co_return;
  }
  const sdk::Answer taken = co_await one->answer(asker.principal(), choice.entry, choice.option);
  if (taken.code == sdk::Code::kPermissionDenied || taken.code == sdk::Code::kNotFound)
    co_await tell_openly(asker, refused);
  else if (!taken.ok())
    co_await tell(asker, network_.escaped(taken.message));
  else if (const Value decided = Value::parsed(taken.result);
           decided.text("option_id") != choice.option)
    co_await tell_openly(
        asker, "This was decided already, by " + network_.escaped(decided.text("by")) + ".");
}

}  // namespace viaduct::chat
