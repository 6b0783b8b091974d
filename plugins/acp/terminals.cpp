#include "plugins/acp/terminals.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

namespace viaduct::acp {
namespace {

constexpr std::size_t kMost = 32;  // of one session

sdk::Status unknown() {
  return {sdk::Code::kNotFound, "no such terminal"};
}

}  // namespace

struct Terminals::Terminal {
  std::unique_ptr<net::ChildProcess> child;
  std::size_t limit = 0;
  Output output;
  std::vector<std::function<void(net::Result<TerminalExit>)>> waiting;

  void add(std::string_view text) {
    output.text += text;
    if (output.text.size() <= limit) return;
    output.truncated = true;
    std::size_t from = output.text.size() - limit;
    while (from < output.text.size() &&
           (static_cast<unsigned char>(output.text[from]) & 0xC0) == 0x80)
      ++from;
    output.text.erase(0, from);
  }
};

Terminals::~Terminals() {
  clear();
}
void Terminals::clear() {
  for (const auto& [id, terminal] : std::exchange(terminals_, {})) terminal->child->kill(SIGKILL);
}

std::shared_ptr<Terminals::Terminal> Terminals::find(const std::string& id) const {
  const auto found = terminals_.find(id);
  return found == terminals_.end() ? nullptr : found->second;
}

net::Result<std::string> Terminals::create(const CreateTerminal& request,
                                           const std::string& folder) {
  if (terminals_.size() >= kMost)
    return std::unexpected(
        sdk::Status{sdk::Code::kBusy, "too many terminals are open; release some"});
  net::ChildOptions options;
  // One stream of what it prints and what it complains of, in order.
  if (request.has_arguments) {
    options.arguments = {"/bin/sh", "-c", "exec \"$@\" 2>&1", "sh", request.command};
    options.arguments.insert(options.arguments.end(), request.arguments.begin(),
                             request.arguments.end());
  } else {
    options.arguments = {"/bin/sh", "-c", "exec 2>&1\n" + request.command};
  }
  options.environment = net::clean_environment({});
  options.environment.insert(options.environment.end(), request.environment.begin(),
                             request.environment.end());
  options.working_dir = folder;
  options.lines = false;
  auto child = net::ChildProcess::start(loop_, std::move(options));
  if (!child) return std::unexpected(child.error());
  (*child)->close_input();
  auto terminal = std::make_shared<Terminal>();
  terminal->child = std::move(*child);
  terminal->limit =
      request.output_limit > 0
          ? std::min(static_cast<std::size_t>(request.output_limit), config_.max_output)
          : config_.max_output;
  const std::string id = "terminal-" + std::to_string(++last_);
  terminals_.emplace(id, terminal);
  loop_.spawn(follow(std::move(terminal)));
  return id;
}

net::Task<> Terminals::follow(std::shared_ptr<Terminal> terminal) {
  for (;;) {
    const auto output = co_await terminal->child->read();
    if (!output || output->empty()) break;
    terminal->add(*output);
  }
  const auto exit = co_await terminal->child->wait();
  TerminalExit end;
  if (!exit)
    end.code = 1;
  else if (exit->signal == 0)
    end.code = exit->code;
  else if (const char* name = ::sigabbrev_np(exit->signal))
    end.signal = std::string("SIG") + name;
  else
    end.signal = std::to_string(exit->signal);
  terminal->output.exit = end;
  for (auto& done : std::exchange(terminal->waiting, {})) done(end);
}

net::Result<Terminals::Output> Terminals::output(const std::string& id) const {
  const auto terminal = find(id);
  if (!terminal) return std::unexpected(unknown());
  return terminal->output;
}

void Terminals::wait(const std::string& id, std::function<void(net::Result<TerminalExit>)> done) {
  const auto terminal = find(id);
  if (!terminal) return done(std::unexpected(unknown()));
  if (terminal->output.exit) return done(*terminal->output.exit);
  if (terminal->waiting.size() >= kMost)
    return done(std::unexpected(sdk::Status{sdk::Code::kBusy, "too many wait for its end"}));
  terminal->waiting.push_back(std::move(done));
}

net::Result<> Terminals::kill(const std::string& id) {
  const auto terminal = find(id);
  if (!terminal) return std::unexpected(unknown());
  terminal->child->kill(SIGKILL);
  return {};
}

net::Result<> Terminals::release(const std::string& id) {
  if (auto killed = kill(id); !killed) return killed;
  terminals_.erase(id);
  return {};
}

}  // namespace viaduct::acp
