#include "plugins/acp/agent.hpp"

#include <algorithm>
#include <cctype>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

constexpr std::size_t kMostEarly = 100;
constexpr std::size_t kMostEarlyBytes = 1 << 20;
constexpr std::size_t kLongestWords = 600;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

sdk::Status status_of(const CallError& error, const Config& config) {
  if (!error.answered) return error.status;
  const std::string words =
      net::one_line(net::redacted(error.rpc.words(), config.secrets()), kLongestWords);
  if (error.rpc.code == kAuthRequired) {
    std::string message = "The agent is not logged in";
    message += words.empty() ? "." : " (" + words + ").";
    message += config.login.empty() ? " Log in on the host, then try again."
                                    : " On the host, " + config.login + ". Then try again.";
    return {sdk::Code::kFailedPrecondition, message};
  }
  return {sdk::Code::kUnavailable, "The agent answered: " + words};
}

bool is_unknown_session(const CallError& error) {
  if (!error.answered || error.rpc.code == kAuthRequired) return false;
  if (error.rpc.code == kResourceNotFound) return true;
  const std::string words = lower(error.rpc.words());
  if (words.find("session") == std::string::npos) return false;
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"not found", "unknown", "no such", "no previous",
                                              "does not exist", "invalid session",
                                              "no active session", "no conversation"},
      [&](std::string_view part) { return words.find(part) != std::string::npos; });
}

Agent::Agent(const sdk::Host& host, net::Loop& loop, const Config& config, std::uint64_t generation,
             Ended ended)
    : loop_(loop),
      config_(config),
      generation_(generation),
      log_(host),
      metrics_(host),
      ended_(std::move(ended)) {}

void Agent::start(Started started) {
  started_ = std::move(started);
  auto made = Connection::start(loop_, config_, *this);
  if (!made) {
    std::string message = made.error().message;
    if (made.error().code == sdk::Code::kFailedPrecondition && !config_.install.empty())
      message += ". Install it: " + config_.install;
    wanted_end_ = true;  // there is nothing that could end
    return this->started(std::unexpected(sdk::Status{made.error().code, std::move(message)}));
  }
  connection_ = std::move(*made);
  connection_->request(
      "initialize", initialize_params(config_, "0.1.0"), config_.handshake,
      [self = shared_from_this()](const CallResult& answer) { self->initialized(answer); });
}

void Agent::initialized(const CallResult& answer) {
  if (!answer) {
    sdk::Status status = status_of(answer.error(), config_);
    // No agent refuses this one; a program that repeats what it is told gets its own refusal back.
    const bool refused = answer.error().answered && answer.error().rpc.code == kMethodNotFound;
    if (refused) status.code = sdk::Code::kFailedPrecondition;
    if (refused || (!answer.error().answered && status.code == sdk::Code::kTimeout))
      status.message = config_.command.front() +
                       " does not speak the Agent Client Protocol, as it seems (" + status.message +
                       "): correct `command` of this backend";
    return started(std::unexpected(std::move(status)));
  }
  auto can = parse_initialize(*answer);
  if (!can)
    return started(std::unexpected(sdk::Status{sdk::Code::kFailedPrecondition, can.error()}));
  can_ = std::move(*can);
  if (config_.auth_method.empty()) return started({});
  connection_->request("authenticate", authenticate_params(config_.auth_method), config_.handshake,
                       [self = shared_from_this()](const CallResult& done) {
                         if (done) return self->started({});
                         self->started(std::unexpected(status_of(done.error(), self->config_)));
                       });
}

void Agent::started(net::Result<> result) {
  Started told = std::exchange(started_, nullptr);
  if (!told) return;
  if (result && wanted_end_)
    result = std::unexpected(sdk::Status{sdk::Code::kUnavailable, "The agent was stopped"});
  usable_ = result.has_value();
  if (usable_) {
    log_.info("agent ready agent=" + net::one_line(can_.agent_name, 60) + " version=" +
              net::one_line(can_.agent_version, 40) + " pid=" + std::to_string(pid()));
  } else if (connection_ && connection_->is_open()) {
    wanted_end_ = true;
    connection_->stop();  // a failed handshake leaves no process behind
  }
  told(std::move(result));
}

std::uint64_t Agent::request(std::string_view method, std::string_view params,
                             std::function<void(CallResult)> done) {
  return connection_->request(method, params, config_.handshake, std::move(done));
}

// ---------------------------------------------------------------- sessions

