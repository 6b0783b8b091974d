// The backend `acp`: the host's calls on sessions at agents that speak the Agent Client Protocol.
#include "plugins/acp/agents.hpp"
#include "plugins/acp/preset_file.hpp"
#include "plugins/acp/session.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <viaduct/net/loop.hpp>
#include <viaduct/net/text.hpp>
#include <viaduct/sdk/backend.hpp>

namespace viaduct::acp {
namespace {

Config parse(std::string_view config_json) {
  auto presets = load_presets();
  if (!presets) throw sdk::Error(sdk::Code::kFailedPrecondition, presets.error());
  auto config = parse_config(config_json, *presets);
  if (!config) throw sdk::Error(sdk::Code::kInvalidArgument, config.error());
  return *std::move(config);
}

std::string check_json(std::string_view name, bool ok, std::string_view message) {
  return R"({"name":)" + sdk::json_string(name) + R"(,"ok":)" + (ok ? "true" : "false") +
         R"(,"message":)" + sdk::json_string(message) + "}";
}

class Acp final : public sdk::Backend, public sdk::Tool {
 public:
  Acp(sdk::Host host, std::string_view config_json)
      : host_(std::move(host)),
        log_(host_),
        metrics_(host_),
        config_(parse(config_json)),
        agents_(host_, loop_, config_),
        context_{host_, log_, metrics_, loop_, config_, agents_, [this](std::uint64_t handle) {
                   sessions_.erase(handle);
                 }} {}

  sdk::EventLoop* loop() override { return &loop_; }

  sdk::Abilities abilities() const override {
    const auto count = [](std::chrono::milliseconds time) {
      return static_cast<std::uint64_t>(time.count());
    };
    const Resume& resume = config_.resume;
    return {
        VIADUCT_CAN_RESTORE | VIADUCT_CAN_CANCEL | VIADUCT_CAN_ASK | VIADUCT_CAN_IMAGES |
            VIADUCT_CAN_FILES | VIADUCT_CAN_FORK | VIADUCT_CAN_DISCOVER | VIADUCT_CAN_OPTIONS |
            VIADUCT_CAN_STREAM | VIADUCT_ROTATES_IDS,
        config_.agent_type,
        sdk::ResumePolicy{resume.enabled, resume.attempts, resume.give_up_after,
                          count(resume.backoff), count(config_.max_age), config_.fresh_on_loss}};
  }

  void start(sdk::Reply reply) override {
    agents_.begin([kept = std::make_shared<sdk::Reply>(std::move(reply))] { kept->ok(); });
  }
  void stop(sdk::Reply reply) override {
    for (const auto& [handle, session] : std::exchange(sessions_, {}))
      session->stop("The host is stopping");
    agents_.stop([kept = std::make_shared<sdk::Reply>(std::move(reply))] { kept->ok(); });
  }

