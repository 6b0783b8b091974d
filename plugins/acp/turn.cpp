// A turn of a session: what the agent says in it, around it, and how it ends.
#include "plugins/acp/session.hpp"

#include <algorithm>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLate{250};      // what comes so soon after a turn's end still belongs to it
constexpr milliseconds kGathered{300};  // text outside of any turn is one notice
constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kMostWaiting = 4 << 20;  // before the agent has to wait, too
constexpr std::size_t kCost = 64;              // of one thing that waits

sdk::StopReason stop_reason(std::string_view name, std::string& notice) {
  if (name == "max_tokens") return sdk::StopReason::kMaxTokens;
  if (name == "max_turn_requests") return sdk::StopReason::kMaxTurnRequests;
  if (name == "refusal") return sdk::StopReason::kRefusal;
  if (name == "cancelled")  // some do that when a permission was refused
    notice = "The agent stopped here.";
  else if (name != "end_turn")
    notice = "The agent ended the turn for an unknown reason: " + std::string(name);
  return sdk::StopReason::kEndTurn;
}

bool is_replay(Update::Kind kind) {
  switch (kind) {
    case Update::Kind::kCommands:
    case Update::Kind::kMode:
    case Update::Kind::kOptions:
    case Update::Kind::kTitle: return false;
    default: return true;
  }
}

}  // namespace

void Session::prompt(const sdk::Prompt& prompt, sdk::Turn turn) {
  if (!agent_ || !agent_->usable()) return turn.fail(sdk::Code::kNotFound, "no such session");
  if (run_) return turn.fail(sdk::Code::kBusy, "another turn is running");
  say_gathered();
  const auto run = std::make_shared<Run>(context_.loop.context(), std::move(turn));
  run_ = run;
  if (own_command(run, prompt.text)) return;
  agent_->begin();
  run->heard = steady_clock::now();
  watch_silence(run, context_.config.silence);
  agent_->connection().request(
      "session/prompt",
      prompt_params(native_id_, prompt.text, prompt.blocks_json, prompt.context_json,
                    agent_->can()),
      milliseconds{0}, [self = shared_from_this(), run, agent = agent_](const CallResult& answer) {
        agent->finish();
        run->answered = true;
        self->in_turn(0, [here = self.get(), run, answer] { here->prompted(run, answer); });
      });
}

// "/model NAME" and "/mode NAME", where the agent has the choice and no such command of its own.
bool Session::own_command(const RunPtr& run, std::string_view text) {
  for (const std::string_view name : {"model", "mode"}) {
    if (!text.starts_with('/') || !text.substr(1).starts_with(name)) continue;
    std::string_view value = text.substr(1 + name.size());
    if (!value.empty() && value.find_first_of(" \t\n") != 0) continue;
    const auto option = std::ranges::find_if(
        options_, [&](const Option& one) { return one.id == name || one.category == name; });
    if (option == options_.end() || commands_.contains(std::string(name))) continue;
    const std::size_t first = value.find_first_not_of(" \t\n");
    value = first == std::string_view::npos ? "" : value.substr(first);
    value = value.substr(0, value.find_last_not_of(" \t\n") + 1);

    std::string said;
    if (value.empty()) {
      said = option->name + ":\n";
      for (const Choice& choice : option->choices)
        said += "\n- `" + choice.value + "`" +
                (choice.name != choice.value ? " " + choice.name : "") +
                (choice.value == option->current ? " (now)" : "");
    } else if (const auto chosen = choose(options_, option->id, value); !chosen) {
      said = chosen.error();
    } else {
      run->own = true;
      apply({{option->id, chosen->value}}, 0,
            [self = shared_from_this(), run, id = option->id, value = chosen->value] {
              if (self->run_ != run) return;
              const auto found = std::ranges::find(self->options_, id, &Option::id);
              const bool taken = found != self->options_.end() && found->current == value;
              run->turn.text(taken ? found->name + ": " + value
                                   : "The agent did not take " + value + ".");
              if (taken) {
                std::erase_if(self->wanted_, [&](const auto& one) { return one.first == id; });
                self->wanted_.emplace_back(id, value);
                run->chosen.emplace_back(id, value);
                self->sink_.options(self->options());
              }
              self->end(sdk::StopReason::kEndTurn, "");
            });
      return true;
    }
    run->turn.text(said);
    end(sdk::StopReason::kEndTurn, "");
    return true;
  }
  return false;
}

