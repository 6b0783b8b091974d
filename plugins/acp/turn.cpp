// A turn of a session: what the agent says in it, around it, and how it ends.
#include "plugins/acp/session.hpp"

#include <algorithm>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLate{250};  // what comes so soon after a turn's end still belongs to it
constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kMostWaiting = 4 << 20;  // before the agent has to wait, too
constexpr std::size_t kCost = 64;              // of one thing that waits
constexpr std::size_t kMostMeta = 16 << 10;
constexpr std::size_t kMostOpenTools = 1000;

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
  const auto run = std::make_shared<Run>(context_.loop.context(), std::move(turn));
  run_ = run;
  // Nobody knows what an agent reads besides a command: it is given what was said before again.
  run->had_restored = prompt.restored.empty() || !is_command(prompt.text);
  if (own_command(run, prompt.text)) return;
  std::string params = prompt_params(native_id_, prompt.text, prompt.blocks_json,
                                     prompt.context_json, agent_->can(), prompt.restored);
  if (!replay_ || !replay_->is_late()) return send_prompt(run, params);
  replay_->when_quiet([self = shared_from_this(), run, params = std::move(params)] {
    if (self->run_ == run && self->agent_) self->send_prompt(run, params);
  });
}

void Session::send_prompt(const RunPtr& run, std::string_view params) {
  replay_ = nullptr;
  last_meta_.clear();
  agent_->begin();
  run->heard = steady_clock::now();
  watch_silence(run, context_.config.silence);
  run->call = agent_->connection().request(
      "session/prompt", params, milliseconds{0},
      [self = shared_from_this(), run, agent = agent_](const CallResult& answer) {
        agent->finish();
        run->answered = true;
        self->in_turn(0, [here = self.get(), run, answer] { here->prompted(run, answer); });
      });
}

// "/model NAME", "/mode NAME" and "/ID VALUE" for the other options: as they are told to the user.
bool Session::own_command(const RunPtr& run, std::string_view text) {
  if (!is_command(text)) return false;
  const std::size_t end = text.find_first_of(" \t\n");
  const std::string_view name = text.substr(1, end == text.npos ? text.npos : end - 1);
  const Option* option = commands_.contains(std::string(name)) ? nullptr : command_option(name);
  if (option == nullptr) return false;
  std::string_view value = end == text.npos ? "" : text.substr(end);
  value.remove_prefix(std::min(value.find_first_not_of(" \t\n"), value.size()));
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
    apply({{option->id, chosen->value}}, 0,
          [self = shared_from_this(), run, id = option->id, value = chosen->value] {
            if (self->run_ == run && self->agent_ && self->agent_->usable())
              self->say_chosen(run, id, value);
          });
    return true;
  }
  run->turn.text(said);
  end_turn(sdk::StopReason::kEndTurn, "");
  return true;
}

// The agent was told to take it.
void Session::say_chosen(const RunPtr& run, const std::string& id, const std::string& value) {
  const auto option = std::ranges::find(options_, id, &Option::id);
  const bool taken = option != options_.end() && option->current == value;
  if (taken) {
    const auto choice = std::ranges::find(option->choices, value, &Choice::value);
    const bool is_switch = option->how == Option::How::kBoolean && choice != option->choices.end();
    run->turn.text(option->name + ": " + (is_switch ? choice->name : value));
    std::erase_if(wanted_, [&](const auto& one) { return one.first == id; });
    wanted_.emplace_back(id, value);
    run->chosen.emplace_back(id, value);
    sink_.options(options());
  } else {
    run->turn.text("The agent did not take " + value + ".");
  }
  end_turn(sdk::StopReason::kEndTurn, "");
}

// The option that the command `name` sets: by the category for /model and /mode, else by its id.
const Option* Session::command_option(std::string_view name) const {
  const bool is_kind = name == "model" || name == "mode";
  const auto found = std::ranges::find_if(options_, [&](const Option& one) {
    return one.id == name || (is_kind && one.category == name);
  });
  return found == options_.end() ? nullptr : &*found;
}

