#include "plugins/bridge/llm_driver.hpp"

#include "plugins/bridge/answer.hpp"
#include "plugins/bridge/messages.hpp"
#include "plugins/bridge/turn_plan.hpp"

#include <sys/random.h>
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cctype>
#include <exception>
#include <optional>
#include <random>
#include <unordered_map>
#include <utility>
#include <viaduct/net/http_client.hpp>
#include <viaduct/net/sse.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

namespace asio = boost::asio;
using net::Task;
using std::chrono::milliseconds;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr const char* kAgentType = "llm";
constexpr milliseconds kCheckLimit{5000};
constexpr milliseconds kRestLimit{1000};
constexpr std::size_t kMostOfAnError = 64 << 10;
constexpr std::size_t kMostOfAStream = std::size_t{1} << 30;
constexpr std::size_t kMostOfAList = 4 << 20;

static_assert(static_cast<int>(Code::kInvalidArgument) == VIADUCT_E_INVALID_ARGUMENT);
static_assert(static_cast<int>(Code::kFailedPrecondition) == VIADUCT_E_FAILED_PRECONDITION);
static_assert(static_cast<int>(Code::kUnavailable) == VIADUCT_E_UNAVAILABLE);
static_assert(static_cast<int>(Code::kInternal) == VIADUCT_E_INTERNAL);

std::string make_uuid() {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
    throw sdk::Error(sdk::Code::kInternal, "no random numbers");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 0x0F];
  }
  return text;
}

sdk::StopReason stop_reason(Stop stop) {
  switch (stop) {
    case Stop::kEndTurn: break;
    case Stop::kMaxTokens: return sdk::StopReason::kMaxTokens;
    case Stop::kRefusal: return sdk::StopReason::kRefusal;
  }
  return sdk::StopReason::kEndTurn;
}

bool contains_type(std::string_view type, std::string_view part) {
  const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == b; };
  return std::search(type.begin(), type.end(), part.begin(), part.end(), same) != type.end();
}

// A turn or a compaction that is under way: a coroutine, and what it says where. Over as soon as
// somebody has ended it; the coroutine then touches nothing any more.
struct Run {
  Run(asio::io_context& context, std::optional<sdk::Turn> the_turn,
      std::optional<sdk::Reply> the_reply)
      : turn(std::move(the_turn)), reply(std::move(the_reply)), room(context) {}

  bool over = false;
  std::optional<sdk::Turn> turn;    // or
  std::optional<sdk::Reply> reply;  // of a compaction
  asio::cancellation_signal cancel;
  asio::steady_timer room;  // waits for writable, or for the next attempt
  std::string said;         // of the answer
  TurnRecord record;
  Stop stop = Stop::kEndTurn;
  Usage usage;
  std::string wanted_tool;
};

struct Session {
  std::string session_id;  // the host's
  std::string working_dir;
  std::string native_id;
  Conversation conversation;
  std::shared_ptr<Run> run;  // null: nothing is under way
};

class LlmDriver final : public Driver {
 public:
  LlmDriver(const sdk::Host& host, net::Loop& loop, const Config& config, Transcripts& transcripts)
      : host_(host),
        log_(host),
        metrics_(host),
        loop_(loop),
        http_(loop),
        config_(config),
        llm_(config_.llm),
        transcripts_(transcripts),
        random_(std::random_device{}()) {
    transcripts_.belongs_to(kAgentType, false);
  }

  sdk::Abilities abilities() const override {
    const auto count = [](milliseconds time) { return static_cast<std::uint64_t>(time.count()); };
    return {VIADUCT_CAN_INJECT | VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM | VIADUCT_CAN_IMAGES |
                VIADUCT_CAN_COMPACT,
            kAgentType,
            sdk::ResumePolicy{config_.resume.enabled, config_.resume.attempts,
                              config_.resume.give_up_after, count(config_.resume.backoff),
                              count(config_.max_age), false}};
  }

  void open(const sdk::Open& open, sdk::Reply reply) override { hold(open, {}, std::move(reply)); }

  void restore(const sdk::Open& /*open*/, sdk::Reply reply) override {
    reply.fail(sdk::Code::kUnsupported, "a model server keeps no conversations");
  }

  void inject(const sdk::Open& open, sdk::Reply reply) override {
    auto transcript = parse_transcript(open.transcript);
    if (!transcript) return reply.fail(sdk::Code::kInvalidArgument, transcript.error());
    if (transcript->skipped > 0)
      log_.warn("entries of a transcript skipped session=" + std::string(open.session_id) +
                " entries=" + std::to_string(transcript->skipped));
    // Nothing is said of its native ids: they end with this process.
    transcripts_.catch_up(open.session_id, open.working_dir, {}, open.transcript);
    hold(open, std::move(transcript->messages), std::move(reply));
  }

