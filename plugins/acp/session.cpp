// How a session is had at an agent, and had back.
#include "plugins/acp/session.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// An agent may replay after its answer, too: it has when nothing came for this long.
constexpr milliseconds kQuiet{250};
constexpr std::chrono::seconds kLongestReplay{10};

const sdk::Status kTaken{sdk::Code::kUnavailable,
                         "The agent gave the id of another session that is open here"};

// The options of a session by id; what the user chose goes before what the configuration says.
std::vector<std::pair<std::string, std::string>> wanted_options(const Config& config,
                                                                std::string_view chosen_json) {
  std::vector<std::pair<std::string, std::string>> wanted;
  if (!config.model.empty()) wanted.emplace_back("model", config.model);
  if (!config.mode.empty()) wanted.emplace_back("mode", config.mode);
  for (auto& one : parse_chosen(chosen_json)) {
    const auto found =
        std::ranges::find_if(wanted, [&](const auto& before) { return before.first == one.first; });
    if (found == wanted.end())
      wanted.push_back(std::move(one));
    else
      found->second = std::move(one.second);
  }
  return wanted;
}

}  // namespace

std::string expanded(std::string_view folder) {
  const char* home = std::getenv("HOME");
  if (home != nullptr && (folder == "~" || folder.starts_with("~/")))
    return home + std::string(folder.substr(1));
  return std::string(folder);
}

Session::Session(Context& context, const sdk::Open& open)
    : context_(context),
      handle_(open.session),
      session_id_(open.session_id),
      folder_(expanded(open.working_dir.empty() ? "~" : open.working_dir)),
      wanted_(wanted_options(context.config, open.options)),
      sink_(context.host, open.session),
      terminals_(context.loop, context.config) {}

std::string Session::params(std::string_view native_id) const {
  std::vector<std::string> left_out;
  std::string text = session_params(native_id, folder_, context_.config, agent_->can(), &left_out);
  for (const std::string& name : left_out)
    context_.log.warn("the agent cannot reach this MCP server name=" + name);
  return text;
}

// Gets an agent first. What fails is the answer.
void Session::with_agent(sdk::Reply reply, std::function<void(sdk::Reply)> then) {
  struct stat found{};
  if (!folder_.starts_with('/'))
    return give_up(std::move(reply), {sdk::Code::kInvalidArgument, "The working folder " + folder_ +
                                                                       " is not an absolute path"});
  if (::stat(folder_.c_str(), &found) != 0 || !S_ISDIR(found.st_mode))
    return give_up(std::move(reply), {sdk::Code::kFailedPrecondition,
                                      "There is no working folder " + folder_ + " on the host"});
  context_.agents.acquire([self = shared_from_this(),
                           kept = std::make_shared<sdk::Reply>(std::move(reply)),
                           then = std::move(then)](net::Result<Agents::AgentPtr> agent) {
    if (!agent) return self->give_up(std::move(*kept), agent.error());
    self->agent_ = std::move(*agent);
    if (self->closed_)
      return self->give_up(std::move(*kept), {sdk::Code::kCancelled, "The session was closed"});
    then(std::move(*kept));
  });
}

void Session::open(sdk::Reply reply) {
  with_agent(std::move(reply), [self = shared_from_this()](sdk::Reply opening) {
    self->agent_->begin();
    self->agent_->request(
        "session/new", self->params(""),
        [self, agent = self->agent_,
         kept = std::make_shared<sdk::Reply>(std::move(opening))](const CallResult& answer) {
          agent->finish();
          self->opened(answer, std::move(*kept), "");
        });
  });
}

