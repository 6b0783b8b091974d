#include "plugins/bridge/cli_driver.hpp"

#include "plugins/bridge/cli_check.hpp"
#include "plugins/bridge/cli_places.hpp"
#include "plugins/bridge/cli_run.hpp"
#include "plugins/bridge/cli_verdict.hpp"
#include "plugins/bridge/messages.hpp"
#include "plugins/bridge/preset.hpp"
#include "plugins/bridge/preset_place.hpp"

#include <sys/stat.h>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using net::Task;
using std::chrono::milliseconds;

constexpr std::size_t kMostLost = 4096;

bool is_folder(const std::string& path) {
  struct stat found{};
  return path.starts_with('/') && ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

sdk::StopReason stop_reason(std::string_view name) {
  for (const auto reason :
       {sdk::StopReason::kMaxTokens, sdk::StopReason::kMaxTurnRequests, sdk::StopReason::kRefusal})
    if (sdk::stop_reason_name(reason) == name) return reason;
  return sdk::StopReason::kEndTurn;
}

sdk::Code code_of(CliVerdict::Kind kind) {
  switch (kind) {
    case CliVerdict::Kind::kAnswered: return sdk::Code::kOk;
    case CliVerdict::Kind::kLost: return sdk::Code::kNotFound;
    case CliVerdict::Kind::kNotLoggedIn: return sdk::Code::kFailedPrecondition;
    case CliVerdict::Kind::kSilent: return sdk::Code::kTimeout;
    case CliVerdict::Kind::kFailed: break;
  }
  return sdk::Code::kUnavailable;
}

// A turn or a compaction that is under way. Over as soon as somebody has ended it from outside: the
// program then goes in its own time, and what it says is for nobody.
struct Run {
  bool over = false;
  std::optional<sdk::Turn> turn;    // or
  std::optional<sdk::Reply> reply;  // of a compaction that was asked for; or neither
  std::shared_ptr<CliRun> program;
  TurnRecord record;
};

// A message that is to be answered.
struct Asked {
  sdk::Turn turn;
  std::string text;  // as the program gets it
  TurnRecord record;
};

struct Session {
  std::uint64_t handle = 0;
  std::string session_id;  // the host's
  std::string native_id;   // the newest; empty: none yet
  std::string working_dir;
  bool begun = false;         // a program has worked for it
  std::optional<Usage> used;  // in all, as a program told it that tells no less
  std::set<std::string> authors;
  std::shared_ptr<Run> run;  // null: nothing is under way
  // A message that came while the conversation was being compacted.
  std::optional<Asked> waiting;
};

class CliDriver final : public Driver {
 public:
  CliDriver(const sdk::Host& host, net::Loop& loop, const Config& config, Preset preset,
            Transcripts& transcripts)
      : host_(host),
        log_(host),
        metrics_(host),
        loop_(loop),
        config_(config),
        cli_(*config_.cli),
        preset_(std::move(preset)),
        transcripts_(transcripts),
        secrets_(cli_.secrets()) {
    transcripts_.belongs_to(preset_.name, preset_.shares_folders);
    environment_ = child_environment(preset_, cli_);
  }

  sdk::Abilities abilities() const override {
    const auto count = [](milliseconds time) { return static_cast<std::uint64_t>(time.count()); };
    std::uint64_t can = VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM | VIADUCT_ROTATES_IDS;
    if (transcripts_.writes()) can |= VIADUCT_KEEPS_LOG;
    if (!preset_.resume.empty()) can |= VIADUCT_CAN_RESTORE;
    if (!preset_.resume.empty() && !preset_.compact.empty()) can |= VIADUCT_CAN_COMPACT;
    return {can, preset_.name,
            sdk::ResumePolicy{config_.resume.enabled, config_.resume.attempts,
                              config_.resume.give_up_after, count(config_.resume.backoff),
                              count(config_.max_age), false}};
  }

  void open(const sdk::Open& open, sdk::Reply reply) override {
    // Now, so that an older conversation is not given up for one that cannot begin.
    if (program().empty()) return reply.fail(sdk::Code::kFailedPrecondition, missing());
    const std::string folder = expand_home(open.working_dir, variable(environment_, "HOME"));
    if (!is_folder(folder)) return reply.fail(sdk::Code::kFailedPrecondition, no_folder(folder));
    hold(open, "");
    reply.ok();
  }

  void restore(const sdk::Open& open, sdk::Reply reply) override {
    const std::string id(open.native_id);
    if (const auto refusal = refused(id); !refusal.ok()) return reply.fail(refusal);
    hold(open, id);
    reply.native(id);
  }

  void resumed(const sdk::Open& open, sdk::Reply reply) override {
    const auto session = find(open.session);
    if (!session) return reply.fail(sdk::Code::kNotFound, "no such session");
    if (session->run || session->native_id.empty()) return reply.ok();
    if (const auto refusal = refused(session->native_id); !refusal.ok()) {
      if (refusal.code == sdk::Code::kNotFound) sessions_.erase(open.session);
      return reply.fail(refusal);
    }
    reply.native(session->native_id);
  }

  void inject(const sdk::Open& /*open*/, sdk::Reply reply) override {
    reply.fail(sdk::Code::kUnsupported, "the conversation goes in with the next message");
  }

  void prompt(const sdk::Prompt& prompt, sdk::Turn turn) override {
    const auto session = find(prompt.session);
    if (!session) return turn.fail(sdk::Code::kNotFound, "no such session");
    if (session->waiting || (session->run && session->run->turn))
      return turn.fail(sdk::Code::kBusy, "the session has a turn already");
    std::string text = words(*session, prompt);
    if (text.empty()) return turn.fail(sdk::Code::kInvalidArgument, "the message is empty");
    text.insert(0, prompt.restored);
    Asked asked{std::move(turn), std::move(text), TurnRecord()};
    asked.record.user(prompt.text, prompt.blocks_json, prompt.context_json);
    if (session->run)
      session->waiting.emplace(std::move(asked));
    else
      begin(session, std::move(asked));
  }

  void cancel(std::uint64_t handle, std::uint64_t turn, sdk::Reply reply) override {
    if (const auto session = find(handle)) {
      if (session->waiting && session->waiting->turn.number() == turn)
        end_waiting(*session, sdk::Code::kCancelled);
      else if (session->run && session->run->turn && session->run->turn->number() == turn)
        session->run->program->stop();
    }
    reply.ok();
  }

  void compact(std::uint64_t handle, sdk::Reply reply) override {
    const auto session = find(handle);
    if (!session) return reply.fail(sdk::Code::kNotFound, "no such session");
    if (session->run) return reply.fail(sdk::Code::kBusy, "the session is answering");
    if (session->native_id.empty())
      return reply.fail(sdk::Code::kInvalidArgument, "there is nothing to compact yet");
    begin_compaction(session, std::move(reply));
  }

  void close(std::uint64_t handle, bool /*ended*/, sdk::Reply reply) override {
    if (const auto session = find(handle)) {
      if (session->waiting) end_waiting(*session, sdk::Code::kCancelled);
      if (session->run) abandon(*session, sdk::Code::kCancelled, "the session was closed");
      sessions_.erase(handle);
    }
    transcripts_.settle(std::move(reply));  // behind the end of its turn
  }

  void writable(std::uint64_t handle) override {
    if (const auto session = find(handle); session && session->run) session->run->program->go_on();
  }

  void check(std::function<void(std::vector<Check>)> done) override {
    loop_.spawn(look(std::move(done)));
  }
  // The program itself is asked by `doctor` only.
  void health(std::function<void(std::vector<Check>)> done) override {
    done({check_.look_for_program()});
  }

  void stop(sdk::Reply reply) override {
    for (const auto& [handle, session] : sessions_) {
      constexpr const char* kWhy = "The backend was stopped in the middle of the answer";
      if (session->waiting) end_waiting(*session, sdk::Code::kUnavailable, kWhy);
      if (session->run) abandon(*session, sdk::Code::kUnavailable, kWhy);
    }
    sessions_.clear();
    loop_.spawn(wait_for_all(std::move(reply)));
  }

 private:
  using SessionPtr = std::shared_ptr<Session>;
  using RunPtr = std::shared_ptr<Run>;

  SessionPtr find(std::uint64_t handle) const {
    const auto found = sessions_.find(handle);
    return found == sessions_.end() ? nullptr : found->second;
  }
  void hold(const sdk::Open& open, std::string native_id) {
    auto session = std::make_shared<Session>();
    session->handle = open.session;
    session->session_id = open.session_id;
    session->begun = !native_id.empty();
    session->native_id = std::move(native_id);
    session->working_dir = expand_home(open.working_dir, variable(environment_, "HOME"));
    // What was said in a turn that the host did not live to end is not in the folder yet.
    if (!open.transcript.empty())
      transcripts_.catch_up(session->session_id, session->working_dir, session->native_id,
                            open.transcript);
    sessions_[open.session] = std::move(session);
  }

  // ---------------------------------------------------------------- what is there
  std::string program() const { return check_.program(); }
  std::string missing() const { return check_.missing(); }
  static std::string no_folder(const std::string& folder) {
    return "The working folder " + folder +
           " is not there; make it, or begin a new conversation in another folder";
  }

  // Why a native id cannot be used; ok: as far as can be seen, it can.
  sdk::Status refused(const std::string& id) const {
    if (preset_.resume.empty()) return {sdk::Code::kNotFound, preset_.name + " cannot resume"};
    if (!is_safe_id(id)) return {sdk::Code::kNotFound, "its id is none of " + preset_.name};
    if (lost_.contains(id))
      return {sdk::Code::kNotFound, preset_.name + " no longer has this conversation"};
    if (program().empty()) return {sdk::Code::kFailedPrecondition, missing()};
    if (preset_.session_files.empty()) return {};
    const auto found = has_session_file(preset_.session_files, id, variable(environment_, "HOME"));
    if (!found)
      return {sdk::Code::kUnavailable,
              "The conversations of " + preset_.name + " cannot be read: " + found.error()};
    if (!*found) return {sdk::Code::kNotFound, preset_.name + " no longer has this conversation"};
    return {};
  }
  void remember_lost(const std::string& id) {
    if (id.empty()) return;
    if (lost_.size() >= kMostLost) lost_.erase(lost_.begin());
    lost_.insert(id);
  }

  // What goes into the program: who else said what, the text, and what is attached, in words.
  static std::string words(Session& session, const sdk::Prompt& prompt) {
    const Message message =
        user_message(prompt.text, prompt.blocks_json, prompt.context_json, prompt.author);
    std::string text;
    for (const Part& part : message.parts) {
      if (!text.empty()) text += "\n\n";
      text += part.is_image() ? "[an image that cannot be passed on to this agent]" : part.text;
    }
    if (!message.author.empty()) session.authors.insert(message.author);
    if (session.authors.size() > 1 && !text.empty()) text.insert(0, message.author + ":\n");
    return text;
  }

  // ---------------------------------------------------------------- turns
  // The end of a turn, behind its lines in the transcript.
  void end_turn(const Session& session, sdk::Turn turn, TurnRecord record,
                std::function<void(sdk::Turn&)> end) {
    transcripts_.record(session.session_id, session.working_dir, session.native_id,
                        std::move(record),
                        [kept = std::make_shared<sdk::Turn>(std::move(turn)),
                         end = std::move(end)] { end(*kept); });
  }
  void end_turn(const Session& session, sdk::Turn turn, TurnRecord record, sdk::Code code,
                std::string_view why) {
    end_turn(session, std::move(turn), std::move(record),
             [code, why = std::string(why)](sdk::Turn& it) { it.fail(code, why); });
  }
  void end_turn(const Session& session, sdk::Turn turn, TurnRecord record, sdk::StopReason reason,
                std::string usage = {}) {
    end_turn(session, std::move(turn), std::move(record),
             [reason, id = session.native_id, usage = std::move(usage)](sdk::Turn& it) {
               it.end(reason, id, usage);
             });
  }

  // The host lets go of the session and climbs down its ladder with the message.
  void lose(const Session& session, sdk::Turn& turn, const std::string& why) {
    sessions_.erase(session.handle);
    turn.fail(sdk::Code::kNotFound, why);
  }

  void begin(const SessionPtr& session, Asked asked) {
    sdk::Turn& turn = asked.turn;
    // Never silently without what was said before.
    if (session->native_id.empty() && session->begun)
      return lose(*session, turn, preset_.name + " told no id of this conversation");
    if (!session->native_id.empty() &&
        (!is_safe_id(session->native_id) || lost_.contains(session->native_id)))
      return lose(*session, turn, preset_.name + " no longer has this conversation");
    auto run = std::make_shared<Run>();
    run->turn = std::move(turn);
    run->record = std::move(asked.record);
    start(session, run, answer(session, run, std::move(asked.text)));
  }

  void begin_compaction(const SessionPtr& session, std::optional<sdk::Reply> reply) {
    auto run = std::make_shared<Run>();
    run->reply = std::move(reply);
    start(session, run, compacted(session, run));
  }

  void start(const SessionPtr& session, const RunPtr& run, Task<> task) {
    run->program = std::make_shared<CliRun>(loop_, preset_);
    session->run = run;
    programs_.insert(run->program);
    loop_.spawn(std::move(task), [this, session, run](const net::Result<>& result) {
      run->program->close();  // it may not have been started at all
      programs_.erase(run->program);
      std::erase_if(leaving_, [&run](const auto& one) { return one.second == run->program; });
      if (!result && !run->over) {  // an exception
        log_.error("turn failed code=internal reason=" + result.error().message);
        abandon(*session, sdk::Code::kInternal, "The turn failed for a reason of its own");
      }
      if (!session->run && session->waiting)
        begin(session, *std::exchange(session->waiting, std::nullopt));
    });
  }

  // The program's whole run. The error: it was not started.
  Task<net::Result<CliEnd>> run_program(SessionPtr session, RunPtr run, std::string prompt,
                                        std::function<CliRun::Next(const Said&)> hear) {
    const std::string id = session->native_id;
    // One that was closed may still be going, with the same conversation.
    for (auto other = leaving_.find(id); other != leaving_.end(); other = leaving_.find(id)) {
      const auto going = other->second;
      co_await going->gone();
      std::erase_if(leaving_, [&going](const auto& one) { return one.second == going; });
    }
    if (run->over)
      co_return std::unexpected(sdk::Status{sdk::Code::kCancelled, "the session was closed"});
    const std::string file = program();
    if (file.empty())
      co_return std::unexpected(sdk::Status{sdk::Code::kFailedPrecondition, missing()});
    if (!is_folder(session->working_dir))
      co_return std::unexpected(
          sdk::Status{sdk::Code::kFailedPrecondition, no_folder(session->working_dir)});
    CliStart start{{file}, environment_, session->working_dir, std::move(prompt), cli_.timeout};
    for (std::string& one :
         arguments(preset_, {id, cli_.model, session->working_dir, cli_.arguments}))
      start.command.push_back(std::move(one));
    session->begun = true;
    auto end = co_await run->program->go(std::move(start), std::move(hear));
    if (run->program->too_long() + run->program->output().skipped() > 0)
      log_.warn("output skipped agent=" + preset_.name +
                " too_long=" + std::to_string(run->program->too_long()) +
                " no_json=" + std::to_string(run->program->output().skipped()));
    co_return end;
  }

  Task<> answer(SessionPtr session, RunPtr run, std::string text) {
    const std::string asked = session->native_id;
    const bool had_begun = session->begun;
    const auto end = co_await run_program(session, run, std::move(text), [&](const Said& said) {
      return run->over ? CliRun::Next::kStop : tell(*session, *run, said);
    });
    if (run->over) co_return;
    session->run = nullptr;
    sdk::Turn turn = *std::exchange(run->turn, std::nullopt);
    if (!end) {
      session->begun = had_begun;
      co_return end_turn(*session, std::move(turn), std::move(run->record), end.error().code,
                         end.error().message);
    }
    const CliOutput& output = run->program->output();
    const Usage usage = used(*session, output, asked.empty());
    const CliVerdict verdict = judge(preset_, output, *end, !asked.empty(), secrets_);
    if (verdict.kind == CliVerdict::Kind::kLost) {
      remember_lost(asked);
      // What it told in the same breath is no conversation that could be gone on with.
      if (std::exchange(session->native_id, asked) != asked) turn.native_id(asked);
    }
    if (run->program->stopped() && !end->silent)
      co_return end_turn(*session, std::move(turn), std::move(run->record),
                         sdk::StopReason::kCancelled, usage.json());
    if (verdict.kind == CliVerdict::Kind::kNotLoggedIn) session->begun = had_begun;
    if (verdict.kind == CliVerdict::Kind::kLost) co_return lose(*session, turn, verdict.words);
    if (verdict.kind != CliVerdict::Kind::kAnswered) {
      log_.warn("turn failed agent=" + preset_.name + " exit=" + std::to_string(end->code) +
                " signal=" + std::to_string(end->signal) +
                " reason=" + net::one_line(verdict.words, 1000));
      co_return end_turn(*session, std::move(turn), std::move(run->record), code_of(verdict.kind),
                         verdict.words);
    }
    const bool due = cli_.compact_after > 0 && turn.number() % cli_.compact_after == 0 &&
                     !preset_.compact.empty() && is_safe_id(session->native_id);
    end_turn(*session, std::move(turn), std::move(run->record),
             [this, session, due, reason = stop_reason(output.stop()), id = session->native_id,
              used = usage.json()](sdk::Turn& it) {
               it.end(reason, id, used);
               if (due && !session->run && find(session->handle) == session)
                 begin_compaction(session, std::nullopt);
             });
  }

  // In this turn, or nothing where a program tells totals and the one before is not known.
  static Usage used(Session& session, const CliOutput& output, bool is_new) {
    if (!output.usage_is_total()) return output.usage();
    const auto before = std::exchange(session.used, output.usage());
    if (is_new) return output.usage();
    return before ? output.usage().since(*before) : Usage{};
  }

  Task<> compacted(SessionPtr session, RunPtr run) {
    const auto end = co_await run_program(session, run, preset_.compact,
                                          [](const Said&) { return CliRun::Next::kGoOn; });
    if (run->over) co_return;
    session->run = nullptr;
    const CliOutput& output = run->program->output();
    CliVerdict verdict;
    if (end) {
      count(output.usage());
      verdict = judge(preset_, output, *end, true, secrets_);
      if (verdict.kind == CliVerdict::Kind::kLost) remember_lost(session->native_id);
    }
    if (!end || verdict.kind != CliVerdict::Kind::kAnswered) {  // the old id still holds
      const sdk::Status why = end ? sdk::Status{code_of(verdict.kind), verdict.words} : end.error();
      log_.warn("compaction failed agent=" + preset_.name +
                " reason=" + net::one_line(why.message, 1000));
      if (run->reply) run->reply->fail(why);
      co_return;
    }
    metrics_.count("bridge_compactions_total");
    const sdk::Sink sink(host_, session->handle);
    if (!output.session().empty()) {
      session->native_id = output.session();
      sink.native_id(session->native_id);
    }
    sink.notice(preset_.name + " has compacted the conversation; nothing of it is lost here");
    if (run->reply) run->reply->native(session->native_id);
  }

  // Hands on what the program says.
  CliRun::Next tell(Session& session, Run& run, const Said& said) {
    const sdk::Turn& turn = *run.turn;
    sdk::Flow flow = sdk::Flow::kOk;
    switch (said.kind) {
      case Said::Kind::kText:
        flow = turn.text(said.text);
        run.record.text(said.text);
        break;
      case Said::Kind::kThought: flow = turn.thought(said.text); break;
      case Said::Kind::kTool:
        flow = turn.tool_call(said.id, said.text);
        run.record.tool_call(said.id, said.text);
        break;
      case Said::Kind::kPlan: flow = turn.plan(said.text); break;
      case Said::Kind::kNotice: flow = turn.notice(said.text); break;
      case Said::Kind::kSession:
        session.native_id = said.text;
        flow = turn.native_id(said.text);
        break;
    }
    if (flow == sdk::Flow::kBusy) return CliRun::Next::kWait;
    return flow == sdk::Flow::kOk ? CliRun::Next::kGoOn : CliRun::Next::kStop;
  }

  // Of a compaction, which is no turn: those of turns are counted by the host.
  void count(const Usage& usage) {
    metrics_.count("bridge_compaction_tokens_total", static_cast<double>(usage.input.value_or(0)),
                   R"({"kind":"input"})");
    metrics_.count("bridge_compaction_tokens_total", static_cast<double>(usage.output.value_or(0)),
                   R"({"kind":"output"})");
  }

  // ---------------------------------------------------------------- ends from outside
  void end_waiting(Session& session, sdk::Code code, std::string_view why = {}) {
    Asked asked = *std::exchange(session.waiting, std::nullopt);
    stop_turn(session, std::move(asked.turn), std::move(asked.record), code, why);
  }
  void stop_turn(const Session& session, sdk::Turn turn, TurnRecord record, sdk::Code code,
                 std::string_view why) {
    if (code == sdk::Code::kCancelled)
      end_turn(session, std::move(turn), std::move(record), sdk::StopReason::kCancelled);
    else
      end_turn(session, std::move(turn), std::move(record), code, why);
  }
  void abandon(Session& session, sdk::Code code, std::string_view why) {
    const RunPtr run = std::exchange(session.run, nullptr);
    if (!run) return;
    run->over = true;
    run->program->stop();
    if (run->program->pid() != 0 && !session.native_id.empty())
      leaving_[session.native_id] = run->program;
    if (run->turn)
      stop_turn(session, *std::exchange(run->turn, std::nullopt), std::move(run->record), code,
                why);
    else if (run->reply)
      run->reply->fail(code, why);
  }

  Task<> look(std::function<void(std::vector<Check>)> done) { done(co_await check_.look()); }

  Task<> wait_for_all(sdk::Reply reply) {
    while (!programs_.empty()) {
      const std::shared_ptr<CliRun> one = *programs_.begin();
      one->stop();
      co_await one->gone();
      programs_.erase(one);
    }
    transcripts_.settle(std::move(reply));
  }

  sdk::Host host_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  net::Loop& loop_;
  const Config config_;
  const Cli& cli_;
  const Preset preset_;
  Transcripts& transcripts_;
  const std::vector<std::string> secrets_;
  std::vector<std::string> environment_;
  std::unordered_map<std::uint64_t, SessionPtr> sessions_;
  std::set<std::shared_ptr<CliRun>> programs_;  // all that have not gone
  CliCheck check_{loop_, preset_, cli_, environment_, secrets_, programs_};
  // Those of closed sessions, by the native id that they may still be working on.
  std::unordered_map<std::string, std::shared_ptr<CliRun>> leaving_;
  std::unordered_set<std::string> lost_;  // native ids that the program no longer has
};

}  // namespace

std::unique_ptr<Driver> make_cli_driver(const sdk::Host& host, net::Loop& loop,
                                        const Config& config, Transcripts& transcripts) {
  auto preset = find_preset(*config.cli);
  if (!preset) throw sdk::Error(sdk::Code::kInvalidArgument, preset.error());
  return std::make_unique<CliDriver>(host, loop, config, *std::move(preset), transcripts);
}

}  // namespace viaduct::bridge