  void prompt(const sdk::Prompt& prompt, sdk::Turn turn) override {
    const auto session = find(prompt.session);
    if (!session) return turn.fail(sdk::Code::kNotFound, "no such session");
    if (session->run && session->run->turn)
      return turn.fail(sdk::Code::kBusy, "the session has a turn already");
    if (session->run)  // what was said comes first; the conversation stays as it was
      stop_run(*session, sdk::Code::kCancelled,
               "a message came before the conversation was compacted");
    Message message =
        user_message(prompt.text, prompt.blocks_json, prompt.context_json, prompt.author);
    if (message.parts.empty())
      return turn.fail(sdk::Code::kInvalidArgument, "the message is empty");
    session->conversation.messages.push_back(std::move(message));
    auto run = std::make_shared<Run>(loop_.context(), std::move(turn), std::nullopt);
    run->record.user(prompt.text, prompt.blocks_json, prompt.context_json);
    begin(session, run);
  }

  void cancel(std::uint64_t handle, std::uint64_t turn, sdk::Reply reply) override {
    const auto session = find(handle);
    if (session && session->run && session->run->turn && session->run->turn->number() == turn)
      cancel_run(*session);
    reply.ok();
  }

  void compact(std::uint64_t handle, sdk::Reply reply) override {
    const auto session = find(handle);
    if (!session) return reply.fail(sdk::Code::kNotFound, "no such session");
    if (session->run) return reply.fail(sdk::Code::kBusy, "the session is answering");
    auto run = std::make_shared<Run>(loop_.context(), std::nullopt, std::move(reply));
    session->run = run;
    start(session, run, handle);
  }

  void close(std::uint64_t handle, bool /*ended*/, sdk::Reply reply) override {
    if (const auto session = find(handle)) {
      if (session->run && session->run->turn) cancel_run(*session);
      if (session->run) stop_run(*session, sdk::Code::kCancelled, "the session was closed");
      sessions_.erase(handle);
    }
    transcripts_.settle(std::move(reply));  // behind the end of its turn
  }

  void writable(std::uint64_t handle) override {
    if (const auto session = find(handle); session && session->run) session->run->room.cancel();
  }

  void check(std::function<void(std::vector<Check>)> done) override {
    auto shared = std::make_shared<std::function<void(std::vector<Check>)>>(std::move(done));
    asio::co_spawn(
        loop_.context(), look(), [shared](std::exception_ptr thrown, std::vector<Check> checks) {
          if (thrown) checks = {{"server", false, "the check itself failed", sdk::Code::kInternal}};
          (*shared)(std::move(checks));
        });
  }

  void stop(sdk::Reply reply) override {
    for (const auto& [handle, session] : sessions_)
      if (session->run)
        stop_run(*session, sdk::Code::kUnavailable,
                 "The backend was stopped in the middle of the answer");
    sessions_.clear();
    transcripts_.settle(std::move(reply));
  }

 private:
  using SessionPtr = std::shared_ptr<Session>;
  using RunPtr = std::shared_ptr<Run>;

  SessionPtr find(std::uint64_t handle) const {
    const auto found = sessions_.find(handle);
    return found == sessions_.end() ? nullptr : found->second;
  }

  void hold(const sdk::Open& open, std::vector<Message> messages, sdk::Reply reply) {
    auto session = std::make_shared<Session>();
    session->session_id = open.session_id;
    session->working_dir = open.working_dir;
    session->native_id = make_uuid();
    session->conversation.messages = std::move(messages);
    for (const Message& message : session->conversation.messages)
      if (message.role == Message::Role::kUser) ++session->conversation.turns;
    sessions_[open.session] = session;
    reply.native(session->native_id);
  }

  // ---------------------------------------------------------------- the end of a run
  void finished(Session& session, Run& run) {
    run.over = true;
    session.run = nullptr;
    Conversation& conversation = session.conversation;
    if (!run.turn) return;
    ++conversation.turns;
    run.record.text(run.said);
    if (!run.said.empty())
      conversation.messages.push_back(
          {Message::Role::kAssistant, {{std::move(run.said), "", "", ""}}, ""});
    if (run.usage.input) {
      conversation.tokens = *run.usage.input + run.usage.output.value_or(0);
      conversation.counted = conversation.messages.size();
    }
  }
  // Of a compaction, which is no turn: those of turns are counted by the host.
  void count_tokens(const Usage& usage) {
    metrics_.count("bridge_compaction_tokens_total", static_cast<double>(usage.input.value_or(0)),
                   R"({"kind":"input"})");
    metrics_.count("bridge_compaction_tokens_total", static_cast<double>(usage.output.value_or(0)),
                   R"({"kind":"output"})");
  }