void Session::prompted(const RunPtr& run, const CallResult& answer) {
  if (run_ != run) return;
  if (!answer && answer.error().unread && !run->cancelling) {
    // The agent had ended before, and nobody had noticed: the host has the session back.
    fail({sdk::Code::kNotFound, answer.error().status.message});
    return let_go();
  }
  if (!answer && !answer.error().answered) return;  // it has ended, and agent_ended says so
  if (run->timed_out)
    return fail({sdk::Code::kTimeout, "The agent said nothing for too long and was cancelled"});
  if (run->cancelling) return end_turn(sdk::StopReason::kCancelled, "");
  if (answer) {
    context_.agents.worked();
    const PromptAnswer told = parse_prompt(*answer);
    std::string notice;
    const sdk::StopReason reason = stop_reason(told.stop_reason, notice);
    if (!notice.empty()) run->turn.notice(notice);
    return end_turn(reason, told.usage);
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
  last_meta_.clear();
  late_turn_ = run->turn.number();
  late_until_ = steady_clock::now() + kLate;
  return run;
}

void Session::end_turn(sdk::StopReason reason, std::string_view usage) {
  const RunPtr run = finish_run();
  run->turn.end(reason, native_id_, usage, chosen_json(run->chosen), run->had_restored);
}

void Session::fail(const sdk::Status& status) {
  finish_run()->turn.fail(status);
}

// ---------------------------------------------------------------- what the agent says

void Session::updated(Update update) {
  if (is_replayed(update)) return;
  if (run_) run_->heard = steady_clock::now();
  std::vector<Update> also = update.kind == Update::Kind::kToolCall
                                 ? tool_images_.due(update)
                                 : std::exchange(update.also, {});
  say_in_pieces(std::move(update));
  for (Update& one : also) say_in_pieces(std::move(one));
}

void Session::say_in_pieces(Update update) {
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

bool Session::is_replayed(const Update& update) {
  if (!replay_ || !is_replay(update.kind)) return false;
  if (replay_->is_over()) {
    replay_ = nullptr;
    return false;
  }
  replay_->came(update.kind);
  return true;
}

void Session::queue(Update update) {
  const std::size_t size = update.text.size() + update.json.size();
  in_turn(size, [this, update = std::move(update)] { speak(update); });
}

void Session::speak(const Update& update) {
  using Kind = Update::Kind;
  const sdk::Sink& out = run_ ? run_->turn : sink_;
  if (run_ && is_replay(update.kind)) run_->said = true;
  if (update.kind != Kind::kText && update.kind != Kind::kThought) last_meta_.clear();
  switch (update.kind) {
    case Kind::kText:
      if (update.text.empty()) return;
      if (!run_ && late_turn_ != 0 && steady_clock::now() < late_until_) {
        sdk::Sink(context_.host, handle_, late_turn_).text(update.text, update.item);
        return;
      }
      return say(out, VIADUCT_EVENT_TEXT, update);
    case Kind::kThought:
      if (!update.text.empty()) say(out, VIADUCT_EVENT_THOUGHT, update);
      return;
    case Kind::kContent: return took(out.content(update.json, update.text, update.item));
    case Kind::kToolCall: return tell_tool(out, update);
    case Kind::kPlan: return took(out.plan(update.json));
    case Kind::kUsage: return took(out.usage(update.json));
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

// `_meta` is said where it is another than before: the host keeps it with the text.
void Session::say(const sdk::Sink& out, std::uint32_t kind, const Update& update) {
  std::string meta;
  if (!update.meta.empty() && update.meta.size() <= kMostMeta &&
      last_meta_ != update.item + update.meta) {
    last_meta_ = update.item + update.meta;
    meta = R"({"_meta":)" + update.meta + "}";
  }
  took(out.emit(kind, update.item, update.text, meta));
}

void Session::tell_tool(const sdk::Sink& out, const Update& update) {
  const auto ours = [this](const std::string& terminal) {
    const auto output = terminals_.output(terminal);
    return output ? output->text : std::string();
  };
  if (!run_) return took(out.tool_call(update.item, ToolOutput().shown(update, ours)));
  if (update.status == "completed" || update.status == "failed")
    run_->open_tools.erase(update.item);
  else if (!run_->cancelling && run_->open_tools.size() < kMostOpenTools)
    run_->open_tools.insert(update.item);
  took(out.tool_call(update.item, run_->output.shown(update, ours)));
}

// The agent's commands, and our own where it has none of that name.
void Session::tell_commands() {
  std::vector<OwnCommand> own;
  for (const char* name : {"model", "mode"})
    if (command_option(name) != nullptr)
      own.push_back({name, std::string("Choose the ") + name, "name"});
  for (const Option& option : options_) {
    const bool is_word = option.id.find_first_of(" \t\n/") == std::string::npos;
    const bool is_told = &option == command_option("model") || &option == command_option("mode");
    if (!is_word || is_told) continue;
    const bool is_switch = option.how == Option::How::kBoolean;
    own.push_back({option.id, net::one_line(option.name, 100), is_switch ? "on or off" : "value"});
  }
  sink_.commands(with_commands(commands_json_, own));
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
  if (run->call == 0) return end_turn(sdk::StopReason::kCancelled, "");
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