  void open(const sdk::Open& open, sdk::Reply reply) override {
    hold(open)->open(std::move(reply));
  }
  void restore(const sdk::Open& open, sdk::Reply reply) override {
    hold(open)->restore(std::string(open.native_id), std::move(reply));
  }
  void resumed(const sdk::Open& open, sdk::Reply reply) override {
    const auto session = find(open.session);
    if (!session) return reply.fail(sdk::Code::kNotFound, "no such session");
    session->resumed(std::move(reply));
  }
  void fork(std::uint64_t source, const sdk::Open& open, sdk::Reply reply) override {
    const auto original = find(source);
    if (!original) return reply.fail(sdk::Code::kNotFound, "no such session");
    hold(open)->fork(*original, std::move(reply));
  }
  void prompt(const sdk::Prompt& prompt, sdk::Turn turn) override {
    const auto session = find(prompt.session);
    if (!session) return turn.fail(sdk::Code::kNotFound, "no such session");
    session->prompt(prompt, std::move(turn));
  }
  void cancel(std::uint64_t handle, std::uint64_t turn, sdk::Reply reply) override {
    if (const auto session = find(handle)) session->cancel(turn);
    reply.ok();
  }
  void answer(std::uint64_t handle, std::string_view item, std::string_view option,
              sdk::Reply reply) override {
    if (const auto session = find(handle)) session->answer(std::string(item), std::string(option));
    reply.ok();
  }
  void set_option(std::uint64_t handle, std::string_view option, std::string_view value,
                  sdk::Reply reply) override {
    const auto session = find(handle);
    if (!session) return reply.fail(sdk::Code::kNotFound, "no such session");
    session->set_option(option, value, std::move(reply));
  }
  void close(std::uint64_t handle, bool /*ended*/, sdk::Reply reply) override {
    const auto session = find(handle);
    if (!session) return reply.ok();
    sessions_.erase(handle);
    session->close(std::move(reply));
  }
  void writable(std::uint64_t handle) override {
    if (const auto session = find(handle)) session->writable();
  }
  void discover(std::string_view working_dir, sdk::Reply reply) override {
    list_sessions(context_, std::string(working_dir), std::move(reply));
  }
  void read(std::string_view native_id, sdk::Reply reply) override {
    read_session(context_, std::string(native_id), std::move(reply));
  }
  void purge(const sdk::Open& open, sdk::Reply reply) override {
    delete_session(context_, std::string(open.native_id), std::move(reply));
  }

  void health(sdk::Reply reply) override {
    const std::string trouble = agents_.trouble();
    if (trouble.empty()) return reply.ok();
    reply.fail(sdk::Code::kFailedPrecondition, trouble);
  }

  // ---- sdk::Tool
  void run(std::string_view arguments_json, sdk::Reply reply) override {
    if (arguments_json == R"(["restart"])") {
      agents_.restart("The agent was restarted");
      return reply.ok(
          R"({"exit_code":0,"output":"The agent starts anew with the next message.\n"})");
    }
    reply.ok(
        R"({"exit_code":2,"output":"Usage: viaduct )" + host_.name() +
        R"( restart   ends the agent; the next message starts it anew, also after it has crashed too often\n"})");
  }
  void doctor(sdk::Reply reply) override {
    agents_.acquire([this, kept = std::make_shared<sdk::Reply>(std::move(reply))](
                        net::Result<Agents::AgentPtr> agent) {
      if (!agent)
        return kept->ok(R"({"checks":[)" + check_json("agent", false, agent.error().message) +
                        "]}");
      const AgentCapabilities& can = (*agent)->can();
      std::string words = can.agent_name.empty() ? config_.command.front() : can.agent_name;
      if (!can.agent_version.empty()) words += " " + can.agent_version;
      words += can.resume || can.load ? " answers and restores its sessions"
                                      : " answers; it cannot restore sessions, so the host gives "
                                        "it the conversation again";
      try_session(context_, *agent, [this, kept, words, agent = *agent](net::Result<> tried) {
        agents_.release(agent);
        kept->ok(R"({"checks":[)" + check_json("agent", true, net::one_line(words, 400)) + "," +
                 check_json("session", tried.has_value(),
                            tried ? "it opens a session" : tried.error().message) +
                 "]}");
      });
    });
  }

 private:
  std::shared_ptr<Session> find(std::uint64_t handle) const {
    const auto found = sessions_.find(handle);
    return found == sessions_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Session> hold(const sdk::Open& open) {
    auto session = std::make_shared<Session>(context_, open);
    sessions_[open.session] = session;
    return session;
  }

  net::Loop loop_;  // first: what runs on it goes before it
  sdk::Host host_;
  sdk::Log log_;
  sdk::Metrics metrics_;
  const Config config_;
  Agents agents_;
  Context context_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Session>> sessions_;
};

}  // namespace
}  // namespace viaduct::acp

VIADUCT_EXPORT_BACKEND(viaduct::acp::Acp,
                       viaduct::sdk::Descriptor{
                           .id = "org.viaduct.acp",
                           .version = "0.1.0",
                           .summary = "Answers by an agent that speaks the Agent Client Protocol",
                           .config_schema = viaduct::acp::kSchema,
                           .config_example = viaduct::acp::kExample,
                       })
