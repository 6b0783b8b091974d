#include "host/cli/trial.hpp"

#include "host/delivery/delivery.hpp"
#include "host/memory/memory.hpp"
#include "host/store/sqlite.hpp"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <ranges>
#include <tuple>

namespace viaduct::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kCreate{10'000};
constexpr milliseconds kDoctor{30'000};  // as the running host has it
constexpr milliseconds kStop{5'000};

class Silence final : public LogSink {
 public:
  void write(Level, std::string_view, std::string_view) override {}
  bool enabled(Level) const override { return false; }
};

// ---------------------------------------------------------------- in the child

// What the parent reads: one letter, then words. 'n': it could not be tried. 'r': it refuses. 'c':
// created. 'd': created, and what the doctor found, as JSON; 'f': … and why the doctor failed. 't':
// what its tool answers, as JSON; 'u': it has none; 'e': why it failed.
void tell(int out, char what, std::string_view words) {
  std::string text = what + std::string(words);
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t size = ::write(out, rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(size));
  }
}

// What is to be done with an instance once it is there.
struct Task {
  bool doctor = false;
  std::optional<std::vector<std::string>> tool{};  // its arguments
};

void try_one(const config::Config& config, plugins::Loader& loader, const std::string& name,
             const Task& task, const std::string& folder, int out) {
  Silence silence;
  Redactor redactor;
  Metrics metrics;
  Loop loop;
  Logger log(silence, "trial");
  auto store = store::open_sqlite(loop, {folder + "/trial.db"}, log);
  if (!store) return tell(out, 'n', store.error().message);
  auto server = http::make_server(loop, {}, metrics, log);  // and never started
  sessions::Sessions sessions(loop, **store, metrics, log);
  memory::MemoryService memory(**store);
  delivery::Delivery delivery((*store)->mail(), metrics, log, delivery::make_alarm(loop));
  plugins::Plugins plugins(loader,
                           {loop, sessions, *server, **store, memory, delivery, metrics, redactor,
                            silence, [](Done<std::string> done) { done(std::string("{}")); }},
                           {.start = task.doctor || task.tool ? kDoctor : kCreate});
  const auto end = [&](char what, std::string words) {
    plugins.stop(kStop, [&loop, out, what, words = std::move(words)](Result<>) {
      tell(out, what, words);
      loop.stop();
    });
  };
  loop.post([&] {
    plugins.create_only(config, name, [&](Result<> created) {
      if (!created) return end('r', created.error().message);
      if (task.tool)
        return plugins.tool_run(name, *task.tool, [&](Result<std::string> answer) {
          if (answer) return end('t', std::move(*answer));
          end(answer.error().code == Errc::unsupported ? 'u' : 'e', answer.error().message);
        });
      if (!task.doctor) return end('c', "");
      plugins.tool_doctor(name, [&](Result<std::string> found) {
        if (found) return end('d', std::move(*found));
        end(found.error().code == Errc::unsupported ? 'c' : 'f', found.error().message);
      });
    });
  });
  loop.run();
  // Nothing is taken down: a plugin that was abandoned may still be somewhere in it.
  ::_exit(0);
}

// ---------------------------------------------------------------- in the parent

struct Child {
  pid_t pid = -1;
  int in = -1;
  std::string said;
  std::string folder;
};

Child begin(const config::Config& config, plugins::Loader& loader, const std::string& name,
            const Task& task) {
  Child child;
  std::error_code error;
  child.folder = (fs::temp_directory_path(error) / "viaduct-trial-XXXXXX").string();
  int ends[2];
  if (::mkdtemp(child.folder.data()) == nullptr || ::pipe2(ends, O_CLOEXEC) != 0) {
    child.said = "n" + child.folder + ": " + std::strerror(errno);
    return child;
  }
  child.pid = ::fork();
  if (child.pid == 0) {
    // What a plugin prints is no part of the answer.
    if (const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC); nothing >= 0)
      ::dup2(nothing, STDOUT_FILENO);
    try_one(config, loader, name, task, child.folder, ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  child.in = ends[0];
  if (child.pid < 0) child.said = std::string("nfork: ") + std::strerror(errno);
  return child;
}

void read_all(std::vector<Child>& children, milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  for (;;) {
    std::vector<pollfd> waiting;
    for (const Child& child : children)
      if (child.in >= 0 && child.pid > 0) waiting.push_back({child.in, POLLIN, 0});
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    if (waiting.empty() || left <= 0) return;
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left)) < 0 && errno != EINTR)
      return;
    for (Child& child : children) {
      const auto ready = std::ranges::find(waiting, child.in, &pollfd::fd);
      if (ready == waiting.end() || ready->revents == 0) continue;
      char buffer[4096];
      const ssize_t size = ::read(child.in, buffer, sizeof buffer);
      if (size > 0) {
        child.said.append(buffer, static_cast<std::size_t>(size));
      } else if (size == 0 || errno != EINTR) {
        ::close(child.in);
        child.in = -1;
      }
    }
  }
}

