// What an agent asks of the client in a session: permissions, questions, files, terminals.
#include "plugins/acp/files.hpp"
#include "plugins/acp/session.hpp"

#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

constexpr const char* kAllowOnce = "allow_once";
constexpr const char* kAllowAlways = "allow_always";
constexpr const char* kRejectOnce = "reject_once";
constexpr std::size_t kMostAsked = 64;  // open in one turn; more are answered as if nobody had

std::int64_t rpc_code(sdk::Code code) {
  switch (code) {
    case sdk::Code::kNotFound: return kResourceNotFound;
    case sdk::Code::kInvalidArgument:
    case sdk::Code::kPermissionDenied: return kInvalidParams;
    default: return kInternalError;
  }
}

}  // namespace

void Session::requested(const std::string& id, std::string_view method, std::string_view params) {
  if (run_) run_->heard = std::chrono::steady_clock::now();
  in_turn(params.size(), [this, id, method = std::string(method), params = std::string(params)] {
    if (agent_) serve(id, method, params);
  });
}

void Session::serve(const std::string& id, std::string_view method, std::string_view params) {
  if (run_) run_->said = true;  // something has been done, or may have been
  const bool files = context_.config.files != Policy::kDeny;
  const bool terminals = context_.config.terminals != Policy::kDeny;
  if (method == "session/request_permission") return request_permission(id, params);
  if (method == "elicitation/create") return elicit(id, params);
  if (method == "fs/read_text_file" && files) return read_text_file(id, params);
  if (method == "fs/write_text_file" && files) return write_text_file(id, params);
  if (method.starts_with("terminal/") && terminals) return terminal(id, method, params);
  agent_->connection().refuse(id, kMethodNotFound, "not offered by this client");
}

void Session::refuse(const std::string& id, const sdk::Status& status) {
  if (agent_) agent_->connection().refuse(id, rpc_code(status.code), status.message);
}

// ---------------------------------------------------------------- asking a person

// `decided` is called once: with an option of the request, or with nothing.
void Session::ask(const std::string& id, const PermissionRequest& request, Decided decided) {
  if (!run_ || run_->cancelling || run_->asked.size() >= kMostAsked) return decided("");
  last_meta_.clear();  // the text behind it is another entry
  // The agent's own ids begin anew with every process.
  const std::string item =
      std::to_string(agent_->generation()) + ":" + std::to_string(++last_asked_);
  run_->asked.emplace(item, Asked{id, std::move(decided)});
  const sdk::Flow flow = run_->turn.permission(
      item, permission_json(request, context_.config.permission_timeout.count()));
  if (flow == sdk::Flow::kOk || flow == sdk::Flow::kBusy) return took(flow);
  answer(item, "");
}

void Session::answer(const std::string& item, const std::string& option) {
  if (!run_) return;
  const auto found = run_->asked.find(item);
  if (found == run_->asked.end()) return;
  const Decided decided = std::move(found->second.decided);
  run_->asked.erase(found);
  run_->heard = std::chrono::steady_clock::now();
  decided(option);
}

void Session::decide_all() {
  for (auto& [item, asked] : std::exchange(run_->asked, {})) {
    run_->turn.permission_gone(item, "the turn was cancelled");
    asked.decided("");
  }
}

void Session::withdrawn(const std::string& id) {
  in_turn(id.size(), [this, id] { withdraw(id); });
}
void Session::withdraw(const std::string& id) {
  if (!run_ || !agent_) return;
  for (auto one = run_->asked.begin(); one != run_->asked.end(); ++one) {
    if (one->second.id != id) continue;
    run_->turn.permission_gone(one->first, "the agent withdrew the request");
    run_->asked.erase(one);
    agent_->connection().refuse(id, kRequestCancelled, "cancelled");
    return;
  }
}