void Session::restore(std::string native_id, sdk::Reply reply) {
  with_agent(std::move(reply), [self = shared_from_this(),
                                native_id = std::move(native_id)](sdk::Reply restoring) {
    const AgentCapabilities& can = self->agent_->can();
    if (!can.resume && !can.load)
      return self->give_up(std::move(restoring),
                           {sdk::Code::kNotFound, "the agent cannot load sessions"});
    if (!can.resume) return self->load(native_id, std::move(restoring));
    self->agent_->begin();
    self->agent_->request(
        "session/resume", self->params(native_id),
        [self, native_id, agent = self->agent_,
         kept = std::make_shared<sdk::Reply>(std::move(restoring))](const CallResult& answer) {
          agent->finish();
          const bool refused =
              !answer && answer.error().answered && answer.error().rpc.code != kAuthRequired;
          if (refused && self->agent_ && agent->usable() && agent->can().load)
            return self->load(native_id, std::move(*kept));
          self->opened(answer, std::move(*kept), native_id);
        });
  });
}

void Session::load(std::string native_id, sdk::Reply reply) {
  // The host has all of it: what the agent replays is neither stored nor shown again.
  replay_ = Replay::kDiscarded;
  replayed_ = 0;
  if (!attach(native_id)) return give_up(std::move(reply), kTaken);
  agent_->begin();
  agent_->request(
      "session/load", params(native_id),
      [self = shared_from_this(), native_id, agent = agent_,
       kept = std::make_shared<sdk::Reply>(std::move(reply))](const CallResult& answer) {
        agent->finish();
        if (!answer) {
          self->replay_ = Replay::kNone;
          return self->opened(answer, std::move(*kept), native_id);
        }
        self->wait_for_quiet(steady_clock::now() + kLongestReplay, [self, answer, kept, native_id] {
          self->replay_ = Replay::kNone;
          self->opened(answer, std::move(*kept), native_id);
        });
      });
}

void Session::wait_for_quiet(steady_clock::time_point limit, std::function<void()> then) {
  auto timer = std::make_shared<asio::steady_timer>(context_.loop.context(), kQuiet);
  timer->async_wait([self = shared_from_this(), timer, limit, seen = replayed_,
                     then = std::move(then)](boost::system::error_code) {
    if (self->replayed_ == seen || steady_clock::now() >= limit) return then();
    self->wait_for_quiet(limit, then);
  });
}

void Session::fork(const Session& source, sdk::Reply reply) {
  agent_ = source.agent_;
  if (!agent_ || !agent_->usable() || !agent_->can().fork)
    return give_up(std::move(reply), {sdk::Code::kUnsupported, "The agent cannot copy sessions"});
  agent_->begin();
  agent_->request(
      "session/fork", params(source.native_id_),
      [self = shared_from_this(), agent = agent_,
       kept = std::make_shared<sdk::Reply>(std::move(reply))](const CallResult& answer) {
        agent->finish();
        self->replay_ = Replay::kDiscarded;  // some replay into a copy
        self->opened(answer, std::move(*kept), "");
        self->replay_ = Replay::kNone;
      });
}

// The answer to new, resume, load and fork. `native_id` is what was asked for, empty: a new one.
void Session::opened(const CallResult& answer, sdk::Reply reply, std::string native_id) {
  const auto failed = [&](const sdk::Status& status) { give_up(std::move(reply), status); };
  if (!answer) {
    sdk::Status status = status_of(answer.error(), context_.config);
    // A live agent's answer is final for this rung; what is worth another try is silence and death.
    if (answer.error().answered && status.code == sdk::Code::kUnavailable)
      status.code = native_id.empty() ? sdk::Code::kInternal : sdk::Code::kNotFound;
    if (status.code == sdk::Code::kTimeout) status.code = sdk::Code::kUnavailable;
    return failed(status);
  }
  auto session = parse_session(*answer);
  if (!session)
    return failed(
        {sdk::Code::kUnavailable, "The agent's answer is no session: " + session.error()});
  if (native_id.empty() && session->session_id.empty())
    return failed({sdk::Code::kUnavailable, "The agent opened a session without an id"});
  if (closed_ || !agent_)
    return failed({sdk::Code::kUnavailable, "The agent ended while the session was opened"});
  if (!agent_->usable())
    return failed({sdk::Code::kUnavailable, "The agent ended while the session was opened"});
  if (!use(std::move(*session), std::move(native_id))) return failed(kTaken);
  apply(wanted_, 0,
        [self = shared_from_this(), kept = std::make_shared<sdk::Reply>(std::move(reply))] {
          if (!self->options_.empty()) {
            self->sink_.options(self->options());
            self->tell_commands();
          }
          kept->native(self->native_id_);
        });
}