// What is left of it is gone afterwards; how it ended, if that was not by itself.
std::string bury(Child& child) {
  std::string end;
  if (child.pid > 0) {
    if (child.in >= 0) {
      ::kill(child.pid, SIGKILL);
      end = "does not come to an end";
    }
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (end.empty() && WIFSIGNALED(status))
      end = std::string("crashes (") + ::strsignal(WTERMSIG(status)) + ")";
    else if (end.empty() && child.said.empty())
      end = "ends the process";
  }
  if (child.in >= 0) ::close(child.in);
  std::error_code ignored;
  fs::remove_all(child.folder, ignored);
  return end;
}

Tried outcome(const std::string& name, Child& child, const Redactor& redactor) {
  Tried tried{name, std::nullopt};
  const std::string end = bury(child);
  const std::string words =
      child.said.empty() ? "" : redactor.apply(std::string_view(child.said).substr(1));
  switch (child.said.empty() ? '?' : child.said.front()) {
    case 'c': break;
    case 'd': tried.findings = parse_findings(words); break;
    case 'f': tried.findings = {{"doctor", false, words}}; break;
    case 'r': tried.refused = words; break;
    case 'n': tried.refused = "it could not be tried: " + words; break;
    default: tried.refused = "the plugin " + end + " when it is given this configuration";
  }
  return tried;
}

}  // namespace

std::vector<Tried> try_instances(const config::Config& config, plugins::Loader& loader, bool doctor,
                                 const std::vector<std::string>& only) {
  std::vector<std::string> names;
  const auto take = [&](const config::Instance& instance) {
    if (instance.sound && (only.empty() || std::ranges::count(only, instance.name) != 0))
      names.push_back(instance.name);
  };
  std::ranges::for_each(config.backends, take);
  std::ranges::for_each(config.surfaces, take);
  Redactor redactor;
  for (const std::string& secret : config.secrets) redactor.add(secret);
  std::vector<Tried> all;
  constexpr std::size_t kAtOnce = 8;
  for (std::size_t at = 0; at < names.size(); at += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, names.size() - at);
    std::vector<Child> children;
    for (std::size_t i = 0; i < count; ++i)
      children.push_back(begin(config, loader, names[at + i], {.doctor = doctor}));
    read_all(children, kCreate + kStop + (doctor ? kDoctor : milliseconds{0}) + kStop);
    for (std::size_t i = 0; i < count; ++i)
      all.push_back(outcome(names[at + i], children[i], redactor));
  }
  return all;
}

Result<std::string> try_tool(const config::Config& config, plugins::Loader& loader,
                             const std::string& name, const std::vector<std::string>& arguments) {
  std::vector<Child> children;
  children.push_back(begin(config, loader, name, {.tool = arguments}));
  read_all(children, kCreate + kDoctor + kStop);
  Child& child = children.front();
  const std::string end = bury(child);
  if (child.said.empty()) return fail(Errc::internal, "the plugin " + end);
  std::string words = child.said.substr(1);
  if (child.said.front() == 't') return words;
  Redactor redactor;
  for (const std::string& secret : config.secrets) redactor.add(secret);
  return fail(child.said.front() == 'u' ? Errc::unsupported : Errc::failed_precondition,
              redactor.apply(words));
}

config::Loaded try_config(const std::string& file, plugins::Loader& loader) {
  config::Loaded loaded = load_config(file, loader);
  const config::Config& config = loaded.config;
  const auto all = try_instances(config, loader, false);
  const auto look = [&](const config::Instance& instance, const char* section) {
    const auto tried = std::ranges::find(all, instance.name, &Tried::name);
    if (tried == all.end() || !tried->refused) return;
    // One that reads all of its configuration says each fault in a line of its own.
    for (const auto line : std::views::split(*tried->refused, '\n'))
      loaded.diagnostics.push_back(
          config::refusal(config, instance, section, std::string(line.begin(), line.end())));
  };
  std::ranges::move(loaded.absent, std::back_inserter(loaded.diagnostics));
  loaded.absent.clear();
  for (const auto& backend : config.backends) look(backend, "backends");
  for (const auto& surface : config.surfaces) look(surface, "surfaces");
  std::ranges::sort(loaded.diagnostics, {}, [](const config::Diagnostic& one) {
    return std::tuple(one.line, one.column, one.message);
  });
  return loaded;
}

}  // namespace viaduct::cli