void Session::request_permission(const std::string& id, std::string_view params) {
  const auto request = parse_permission(params);
  if (!request) return refuse(id, {sdk::Code::kInvalidArgument, request.error()});
  const Policy policy = context_.config.policy(request->kind);
  const PermissionOption* rejecting = request->rejecting();
  const std::string rejected = rejecting != nullptr ? rejecting->id : "";
  if (const PermissionOption* allowing = request->allowing();
      policy == Policy::kAllow && allowing != nullptr)
    return agent_->connection().answer(id, permission_result(allowing->id));
  if (policy == Policy::kDeny) return agent_->connection().answer(id, permission_result(rejected));
  ask(id, *request, [self = shared_from_this(), id, rejected](const std::string& option) {
    if (!self->agent_) return;
    const bool cancelled = !self->run_ || self->run_->cancelling;
    // A person's silence is no cancelling of the turn: the agent goes on without.
    const std::string& chosen = !option.empty() || cancelled ? option : rejected;
    self->agent_->connection().answer(id, permission_result(chosen));
  });
}

void Session::permitted(Policy policy, const std::string& id, const std::string& kind,
                        std::string title, const Details& details, std::function<void()> act) {
  if (policy == Policy::kAllow || always_.contains(kind)) return act();
  PermissionRequest request;
  request.title = std::move(title);
  request.kind = kind;
  request.tool_call = subject_json(request.title, kind, details);
  request.options = {{kAllowOnce, "Allow once", kAllowOnce},
                     {kAllowAlways, "Allow everything of this kind in this session", kAllowAlways},
                     {kRejectOnce, "Reject", kRejectOnce}};
  ask(id, request,
      [self = shared_from_this(), id, kind, act = std::move(act)](const std::string& option) {
        if (option == kAllowAlways) self->always_.insert(kind);
        if (option == kAllowAlways || option == kAllowOnce) {
          if (self->agent_) act();
          return;
        }
        self->refuse(id, {sdk::Code::kPermissionDenied, "the user did not allow it"});
      });
}

// ---------------------------------------------------------------- questions

void Session::elicit(const std::string& id, std::string_view params) {
  auto asked = parse_elicitation(params);
  if (!asked) return refuse(id, {sdk::Code::kInvalidArgument, asked.error()});
  if (!asked->refusal.empty()) {
    if (run_) run_->turn.notice("The agent asked: " + asked->message + " (" + asked->refusal + ")");
    return agent_->connection().answer(id, elicitation_result("decline", params, {}));
  }
  if (!asked->url.empty() || asked->questions.empty()) {
    PermissionRequest request;
    request.title = asked->message;
    if (!asked->url.empty()) request.title += "\n" + asked->url;
    request.options = {{"accept", asked->url.empty() ? "Accept" : "I have opened it", kAllowOnce},
                       {"decline", "Decline", kRejectOnce}};
    return ask(
        id, request,
        [self = shared_from_this(), id, params = std::string(params)](const std::string& option) {
          if (!self->agent_) return;
          self->agent_->connection().answer(
              id, elicitation_result(option.empty() ? "cancel" : option, params, {}));
        });
  }
  elicit_next(id, std::make_shared<Elicitation>(std::move(*asked)), std::string(params), {});
}

// One field after the other.
void Session::elicit_next(const std::string& id, std::shared_ptr<Elicitation> asked,
                          std::string params,
                          std::vector<std::pair<std::string, std::string>> answers) {
  if (answers.size() == asked->questions.size()) {
    if (agent_) agent_->connection().answer(id, elicitation_result("accept", params, answers));
    return;
  }
  const Question& question = asked->questions[answers.size()];
  PermissionRequest request;
  request.title = asked->message;
  if (!question.title.empty()) request.title += "\n" + question.title;
  for (std::size_t i = 0; i < question.choices.size(); ++i)
    request.options.push_back(
        {"choice-" + std::to_string(i), question.choices[i].name, kAllowOnce});
  request.options.push_back({"decline", "Decline", kRejectOnce});
  ask(id, request,
      [self = shared_from_this(), id, asked, params = std::move(params),
       answers = std::move(answers)](const std::string& option) mutable {
        if (!self->agent_) return;
        const Question& answered = asked->questions[answers.size()];
        for (std::size_t i = 0; i < answered.choices.size(); ++i) {
          if (option != "choice-" + std::to_string(i)) continue;
          answers.emplace_back(answered.field, answered.choices[i].value);
          return self->elicit_next(id, asked, std::move(params), std::move(answers));
        }
        self->agent_->connection().answer(
            id, elicitation_result(option.empty() ? "cancel" : "decline", params, {}));
      });
}