void Session::prompted(const RunPtr& run, const CallResult& answer) {
  // Without an answer the agent has ended, and agent_ended says so.
  if (run_ != run || (!answer && !answer.error().answered)) return;
  if (run->timed_out)
    return fail({sdk::Code::kTimeout, "The agent said nothing for too long and was cancelled"});
  if (run->cancelling) return end(sdk::StopReason::kCancelled, "");
  if (answer) {
    context_.agents.worked();
    const PromptAnswer told = parse_prompt(*answer);
    std::string notice;
    const sdk::StopReason reason = stop_reason(told.stop_reason, notice);
    if (!notice.empty()) run->turn.notice(notice);
    return end(reason, told.usage);
  }
  sdk::Status status = status_of(answer.error(), context_.config);
  if (is_unknown_session(answer.error()) && !run->said) {
    // Nothing ran: the host has it back another way.
    fail({sdk::Code::kNotFound, status.message});
    return let_go();
  }
  fail(status);
}

Session::RunPtr Session::finish_run() {
  RunPtr run = std::exchange(run_, nullptr);
  for (auto& [item, asked] : std::exchange(run->asked, {})) asked.decided("");
  run->silence.cancel();
  run->grace.cancel();
  late_turn_ = run->turn.number();
  late_until_ = steady_clock::now() + kLate;
  return run;
}

void Session::end(sdk::StopReason reason, std::string_view usage) {
  const RunPtr run = finish_run();
  run->turn.end(reason, native_id_, usage, chosen_json(run->chosen));
}

void Session::fail(const sdk::Status& status) {
  finish_run()->turn.fail(status);
}

// ---------------------------------------------------------------- what the agent says

void Session::updated(Update update) {
  if (replay_ == Replay::kDiscarded && is_replay(update.kind)) {
    ++replayed_;
    return;
  }
  if (run_) run_->heard = steady_clock::now();
  // The host takes long texts in pieces.
  const bool is_long = update.kind == Update::Kind::kText && update.text.size() > kPiece;
  if (!is_long) return queue(std::move(update));
  const std::string text = std::move(update.text);
  for (std::string_view rest = text; !rest.empty();) {
    update.text = net::prefix(rest, kPiece);
    rest.remove_prefix(update.text.size());
    queue(update);
  }
}

void Session::queue(Update update) {
  const std::size_t size = update.text.size() + update.json.size();
  in_turn(size, [this, update = std::move(update)] { speak(update); });
}

void Session::speak(const Update& update) {
  using Kind = Update::Kind;
  const sdk::Sink& out = run_ ? run_->turn : sink_;
  if (run_ && is_replay(update.kind)) run_->said = true;
  switch (update.kind) {
    case Kind::kText:
      if (update.text.empty()) return;
      if (run_) return took(run_->turn.text(update.text, update.item));
      if (late_turn_ != 0 && steady_clock::now() < late_until_) {
        sdk::Sink(context_.host, handle_, late_turn_).text(update.text, update.item);
        return;
      }
      return gather(update.text);
    case Kind::kThought:
      if (run_ && !update.text.empty()) took(run_->turn.thought(update.text, update.item));
      return;
    case Kind::kToolCall:
      if (!run_) return;  // of a turn that has ended: its call has been closed
      if (update.status == "completed" || update.status == "failed")
        run_->open_tools.erase(update.item);
      else if (!run_->cancelling)
        run_->open_tools.insert(update.item);
      return took(run_->turn.tool_call(
          update.item, run_->output.shown(update, [this](const std::string& terminal) {
            const auto output = terminals_.output(terminal);
            return output ? output->text : "";
          })));
    case Kind::kPlan:
      if (run_) took(run_->turn.plan(update.json));
      return;
    case Kind::kUsage:
      if (run_) took(run_->turn.usage(update.json));
      return;
    case Kind::kNotice: out.notice(update.text); return;
    case Kind::kTitle:
      if (!update.text.empty()) sink_.title(update.text);
      return;
    case Kind::kCommands: {
      commands_ = command_names(update.json);
      commands_json_ = update.json;
      return tell_commands();
    }
    case Kind::kMode:
      for (Option& option : options_)
        if (option.how == Option::How::kMode) option.current = update.text;
      sink_.options(options());
      return;
    case Kind::kOptions:
      options_ = replaced(options_, update.options);
      sink_.options(options());
      return;
    case Kind::kUserText:
    case Kind::kIgnored: return;
    case Kind::kUnknown: context_.metrics.count("agent_unknown_updates_total"); return;
  }
}