bool Session::use(SessionAnswer answer, std::string native_id) {
  native_id_ = answer.session_id.empty() ? std::move(native_id) : std::move(answer.session_id);
  if (answer.has_options) options_ = std::move(answer.options);
  return attach(native_id_);
}

// It could not be had: nothing is left of it.
void Session::give_up(sdk::Reply reply, const sdk::Status& status) {
  const auto self = shared_from_this();
  native_id_.clear();
  let_go();
  reply.fail(status);
}
void Session::let_go() {
  detach();
  terminals_.clear();
  if (const auto agent = std::exchange(agent_, nullptr)) context_.agents.release(agent);
  context_.forget(handle_);
}

bool Session::attach(const std::string& native_id) {
  if (attached_ != native_id) detach();
  if (!agent_->attach(native_id, *this)) return false;
  attached_ = native_id;
  return true;
}
void Session::detach() {
  read_on();
  if (agent_ && !attached_.empty()) agent_->detach(attached_, *this);
  attached_.clear();
}

void Session::apply(std::vector<std::pair<std::string, std::string>> wanted, std::size_t next,
                    std::function<void()> then) {
  if (next == wanted.size() || !agent_) return then();
  const auto& [id, value] = wanted[next];
  const auto chosen = choose(options_, id, value);
  if (!chosen) {
    sink_.notice("Not applied: " + id + " " + value + ". " + chosen.error());
    return apply(std::move(wanted), next + 1, std::move(then));
  }
  if (chosen->option->current == chosen->value)
    return apply(std::move(wanted), next + 1, std::move(then));
  const SetOption request = set_option_request(native_id_, *chosen->option, chosen->value);
  const std::string option = chosen->option->id;
  agent_->begin();
  agent_->request(
      request.method, request.params,
      [self = shared_from_this(), agent = agent_, wanted = std::move(wanted), next, option,
       chosen = chosen->value, then = std::move(then)](const CallResult& answer) mutable {
        agent->finish();
        if (answer) {
          auto parsed = parse_session(*answer);
          if (parsed && parsed->has_options)
            self->options_ = replaced(self->options_, std::move(parsed->options));
          else
            for (Option& one : self->options_)
              if (one.id == option) one.current = chosen;
        } else if (answer.error().answered) {
          self->sink_.notice("Not applied: " + wanted[next].first + " " + wanted[next].second +
                             ". " + status_of(answer.error(), self->context_.config).message);
        }
        self->apply(std::move(wanted), next + 1, std::move(then));
      });
}

void Session::set_option(std::string_view option, std::string_view value, sdk::Reply reply) {
  const auto chosen = choose(options_, option, value);
  if (!chosen) return reply.fail(sdk::Code::kInvalidArgument, chosen.error());
  if (!agent_) return reply.fail(sdk::Code::kNotFound, "no such session");
  apply({{chosen->option->id, chosen->value}}, 0,
        [self = shared_from_this(), id = chosen->option->id, value = chosen->value,
         kept = std::make_shared<sdk::Reply>(std::move(reply))] {
          const auto found = std::ranges::find(self->options_, id, &Option::id);
          if (found == self->options_.end() || found->current != value)
            return kept->fail(sdk::Code::kUnavailable, "The agent did not take it");
          std::erase_if(self->wanted_, [&](const auto& one) { return one.first == id; });
          self->wanted_.emplace_back(id, value);
          kept->ok(self->options());
        });
}