  // The end of a finished turn, behind its lines.
  void end_turn(const Session& session, Run& run, std::function<void(sdk::Turn&)> end) {
    auto turn = std::make_shared<sdk::Turn>(*std::exchange(run.turn, std::nullopt));
    transcripts_.record(session.session_id, session.working_dir, {}, std::move(run.record),
                        [turn = std::move(turn), end = std::move(end)] { end(*turn); });
  }
  void end_turn(const Session& session, Run& run, sdk::StopReason reason, std::string usage = {}) {
    end_turn(session, run,
             [reason, id = session.native_id, usage = std::move(usage)](sdk::Turn& turn) {
               turn.end(reason, id, usage);
             });
  }
  void fail_turn(const Session& session, Run& run, sdk::Code code, std::string_view why) {
    end_turn(session, run,
             [code, why = std::string(why)](sdk::Turn& turn) { turn.fail(code, why); });
  }

  // From outside of the coroutine, which is on its way: it is cancelled where it waits.
  void cancel_run(Session& session) {
    const RunPtr run = session.run;
    finished(session, *run);
    end_turn(session, *run, sdk::StopReason::kCancelled);
    run->cancel.emit(asio::cancellation_type::terminal);
  }
  void stop_run(Session& session, sdk::Code code, std::string_view why) {
    const RunPtr run = session.run;
    finished(session, *run);
    if (run->turn)
      fail_turn(session, *run, code, why);
    else
      run->reply->fail(code, why);
    run->cancel.emit(asio::cancellation_type::terminal);
  }
  void fail_run(Session& session, Run& run, const Failure& failure) {
    if (run.turn && run.said.empty() && failure.code == Code::kInvalidArgument &&
        !session.conversation.messages.empty())
      drop_images(session.conversation.messages.back());
    finished(session, run);
    log_.warn("request failed code=" + std::to_string(static_cast<int>(failure.code)) +
              " reason=" + failure.message);
    const auto code = static_cast<sdk::Code>(failure.code);
    if (const std::string usage = run.usage.json(); run.turn && !usage.empty())
      run.turn->usage(usage);
    if (run.turn)
      fail_turn(session, run, code, failure.message);
    else
      run.reply->fail(code, failure.message);
  }
  void end_run(Session& session, Run& run) {
    if (run.turn && !run.wanted_tool.empty())
      run.turn->notice("The model wanted to use a tool that it has not been given: " +
                       net::one_line(run.wanted_tool, 100));
    const Stop stop = run.stop;
    const std::string usage = run.usage.json();
    finished(session, run);
    if (run.turn)
      end_turn(session, run, stop_reason(stop), usage);
    else
      run.reply->native(session.native_id);
  }

  // ---------------------------------------------------------------- a run
  void begin(const SessionPtr& session, const RunPtr& run) {
    session->run = run;
    start(session, run, run->turn->session());
  }

  void start(const SessionPtr& session, const RunPtr& run, std::uint64_t handle) {
    asio::co_spawn(loop_.context(), perform(session, run, handle),
                   asio::bind_cancellation_slot(
                       run->cancel.slot(), [this, session, run](std::exception_ptr thrown) {
                         if (!thrown || run->over) return;
                         std::string what = "an unknown exception";
                         try {
                           std::rethrow_exception(thrown);
                         } catch (const std::exception& error) {
                           what = error.what();
                         } catch (...) {
                         }
                         fail_run(*session, *run,
                                  {Code::kInternal, "the bridge: " + what, false, false, {}});
                       }));
  }