Agent::Session* Agent::find(const std::string& native_id) const {
  const auto found = sessions_.find(native_id);
  return found == sessions_.end() ? nullptr : found->second;
}

bool Agent::attach(const std::string& native_id, Session& session) {
  Session*& held = sessions_[native_id];
  if (held != nullptr && held != &session) return false;
  held = &session;
  drop_early();
  early_bytes_ = 0;
  for (Early& one : std::exchange(early_, {})) {
    if (one.native_id == native_id) {
      one.tell(session);
    } else {
      early_bytes_ += one.size;
      early_.push_back(std::move(one));
    }
  }
  return true;
}

// Nobody has asked for what has waited longer than a request may take.
void Agent::drop_early() {
  const auto oldest = std::chrono::steady_clock::now() - config_.handshake;
  while (!early_.empty() && early_.front().at < oldest) {
    early_bytes_ -= early_.front().size;
    early_.pop_front();
  }
}

void Agent::detach(const std::string& native_id, const Session& session) {
  const auto found = sessions_.find(native_id);
  if (found != sessions_.end() && found->second == &session) sessions_.erase(found);
}

void Agent::begin() {
  ++under_way_;
}
void Agent::finish() {
  if (--under_way_ == 0 && usable_ && idle_) idle_();
}

void Agent::notified(std::string_view method, std::string_view params) {
  if (method == "session/update") {
    auto update = parse_update(params);
    if (!update) return;
    if (Session* session = find(update->session_id)) return session->updated(std::move(*update));
    std::size_t size = update->text.size() + update->json.size();
    for (const Update& one : update->also) size += one.text.size() + one.json.size();
    if (size > kMostEarlyBytes) return;
    drop_early();
    while (early_.size() == kMostEarly || early_bytes_ + size > kMostEarlyBytes) {
      early_bytes_ -= early_.front().size;
      early_.pop_front();
    }
    early_bytes_ += size;
    std::string native_id = update->session_id;
    early_.push_back(
        {std::chrono::steady_clock::now(), std::move(native_id), size,
         [update = std::move(*update)](Session& session) { session.updated(update); }});
  } else if (method == "$/cancel_request") {
    const std::string id = request_of(params);
    if (id.empty()) return;
    for (const auto& [native_id, session] : std::unordered_map(sessions_)) session->withdrawn(id);
  }
}

void Agent::requested(const std::string& id, std::string_view method, std::string_view params) {
  const std::string native_id = session_of(params);
  if (Session* session = find(native_id)) return session->requested(id, method, params);
  if (method == "elicitation/create" && native_id.empty()) return asked(id, params);
  const bool is_known = method == "session/request_permission" || method == "elicitation/create" ||
                        method.starts_with("fs/") || method.starts_with("terminal/");
  if (is_known && !native_id.empty())
    return connection_->refuse(id, kInvalidParams, "no such session");
  connection_->refuse(id, kMethodNotFound, "not offered by this client");
}

// A question about a request of ours: who made it is asked. Where that is no turn of a session,
// nobody is there to be asked.
void Agent::asked(const std::string& id, std::string_view params) {
  const std::string request = request_of(params);
  if (request.empty())
    return connection_->refuse(id, kInvalidParams, "sessionId or requestId: one of them is needed");
  if (const auto call = own_id(request))
    for (const auto& [native_id, session] : sessions_)
      if (session->made(*call)) return session->requested(id, "elicitation/create", params);
  log_.warn("the agent asked outside of any turn, and nobody was there to be asked");
  connection_->answer(id, elicitation_result("cancel", "{}", {}));
}

// ---------------------------------------------------------------- the end

void Agent::lose_sessions(const std::string& why) {
  usable_ = false;
  const auto sessions = std::exchange(sessions_, {});
  for (const auto& [native_id, session] : sessions) session->agent_ended(why);
}

void Agent::stop(const std::string& why) {
  const auto self = shared_from_this();
  if (connection_ && connection_->is_open()) wanted_end_ = true;
  lose_sessions(why);
  if (connection_) connection_->stop();
}

void Agent::kill(const std::string& why) {
  const auto self = shared_from_this();
  if (connection_ && connection_->is_open()) wanted_end_ = true;
  lose_sessions(why);
  if (connection_) connection_->kill();
}

void Agent::ended(std::string why) {
  const auto self = shared_from_this();
  lose_sessions(why);
  started(std::unexpected(sdk::Status{sdk::Code::kUnavailable, why}));
  if (const Ended told = std::exchange(ended_, nullptr)) told(*this, why, wanted_end_);
}

}  // namespace viaduct::acp
