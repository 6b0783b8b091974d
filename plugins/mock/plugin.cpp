// The mock backend: wires the player of its rules to the host.
#include "plugins/mock/calls.hpp"
#include "plugins/mock/config.hpp"
#include "plugins/mock/native_ids.hpp"
#include "plugins/mock/player.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <viaduct/sdk/backend.hpp>

namespace viaduct::mock {
namespace {

constexpr const char kSchema[] = R"json({
  "type": "object",
  "additionalProperties": false,
  "definitions": {
    "duration": {"type": "string", "pattern": "^[0-9]+(ms|s|m)$", "description": "such as 20ms, 3s, 1m"}
  },
  "properties": {
    "record": {"type": "string", "description": "file to which each call is appended as one line of JSON"},
    "chunk_delay": {"$ref": "#/definitions/duration", "description": "between two words of an answer"},
    "rules": {
      "type": "array",
      "description": "the first rule whose match fits the message says what happens",
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["match"],
        "properties": {
          "match": {"type": "string", "minLength": 1, "description": "regular expression on the first 4 KiB of the message"},
          "on": {"enum": ["message", "create", "resume"], "description": "what the rule is for; create and resume match the working folder and need fail"},
          "fail": {"enum": ["invalid_argument", "not_found", "permission_denied", "unauthenticated", "failed_precondition",
                            "session_dead", "unavailable", "busy", "cancelled", "timeout", "unsupported", "internal"]},
          "delay": {"$ref": "#/definitions/duration"},
          "reply": {"type": "string", "description": "may contain $0 to $9, $permission and $$"},
          "recall": {"type": "boolean", "description": "replies with what the user said before"},
          "content": {
            "type": "array",
            "description": "after the reply: texts, and ACP content blocks (images, audio, resources)",
            "items": {
              "type": ["string", "object"],
              "required": ["type"],
              "properties": {
                "type": {"enum": ["image", "audio", "resource"]},
                "words": {"type": "string", "description": "for where it cannot be shown"}
              }
            }
          },
          "plan": {
            "type": "array",
            "items": {
              "type": ["string", "object"],
              "required": ["content"],
              "properties": {
                "content": {"type": "string"},
                "priority": {"enum": ["high", "medium", "low"]},
                "status": {"enum": ["pending", "in_progress", "completed"]}
              }
            }
          },
          "thought": {"type": "string"},
          "tool": {"type": "object", "properties": {"title": {"type": "string"}, "kind": {"type": "string"}}},
          "permission": {
            "type": "object",
            "additionalProperties": false,
            "required": ["title"],
            "properties": {
              "title": {"type": "string", "minLength": 1},
              "timeout": {"$ref": "#/definitions/duration"},
              "options": {
                "type": "array",
                "minItems": 1,
                "items": {
                  "type": ["string", "object"],
                  "additionalProperties": false,
                  "required": ["name"],
                  "properties": {
                    "optionId": {"type": "string"},
                    "name": {"type": "string"},
                    "kind": {"enum": ["allow_once", "allow_always", "reject_once", "reject_always"]}
                  }
                }
              }
            }
          },
          "usage": {"type": "object"}
        }
      }
    }
  }
})json";

constexpr const char kExample[] = R"json({
  "rules": [
    {"match": "^die$", "fail": "session_dead"},
    {"match": "^slow ([0-9]+)$", "delay": "100ms", "reply": "took $1"},
    {"match": "^deploy", "plan": ["build", "ship"], "thought": "Is it tested?", "tool": {"title": "deploy"},
     "permission": {"title": "Deploy?", "options": ["Allow", "Deny"]}, "reply": "$permission it is"}
  ]
})json";

constexpr std::size_t kMaxRemembered = 4096;  // bytes of the last message
constexpr std::size_t kMaxEnded = 10'000;     // handles of which we know that they were ended

std::shared_ptr<const Config> parse(std::string_view config_json) {
  auto config = parse_config(config_json);
  if (!config) throw sdk::Error(sdk::Code::kInvalidArgument, config.error());
  return std::make_shared<const Config>(*std::move(config));
}

// Called on the host's threads, in order for each session; a session's mutex also keeps its timers
// in order.
class MockBackend final : public sdk::Backend {
 public:
  MockBackend(sdk::Host host, std::string_view config_json)
      : host_(std::move(host)), timers_(host_), config_(parse(config_json)) {}

  sdk::Abilities abilities() const override {
    return {VIADUCT_CAN_RESTORE | VIADUCT_CAN_INJECT | VIADUCT_CAN_CANCEL | VIADUCT_CAN_ASK |
                VIADUCT_CAN_STREAM,
            "mock", std::nullopt};
  }

  void start(sdk::Reply reply) override { open_record(std::move(reply)); }

  void reload(std::string_view config_json, sdk::Reply reply) override {
    auto config = parse(config_json);
    {
      const std::lock_guard lock(mutex_);
      config_ = std::move(config);
    }
    open_record(std::move(reply));
  }

