// An agent's own sessions: listed, read for the host's log, deleted.
#include "plugins/acp/session.hpp"

#include <algorithm>
#include <utility>

namespace viaduct::acp {

namespace {

// Gets an agent for a moment.
void briefly(Context& context, sdk::Reply reply,
             std::function<void(Agents::AgentPtr, std::shared_ptr<sdk::Reply>)> then) {
  context.agents.acquire([kept = std::make_shared<sdk::Reply>(std::move(reply)),
                          then = std::move(then)](net::Result<Agents::AgentPtr> agent) {
    if (!agent) return kept->fail(agent.error());
    (*agent)->begin();
    then(*agent, kept);
  });
}
void no_longer(Context& context, const Agents::AgentPtr& agent) {
  agent->finish();
  context.agents.release(agent);
}

struct Listing {
  std::vector<ListedSession> sessions;
  std::string folder;
};
constexpr std::size_t kMostListed = 2000;
constexpr std::chrono::seconds kLongestRead{75};  // the host waits for two minutes

void list_pages(Context& context, Agents::AgentPtr agent, std::shared_ptr<Listing> listing,
                std::string cursor, std::function<void(net::Result<>)> then) {
  agent->request(
      "session/list", list_params(listing->folder, cursor),
      [&context, agent, listing, cursor, then = std::move(then)](const CallResult& answer) {
        if (!answer) return then(std::unexpected(status_of(answer.error(), context.config)));
        SessionList page = parse_list(*answer);
        std::ranges::move(page.sessions, std::back_inserter(listing->sessions));
        if (page.next.empty() || page.next == cursor || page.sessions.empty() ||
            listing->sessions.size() >= kMostListed)
          return then({});
        list_pages(context, agent, listing, page.next, then);
      });
}

// Records what an agent replays of one session.
class Reader final : public Agent::Session, public std::enable_shared_from_this<Reader> {
 public:
  Reader(Context& context, Agents::AgentPtr agent, ListedSession about,
         std::shared_ptr<sdk::Reply> reply)
      : context_(context),
        agent_(std::move(agent)),
        about_(std::move(about)),
        reply_(std::move(reply)) {}

  void start() {
    std::vector<std::string> left_out;
    if (!agent_->attach(about_.id, *this)) {
      no_longer(context_, std::exchange(agent_, nullptr));
      return reply_->fail(sdk::Code::kBusy, "The session is open here");
    }
    replay_->load(agent_,
                  session_params(about_.id, about_.cwd, context_.config, agent_->can(), &left_out),
                  context_.config.handshake, Replay::Clock::now() + kLongestRead, /*patient=*/true,
                  [self = shared_from_this()](const CallResult& answer) {
                    if (answer) return self->done({});
                    sdk::Status status = status_of(answer.error(), self->context_.config);
                    if (is_unknown_session(answer.error())) status.code = sdk::Code::kNotFound;
                    self->done(status);
                  });
  }

 private:
  void updated(Update update) override {
    replay_->came(update.kind);
    log_.add(update);
  }
  void requested(const std::string& id, std::string_view, std::string_view) override {
    if (agent_) agent_->connection().refuse(id, kInvalidRequest, "no turn is running");
  }
  void withdrawn(const std::string&) override {}
  void agent_ended(const std::string& why) override { done({sdk::Code::kUnavailable, why}); }

  void done(const sdk::Status& status) {
    const auto self = shared_from_this();
    const auto agent = std::exchange(agent_, nullptr);
    if (!agent) return;
    agent->detach(about_.id, *this);
    if (agent->usable() && agent->can().close)
      agent->request("session/close", id_params(about_.id), [](const CallResult&) {});
    no_longer(context_, agent);
    if (status.ok())
      reply_->ok(read_json(about_, log_));
    else
      reply_->fail(status);
  }

  Context& context_;
  Agents::AgentPtr agent_;
  const ListedSession about_;
  std::shared_ptr<sdk::Reply> reply_;
  ReplayLog log_;
  const std::shared_ptr<Replay> replay_ = std::make_shared<Replay>(context_.loop);
};

}  // namespace

void list_sessions(Context& context, std::string working_dir, sdk::Reply reply) {
  briefly(context, std::move(reply),
          [&context, folder = working_dir.empty() ? "" : expanded(working_dir)](
              const Agents::AgentPtr& agent, const std::shared_ptr<sdk::Reply>& kept) {
            if (!agent->can().list) {
              no_longer(context, agent);
              return kept->ok(discovered_json({}));
            }
            auto listing = std::make_shared<Listing>(Listing{{}, folder});
            list_pages(context, agent, listing, "",
                       [&context, agent, kept, listing](const net::Result<>& result) {
                         no_longer(context, agent);
                         if (!result) return kept->fail(result.error());
                         kept->ok(discovered_json(listing->sessions));
                       });
          });
}

void read_session(Context& context, std::string native_id, sdk::Reply reply) {
  briefly(context, std::move(reply),
          [&context, native_id](const Agents::AgentPtr& agent,
                                const std::shared_ptr<sdk::Reply>& kept) {
            const auto refused = [&](sdk::Code code, const char* why) {
              no_longer(context, agent);
              kept->fail(code, why);
            };
            if (!agent->can().load || !agent->can().list)
              return refused(sdk::Code::kUnsupported, "The agent cannot load sessions");
            auto listing = std::make_shared<Listing>();
            list_pages(context, agent, listing, "",
                       [&context, agent, kept, listing, native_id](const net::Result<>& result) {
                         const auto found =
                             std::ranges::find(listing->sessions, native_id, &ListedSession::id);
                         if (!result || found == listing->sessions.end()) {
                           no_longer(context, agent);
                           return result ? kept->fail(sdk::Code::kNotFound,
                                                      "The agent has no such session")
                                         : kept->fail(result.error());
                         }
                         std::make_shared<Reader>(context, agent, *found, kept)->start();
                       });
          });
}

void try_session(Context& context, const Agents::AgentPtr& agent,
                 std::function<void(net::Result<>)> done) {
  std::vector<std::string> left_out;
  agent->begin();
  agent->request("session/new",
                 session_params("", expanded("~"), context.config, agent->can(), &left_out),
                 [&context, agent, done = std::move(done)](const CallResult& answer) {
                   agent->finish();
                   if (!answer)
                     return done(std::unexpected(status_of(answer.error(), context.config)));
                   if (const auto made = parse_session(*answer); made && agent->usable()) {
                     const std::string params = id_params(made->session_id);
                     if (agent->can().close)
                       agent->request("session/close", params, [](const CallResult&) {});
                     if (agent->can().remove)
                       agent->request("session/delete", params, [](const CallResult&) {});
                   }
                   done({});
                 });
}

void delete_session(Context& context, std::string native_id, sdk::Reply reply) {
  if (native_id.empty()) return reply.ok();
  briefly(context, std::move(reply),
          [&context, native_id](const Agents::AgentPtr& agent,
                                const std::shared_ptr<sdk::Reply>& kept) {
            if (!agent->can().remove) {
              no_longer(context, agent);
              return kept->ok();
            }
            agent->request("session/delete", id_params(native_id),
                           [&context, agent, kept](const CallResult& answer) {
                             no_longer(context, agent);
                             if (answer || is_unknown_session(answer.error())) return kept->ok();
                             kept->fail(status_of(answer.error(), context.config));
                           });
          });
}

}  // namespace viaduct::acp