  Task<> perform(SessionPtr session, RunPtr run, std::uint64_t handle) {
    co_await asio::this_coro::throw_if_cancelled(false);
    TurnPlan plan(llm_, session->conversation,
                  [this] { return std::uniform_real_distribution<double>(0, 1)(random_); });
    TurnPlan::Step step = run->turn ? plan.answer() : plan.compact();
    for (;;) {
      if (!step.notice.empty()) {
        if (run->turn)
          run->turn->notice(step.notice);
        else
          sdk::Sink(host_, handle).notice(step.notice);
        metrics_.count("bridge_compactions_total");
      }
      switch (step.kind) {
        case TurnPlan::Step::Kind::kEnd: end_run(*session, *run); co_return;
        case TurnPlan::Step::Kind::kFail: fail_run(*session, *run, step.failure); co_return;
        case TurnPlan::Step::Kind::kWait: {
          metrics_.count("bridge_retries_total");
          log_.info("request is sent again wait_ms=" + std::to_string(step.wait.count()));
          const auto until = std::chrono::steady_clock::now() + step.wait;
          while (!run->over && std::chrono::steady_clock::now() < until) {
            run->room.expires_at(until);
            [[maybe_unused]] const auto [error] = co_await run->room.async_wait(kAsTuple);
          }
          if (run->over) co_return;
          step = plan.waited();
          break;
        }
        case TurnPlan::Step::Kind::kRequest: {
          TurnPlan::Outcome outcome =
              co_await request(session, run, std::move(step.body), step.shown);
          if (run->over) co_return;
          step = plan.requested(std::move(outcome));
          break;
        }
      }
    }
  }

  net::HttpRequest request_to(std::string method, std::string url) const {
    net::HttpRequest request;
    request.method = std::move(method);
    request.url = std::move(url);
    for (const auto& [name, value] : llm_.request_headers())
      request.headers.push_back({name, value});
    return request;
  }

  // One request and its answer, streamed to the turn if it is `shown`. Over: the outcome is of no
  // interest to anybody.
  Task<TurnPlan::Outcome> request(SessionPtr session, RunPtr run, std::string body, bool shown) {
    net::HttpRequest request = request_to("POST", llm_.chat_url());
    request.headers.push_back({"Content-Type", "application/json"});
    request.headers.push_back({"Accept", "text/event-stream"});
    request.body = std::move(body);
    request.idle_timeout = llm_.timeout;
    request.max_body_bytes = kMostOfAStream;
    auto opened = co_await http_.open(std::move(request));
    if (run->over) co_return TurnPlan::Outcome{};
    if (!opened) co_return TurnPlan::Outcome{unreachable(opened.error()), "", false};
    net::HttpStream stream = *std::move(opened);
    const int status = stream.head().status;
    const std::string type(stream.head().header("content-type"));

    if (status != 200) {
      std::string error;
      while (error.size() < kMostOfAnError) {
        auto more = co_await stream.read();
        if (run->over) co_return TurnPlan::Outcome{};
        if (!more || more->empty()) break;
        error += *more;
      }
      co_return TurnPlan::Outcome{refused(llm_,
                                          {status, error, stream.head().header("retry-after"),
                                           stream.head().header("retry-after-ms")},
                                          std::chrono::system_clock::now()),
                                  "", false};
    }

    const bool is_whole = contains_type(type, "json") || contains_type(type, "html");
    Answer answer(llm_);
    net::SseParser parser(Answer::kMost);
    std::string all;  // of an answer that is not streamed
    TurnPlan::Outcome outcome;
    while (!answer.over()) {
      auto more = co_await stream.read();
      if (run->over) co_return TurnPlan::Outcome{};
      std::vector<Piece> pieces;
      if (!more) {
        answer.closed(more.error().message, pieces);
      } else if (is_whole) {
        all += *more;
        if (more->empty() || all.size() > Answer::kMost) answer.whole(all, type, pieces);
      } else if (more->empty()) {
        answer.closed("", pieces);
      } else if (!parser.feed(*more,
                              [&](net::SseEvent event) { answer.event(event.data, pieces); })) {
        answer.closed("an event of it is too long", pieces);
      }
      bool busy = false;
      for (const Piece& piece : pieces) {
        outcome.said = true;
        if (piece.kind == Piece::Kind::kText) outcome.text += piece.text;
        if (!shown) continue;
        if (piece.kind == Piece::Kind::kText) run->said += piece.text;
        const sdk::Flow flow = piece.kind == Piece::Kind::kText ? run->turn->text(piece.text)
                                                                : run->turn->thought(piece.text);
        busy = flow == sdk::Flow::kBusy;
        if (flow == sdk::Flow::kCancelled || flow == sdk::Flow::kGone) {
          finished(*session, *run);
          end_turn(*session, *run, sdk::StopReason::kCancelled);
          co_return TurnPlan::Outcome{};
        }
      }
      if (busy && !answer.over()) {  // nothing is read meanwhile, so that the server waits, too
        run->room.expires_at(asio::steady_timer::time_point::max());
        [[maybe_unused]] const auto [error] = co_await run->room.async_wait(kAsTuple);
        if (run->over) co_return TurnPlan::Outcome{};
      }
    }
    outcome.failure = answer.failure();
    if (shown) {
      run->stop = answer.stop();
      run->usage = answer.usage();
      run->wanted_tool = answer.wanted_tool();
    } else {
      count_tokens(answer.usage());
    }
    if (!outcome.failure) loop_.spawn(read_rest(std::move(stream)));
    co_return outcome;
  }