  void stop(sdk::Reply reply) override {
    std::unordered_map<std::uint64_t, std::shared_ptr<Session>> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (const auto& [handle, session] : held) {
      const std::lock_guard lock(session->mutex);
      if (session->active) session->active->turn.fail(sdk::Code::kUnavailable, "the mock stops");
      end_turn(*session);
    }
    calls_.close();
    reply.ok();
  }

  void open(const sdk::Open& open, sdk::Reply reply) override {
    calls_.add("create_session", open.session_id, {{"working_dir", open.working_dir}});
    hold(On::kCreate, open, {}, {}, std::move(reply));
  }

  void restore(const sdk::Open& open, sdk::Reply reply) override {
    std::optional<std::string> last_message;
    {
      const std::lock_guard lock(mutex_);
      last_message = native_ids_.take(std::string(open.native_id));
    }
    if (!last_message) {  // not recorded: the host injects next, which is
      reply.fail(sdk::Code::kNotFound, "the mock keeps sessions only while it runs");
      return;
    }
    record_resume(open, "native");
    hold(On::kResume, open, std::string(open.native_id), *std::move(last_message),
         std::move(reply));
  }

  void inject(const sdk::Open& open, sdk::Reply reply) override {
    record_resume(open, "transcript");
    hold(On::kResume, open, {}, last_user_message(open.transcript), std::move(reply));
  }

  void resumed(const sdk::Open& open, sdk::Reply reply) override {
    record_resume(open, "live");
    if (refused(On::kResume, open, reply)) return;
    const auto session = find(open.session);
    if (session)
      reply.native(session->native_id);
    else
      reply.fail(sdk::Code::kNotFound, "the mock does not hold this session");
  }

  void prompt(const sdk::Prompt& prompt, sdk::Turn turn) override {
    const auto session = find(prompt.session);
    if (!session) {
      if (was_ended(prompt.session))
        turn.fail(sdk::Code::kSessionDead, "the session has ended");
      else
        turn.fail(sdk::Code::kNotFound, "the mock does not hold this session");
      return;
    }
    if (prompt.context_json.empty())
      calls_.add("send_message", session->id, {{"message", prompt.text}});
    else
      calls_.add("send_message", session->id,
                 {{"message", prompt.text}, {"context", prompt.context_json}});
    const std::lock_guard lock(session->mutex);
    if (session->active) {
      turn.fail(sdk::Code::kBusy, "the session has a turn already");
      return;
    }
    session->active.emplace(std::move(turn),
                            Player(config(), prompt.text, session->last_message, prompt.turn));
    session->last_message = valid_utf8(std::string(prompt.text.substr(0, kMaxRemembered)));
    play(session);
  }

  void cancel(std::uint64_t handle, std::uint64_t turn, sdk::Reply reply) override {
    if (const auto session = find(handle)) {
      calls_.add("cancel_session", session->id, {});
      const std::lock_guard lock(session->mutex);
      if (session->active && session->active->turn.number() == turn) {
        session->active->turn.end(sdk::StopReason::kCancelled, session->native_id);
        end_turn(*session);
      }
    }
    reply.ok();
  }

  void answer(std::uint64_t handle, std::string_view item, std::string_view option_id,
              sdk::Reply reply) override {
    if (const auto session = find(handle)) {
      calls_.add("answer", session->id, {{"item", item}, {"option_id", option_id}});
      const std::lock_guard lock(session->mutex);
      auto& active = session->active;
      if (active && active->waits == Waits::kAnswer && active->permission == item) {
        active->player.answered(option_id);
        play(session);
      }
    }
    reply.ok();
  }

  void writable(std::uint64_t handle) override {
    const auto session = find(handle);
    if (!session) return;
    const std::lock_guard lock(session->mutex);
    if (session->active && session->active->waits == Waits::kWritable) play(session);
  }

  void close(std::uint64_t handle, bool ended, sdk::Reply reply) override {
    std::shared_ptr<Session> session;
    {
      const std::lock_guard lock(mutex_);
      if (const auto node = held_.extract(handle)) session = node.mapped();
      if (session && ended) {
        ended_.push_back(handle);
        if (ended_.size() > kMaxEnded) ended_.pop_front();
      }
    }
    if (session) {
      if (ended) calls_.add("end_session", session->id, {});
      std::string last_message;
      {
        const std::lock_guard lock(session->mutex);
        if (session->active)
          session->active->turn.end(sdk::StopReason::kCancelled, session->native_id);
        end_turn(*session);
        last_message = session->last_message;
      }
      const std::lock_guard lock(mutex_);
      native_ids_.put(session->native_id, std::move(last_message));
    }
    reply.ok();
  }

 private:
  enum class Waits { kNothing, kTimer, kAnswer, kWritable };
  struct Active {
    Active(sdk::Turn the_turn, Player the_player)
        : turn(std::move(the_turn)), player(std::move(the_player)) {}
    sdk::Turn turn;
    Player player;
    Waits waits = Waits::kNothing;
    std::uint64_t timer = 0;
    std::string permission;
  };
  struct Session {
    std::string id, native_id;
    std::mutex mutex;  // the rest; may be held while mutex_ is not
    std::string last_message;
    std::optional<Active> active;
  };