// ---------------------------------------------------------------- the end

void Session::resumed(sdk::Reply reply) {
  if (agent_ && agent_->usable()) return reply.native(native_id_);
  reply.fail(sdk::Code::kNotFound, "The agent was stopped");
}

void Session::close(sdk::Reply reply) {
  const auto self = shared_from_this();
  say_gathered();
  closed_ = true;
  waiting_.clear();
  if (const RunPtr run = run_) {
    if (agent_) agent_->connection().notify("session/cancel", id_params(native_id_));
    run->cancelling = true;
    decide_all();
    end(sdk::StopReason::kCancelled, "");
    if (agent_ && !run->own) kill_unless_answered(run);
  }
  if (agent_ && agent_->usable() && agent_->can().close && context_.config.share &&
      !native_id_.empty())
    agent_->request("session/close", id_params(native_id_), [](const CallResult&) {});
  let_go();
  reply.ok();
}

// Nobody waits for the turn any more, but the agent may still be at work.
void Session::kill_unless_answered(const RunPtr& run) {
  auto timer =
      std::make_shared<asio::steady_timer>(context_.loop.context(), context_.config.cancel_grace);
  timer->async_wait([timer, run, agent = agent_](boost::system::error_code) {
    if (!run->answered && agent->usable())
      agent->kill("The agent was killed because it did not stop");
  });
}

void Session::stop(std::string_view why) {
  say_gathered();
  closed_ = true;
  waiting_.clear();
  if (run_) {
    run_->cancelling = true;
    decide_all();
    fail({sdk::Code::kUnavailable, std::string(why)});
  }
  detach();
  terminals_.clear();
}

void Session::agent_ended(const std::string& why) {
  const auto self = shared_from_this();
  say_all();
  agent_ = nullptr;
  holding_ = false;
  attached_.clear();
  terminals_.clear();
  if (closed_) return;
  // A turn whose end was asked for keeps that end; the next message finds no session here.
  if (const RunPtr run = run_; run && run->timed_out) {
    fail({sdk::Code::kTimeout, "The agent said nothing for too long and was stopped"});
  } else if (run && run->cancelling) {
    end(sdk::StopReason::kCancelled, "");
  } else if (run) {
    sink_.lost(why);  // ends the turn as interrupted
    fail({sdk::Code::kUnavailable, why});
  } else if (native_id_.empty()) {
    return;  // not opened yet: what it waits for fails
  } else {
    sink_.lost(why);
  }
  context_.forget(handle_);
}

// ---------------------------------------------------------------- sessions that are not held

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
    agent_->request(
        "session/load",
        session_params(about_.id, about_.cwd, context_.config, agent_->can(), &left_out),
        [self = shared_from_this()](const CallResult& answer) {
          if (answer) return self->quiet(steady_clock::now() + kLongestReplay);
          sdk::Status status = status_of(answer.error(), self->context_.config);
          if (is_unknown_session(answer.error())) status.code = sdk::Code::kNotFound;
          self->done(status);
        });
  }

 private:
  void updated(Update update) override {
    ++seen_;
    log_.add(update);
  }
  void requested(const std::string& id, std::string_view, std::string_view) override {
    if (agent_) agent_->connection().refuse(id, kInvalidRequest, "no turn is running");
  }
  void withdrawn(const std::string&) override {}
  void agent_ended(const std::string& why) override { done({sdk::Code::kUnavailable, why}); }

  void quiet(steady_clock::time_point limit) {
    auto timer = std::make_shared<asio::steady_timer>(context_.loop.context(), kQuiet);
    timer->async_wait(
        [self = shared_from_this(), timer, limit, seen = seen_](boost::system::error_code) {
          if (self->seen_ == seen || steady_clock::now() >= limit) return self->done({});
          self->quiet(limit);
        });
  }
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
  std::size_t seen_ = 0;
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