// ---------------------------------------------------------------- files and terminals

void Session::read_text_file(const std::string& id, std::string_view params) {
  const auto request = parse_read_file(params);
  if (!request) return refuse(id, {sdk::Code::kInvalidArgument, request.error()});
  permitted(context_.config.files, id, "read", "Read " + net::one_line(request->path, 500),
            {{"path", request->path}}, [this, self = shared_from_this(), id, request = *request] {
              const auto text = read_file(folder_, request, context_.config.max_file);
              if (!text) return refuse(id, text.error());
              agent_->connection().answer(id, read_file_result(*text));
            });
}

void Session::write_text_file(const std::string& id, std::string_view params) {
  const auto request = parse_write_file(params);
  if (!request) return refuse(id, {sdk::Code::kInvalidArgument, request.error()});
  permitted(context_.config.files, id, "edit", "Write " + net::one_line(request->path, 500),
            {{"path", request->path}, {"content", request->content}},
            [this, self = shared_from_this(), id, request = *request] {
              const auto written = write_file(folder_, request, context_.config.max_file);
              if (!written) return refuse(id, written.error());
              agent_->connection().answer(id, "{}");
            });
}

void Session::terminal(const std::string& id, std::string_view method, std::string_view params) {
  if (method == "terminal/create") {
    const auto request = parse_create_terminal(params);
    if (!request) return refuse(id, {sdk::Code::kInvalidArgument, request.error()});
    const auto folder = folder_below(folder_, request->cwd);
    if (!folder) return refuse(id, folder.error());
    const std::string& where = *folder;
    std::string line = request->command;
    for (const std::string& argument : request->arguments) line += " " + argument;
    // All of it is for the person to see, whatever the title has room for.
    Details details{{"command", request->command}, {"cwd", where}};
    for (const std::string& argument : request->arguments)
      details.emplace_back("argument", argument);
    for (const std::string& variable : request->environment) details.emplace_back("env", variable);
    return permitted(context_.config.terminals, id, "execute", "Run " + net::one_line(line, 500),
                     details, [this, self = shared_from_this(), id, request = *request, where] {
                       const auto made = terminals_.create(request, where);
                       if (!made) return refuse(id, made.error());
                       agent_->connection().answer(id, terminal_created_result(*made));
                     });
  }
  const auto call = parse_terminal_call(params);
  if (!call) return refuse(id, {sdk::Code::kInvalidArgument, call.error()});
  const std::string& which = call->terminal_id;
  const auto done = [&](const net::Result<>& result) {
    if (!result) return refuse(id, result.error());
    agent_->connection().answer(id, "{}");
  };
  if (method == "terminal/kill") return done(terminals_.kill(which));
  if (method == "terminal/release") {
    if (const auto last = terminals_.output(which); last && run_)
      run_->output.add(which, last->text);  // its call may end later
    return done(terminals_.release(which));
  }
  if (method == "terminal/wait_for_exit")
    return terminals_.wait(which, [weak = weak_from_this(), id](const auto& exit) {
      const auto self = weak.lock();
      if (!self || !self->agent_) return;
      if (!exit) return static_cast<Session&>(*self).refuse(id, exit.error());
      static_cast<Session&>(*self).agent_->connection().answer(id, terminal_exit_result(*exit));
    });
  if (method == "terminal/output") {
    const auto output = terminals_.output(which);
    if (!output) return refuse(id, output.error());
    return agent_->connection().answer(
        id, terminal_output_result(output->text, output->truncated, output->exit));
  }
  agent_->connection().refuse(id, kMethodNotFound, "not offered by this client");
}

}  // namespace viaduct::acp