  std::shared_ptr<const Config> config() {
    const std::lock_guard lock(mutex_);
    return config_;
  }
  std::shared_ptr<Session> find(std::uint64_t handle) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(handle);
    return found == held_.end() ? nullptr : found->second;
  }
  bool was_ended(std::uint64_t handle) {
    const std::lock_guard lock(mutex_);
    return std::find(ended_.begin(), ended_.end(), handle) != ended_.end();
  }

  void open_record(sdk::Reply reply) {
    if (const auto opened = calls_.open(config()->record))
      reply.ok();
    else
      reply.fail(sdk::Code::kFailedPrecondition, opened.error());
  }
  void record_resume(const sdk::Open& open, std::string_view context) {
    calls_.add("resume_session", open.session_id,
               {{"working_dir", open.working_dir}, {"context", context}});
  }

  // Fails the call, now or after its delay, if a rule says so for this working folder.
  bool refused(On on, const sdk::Open& open, sdk::Reply& reply) {
    const auto rules = config();
    const Rule* rule = first_match(*rules, on, open.working_dir).rule;
    if (rule == nullptr) return false;
    const auto code = static_cast<sdk::Code>(rule->fail->code);
    std::string why = "the mock was told to fail with " + rule->fail->name;
    if (rule->delay.count() == 0)
      reply.fail(code, why);
    else
      timers_.after(rule->delay,
                    [code, why, later = std::move(reply)]() mutable { later.fail(code, why); });
    return true;
  }

  void hold(On on, const sdk::Open& open, std::string native_id, std::string last_message,
            sdk::Reply reply) {
    if (refused(on, open, reply)) {
      const std::lock_guard lock(mutex_);
      if (!native_id.empty()) native_ids_.put(native_id, std::move(last_message));
      return;
    }
    auto session = std::make_shared<Session>();
    session->id = open.session_id;
    session->last_message = std::move(last_message);
    {
      const std::lock_guard lock(mutex_);
      session->native_id = native_id.empty() ? native_ids_.make() : std::move(native_id);
      held_[open.session] = session;
    }
    reply.native(session->native_id);
  }

  // Goes on with the session's turn until it has to wait. Its mutex is held.
  void play(const std::shared_ptr<Session>& session) {
    Active& active = *session->active;
    active.waits = Waits::kNothing;
    for (;;) {
      const Action action = active.player.next();
      sdk::Flow flow = sdk::Flow::kOk;
      switch (action.kind) {
        case Action::kText: flow = active.turn.text(action.text); break;
        case Action::kContent: flow = active.turn.content(action.text, action.words); break;
        case Action::kThought: flow = active.turn.thought(action.text); break;
        case Action::kTool: flow = active.turn.tool_call(action.id, action.text); break;
        case Action::kPlan: flow = active.turn.plan(action.text); break;
        case Action::kUsage: flow = active.turn.usage(action.text); break;
        case Action::kPermission:
          flow = active.turn.permission(action.id, action.text);
          if (flow == sdk::Flow::kOk || flow == sdk::Flow::kBusy) {
            active.waits = Waits::kAnswer;
            active.permission = action.id;
            return;
          }
          break;
        case Action::kWait: {
          active.waits = Waits::kTimer;
          const std::weak_ptr<Session> held = session;
          active.timer = timers_.after(action.wait, [this, held, number = active.turn.number()] {
            const auto later = held.lock();
            if (!later) return;
            const std::lock_guard lock(later->mutex);
            if (later->active && later->active->turn.number() == number &&
                later->active->waits == Waits::kTimer)
              play(later);
          });
          return;
        }
        case Action::kEnd:
          active.turn.end(sdk::StopReason::kEndTurn, session->native_id);
          end_turn(*session);
          return;
        case Action::kFail:
          active.turn.fail(static_cast<sdk::Code>(action.code), action.text);
          end_turn(*session);
          return;
      }
      if (flow == sdk::Flow::kBusy) {
        active.waits = Waits::kWritable;
        return;
      }
      if (flow != sdk::Flow::kOk) {  // cancelled, or nobody hears
        active.turn.end(sdk::StopReason::kCancelled, session->native_id);
        end_turn(*session);
        return;
      }
    }
  }
  void end_turn(Session& session) {
    if (session.active && session.active->timer != 0) timers_.cancel(session.active->timer);
    session.active.reset();
  }

  sdk::Host host_;
  sdk::Timers timers_;
  Calls calls_;

  std::mutex mutex_;  // the rest
  std::shared_ptr<const Config> config_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Session>> held_;
  std::deque<std::uint64_t> ended_;
  NativeIds native_ids_;
};

}  // namespace
}  // namespace viaduct::mock

VIADUCT_EXPORT_BACKEND(viaduct::mock::MockBackend,
                       viaduct::sdk::Descriptor{
                           .id = "org.viaduct.mock",
                           .version = "0.1.0",
                           .summary = "Answers by rules, so that everything works without an agent",
                           .config_schema = viaduct::mock::kSchema,
                           .config_example = viaduct::mock::kExample,
                           .concurrent = true,
                       })