  // What comes behind the answer's end, so that its connection can serve again.
  static Task<> read_rest(net::HttpStream stream) {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer limit(co_await asio::this_coro::executor);
    limit.expires_after(kRestLimit);
    [[maybe_unused]] const auto first =
        co_await (read_to_end(std::move(stream)) || limit.async_wait(kAsTuple));
  }
  static Task<> read_to_end(net::HttpStream stream) {
    for (;;) {
      const auto more = co_await stream.read();
      if (!more || more->empty()) co_return;
    }
  }

  Failure unreachable(const sdk::Status& status) const {
    Failure failure = broken(llm_, "does not answer (" + status.message + ")");
    if (status.code == sdk::Code::kFailedPrecondition ||
        status.code == sdk::Code::kInvalidArgument) {
      failure.code = Code::kFailedPrecondition;
      failure.transient = false;
    }
    return failure;
  }

  // ---------------------------------------------------------------- whether it works
  Task<std::vector<Check>> look() {
    net::HttpRequest request = request_to("GET", llm_.models_url());
    request.connect_timeout = kCheckLimit;
    request.total_timeout = kCheckLimit;
    request.max_body_bytes = kMostOfAList;
    const auto answer = co_await http_.fetch(std::move(request));
    std::vector<Check> checks;
    if (!answer) {
      checks.push_back(
          {"server", false,
           unreachable(answer.error()).message + ": start it, or correct base_url of this backend",
           answer.error().code == sdk::Code::kFailedPrecondition ? sdk::Code::kFailedPrecondition
                                                                 : sdk::Code::kUnavailable});
      co_return checks;
    }
    const net::HttpHead& head = answer->head;
    checks.push_back({"server", true, llm_.shown_url() + " answers", sdk::Code::kOk});
    const Failure refusal =
        refused(llm_, {head.status, answer->body, {}, {}}, std::chrono::system_clock::now());
    if (head.status == 401 || head.status == 403) {
      checks.push_back({"key", false, refusal.message, sdk::Code::kFailedPrecondition});
    } else if (head.status == 200) {
      checks.push_back(
          {"key", true, llm_.api_key.empty() ? "none is needed" : "accepted", sdk::Code::kOk});
      checks.push_back(look_for_model(answer->body));
    } else if ((head.status == 404 || head.status == 405) && !llm_.lacks_version()) {
      checks.push_back({"model", true,
                        "the server does not say which models it has; " + llm_.model +
                            " is tried with the first message",
                        sdk::Code::kOk});
    } else {
      checks.back() = {"server", false, refusal.message, static_cast<sdk::Code>(refusal.code)};
    }
    co_return checks;
  }

  Check look_for_model(const std::string& body) const {
    const auto models = parse_models(body);
    if (!models)
      return {
          "model", false,
          llm_.shown_url() + ": " + models.error() + ": look at api and base_url of this backend",
          sdk::Code::kFailedPrecondition};
    const bool is_there = std::any_of(
        models->begin(), models->end(),
        [this](const std::string& id) { return id == llm_.model || id == llm_.model + ":latest"; });
    if (is_there) return {"model", true, llm_.model, sdk::Code::kOk};
    std::string some;
    for (std::size_t i = 0; i < std::min<std::size_t>(models->size(), 10); ++i)
      some += (i > 0 ? ", " : "") + net::one_line((*models)[i], 60);
    std::string words = "the server does not list the model " + llm_.model;
    words +=
        some.empty() ? "; it has none" : "; it has " + some + (models->size() > 10 ? ", …" : "");
    // An alias, or a dated name's short form, may be accepted without being listed.
    return {"model", false,
            words + ": correct model of this backend, or fetch it (for Ollama: ollama pull " +
                llm_.model + ")",
            sdk::Code::kFailedPrecondition};
  }

  sdk::Host host_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  net::Loop& loop_;
  net::HttpClient http_;
  const Config config_;
  const Llm& llm_;
  Transcripts& transcripts_;
  std::mt19937_64 random_;
  std::unordered_map<std::uint64_t, SessionPtr> sessions_;
};

}  // namespace

std::unique_ptr<Driver> make_llm_driver(const sdk::Host& host, net::Loop& loop,
                                        const Config& config, Transcripts& transcripts) {
  return std::make_unique<LlmDriver>(host, loop, config, transcripts);
}

}  // namespace viaduct::bridge