// The agent's commands, and our own where it has none of that name.
void Session::tell_commands() {
  std::vector<OwnCommand> own;
  for (const char* name : {"model", "mode"}) {
    const bool has = std::ranges::any_of(options_, [&](const Option& option) {
      return option.id == name || option.category == name;
    });
    if (has) own.push_back({name, std::string("Choose the ") + name, "name"});
  }
  sink_.commands(with_commands(commands_json_, own));
}

// Text outside of any turn comes in pieces, too: what comes together is one notice.
void Session::gather(std::string_view text) {
  const bool waits = !gathered_.empty();
  gathered_ += text;
  if (waits) return;
  auto timer = std::make_shared<asio::steady_timer>(context_.loop.context(), kGathered);
  timer->async_wait(
      [self = shared_from_this(), timer](boost::system::error_code) { self->say_gathered(); });
}
void Session::say_gathered() {
  if (const std::string said = std::exchange(gathered_, ""); !said.empty() && !closed_)
    sink_.notice(said);
}

// The host has no room: what comes waits here, in order, and when that is much, so does the agent.
void Session::took(sdk::Flow flow) {
  if (flow == sdk::Flow::kBusy) busy_ = true;
}
void Session::in_turn(std::size_t size, std::function<void()> act) {
  if (!busy_) return act();
  waiting_bytes_ += size + kCost;
  waiting_.push_back({size + kCost, std::move(act)});
  if (waiting_bytes_ > kMostWaiting && agent_ && !std::exchange(holding_, true))
    agent_->connection().hold(true);
}
void Session::writable() {
  const auto self = shared_from_this();
  busy_ = false;
  while (!busy_ && !waiting_.empty()) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= next.size;
    next.act();
  }
  if (waiting_.empty()) read_on();
}
// Nothing waits for room any more: the SDK keeps it.
void Session::say_all() {
  while (!waiting_.empty()) writable();
}
void Session::read_on() {
  if (std::exchange(holding_, false) && agent_) agent_->connection().hold(false);
}

// ---------------------------------------------------------------- cancel, and silence

void Session::cancel(std::uint64_t turn) {
  const RunPtr run = run_;
  if (!run || run->turn.number() != turn || run->cancelling) return;
  run->cancelling = true;
  if (run->own) return end(sdk::StopReason::kCancelled, "");
  if (agent_) agent_->connection().notify("session/cancel", id_params(native_id_));
  decide_all();
  for (const std::string& tool : std::exchange(run->open_tools, {}))
    run->turn.tool_call(tool, R"({"status":"failed"})");
  if (!agent_) return;
  say_all();  // the host takes no more text of it
  run->grace.expires_after(context_.config.cancel_grace);
  run->grace.async_wait([weak = weak_from_this(), run](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->run_ != run || !self->agent_) return;
    self->context_.log.warn("agent killed because it did not cancel session=" + self->session_id_);
    self->agent_->kill("The agent was killed because it did not stop");
  });
}

void Session::watch_silence(const RunPtr& run, milliseconds wait) {
  if (context_.config.silence.count() == 0) return;
  run->silence.expires_after(wait);
  run->silence.async_wait([weak = weak_from_this(), run](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->run_ != run) return;
    const milliseconds limit = self->context_.config.silence;
    if (!run->asked.empty()) return self->watch_silence(run, limit);  // a person's turn to speak
    const auto quiet = std::chrono::duration_cast<milliseconds>(steady_clock::now() - run->heard);
    if (quiet < limit) return self->watch_silence(run, limit - quiet);
    run->timed_out = true;
    self->cancel(run->turn.number());
  });
}

}  // namespace viaduct::acp
