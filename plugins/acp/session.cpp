// How a session is had at an agent, and had back.
#include "plugins/acp/session.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using std::chrono::steady_clock;

// To have a session back, with the start of its agent; the host waits for a minute.
constexpr std::chrono::seconds kLongestRestore{55};

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
  began_ = steady_clock::now();
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
  replay_ = std::make_shared<Replay>(context_.loop);
  if (!attach(native_id)) return give_up(std::move(reply), kTaken);
  replay_->load(
      agent_, params(native_id), context_.config.handshake, began_ + kLongestRestore,
      /*patient=*/false,
      [self = shared_from_this(), native_id, kept = std::make_shared<sdk::Reply>(std::move(reply))](
          const CallResult& answer) { self->opened(answer, std::move(*kept), native_id); });
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
        self->replay_ = std::make_shared<Replay>(self->context_.loop);  // some replay into a copy
        self->opened(answer, std::move(*kept), "");
        if (self->replay_) self->replay_->answered(agent);
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
  if (closed_ || !agent_ || !agent_->usable())
    return failed({sdk::Code::kUnavailable, "The agent ended while the session was opened"});
  if (!use(std::move(*session), std::move(native_id))) return failed(kTaken);
  apply(wanted_, 0,
        [self = shared_from_this(), kept = std::make_shared<sdk::Reply>(std::move(reply))] {
          if (!self->agent_ || !self->agent_->usable())
            return self->give_up(std::move(*kept),
                                 {sdk::Code::kUnavailable, "The agent ended while it was set up"});
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
  closed_ = true;
  waiting_.clear();
  if (const RunPtr run = run_) {
    const bool sent = agent_ && run->call != 0;
    if (sent && !run->cancelling)
      agent_->connection().notify("session/cancel", id_params(native_id_));
    run->cancelling = true;
    decide_all();
    end_turn(sdk::StopReason::kCancelled, "");
    if (sent) kill_unless_answered(run);
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
  if (!agent_) return;  // let go of meanwhile
  agent_ = nullptr;
  holding_ = false;
  attached_.clear();
  terminals_.clear();
  if (closed_) return;
  // A turn whose end was asked for keeps that end; the next message finds no session here.
  if (const RunPtr run = run_; run && run->timed_out) {
    fail({sdk::Code::kTimeout, "The agent said nothing for too long and was stopped"});
  } else if (run && run->cancelling) {
    end_turn(sdk::StopReason::kCancelled, "");
  } else if (run && run->call == 0) {
    fail({sdk::Code::kNotFound, why});  // nothing ran
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

}  // namespace viaduct::acp
