#include "host/cli/serve.hpp"

#include "host/cli/changes.hpp"
#include "host/cli/checkup.hpp"
#include "host/cli/commands.hpp"
#include "host/cli/control.hpp"
#include "host/cli/deliveries_commands.hpp"
#include "host/cli/landing.hpp"
#include "host/cli/overview.hpp"
#include "host/cli/places.hpp"
#include "host/cli/plugin_command.hpp"
#include "host/delivery/delivery.hpp"
#include "host/memory/memory.hpp"
#include "host/sessions/sessions_json.hpp"
#include "host/store/sqlite.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <set>
#include <thread>

namespace viaduct::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// SIGTERM to exit is at most 15 s: turns and requests get 6, plugins 3 for each kind, the rest is
// reserve.
constexpr milliseconds kDrain{6000};
constexpr milliseconds kStopPlugins{3000};
constexpr milliseconds kLast{14500};

constexpr std::size_t kShortestBeginning = 4;  // of a session's id
constexpr std::uint32_t kCandidates = 10;      // that are shown where it fits several

// Every viewer is a descriptor: as many as this process may have.
void raise_descriptor_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

// What a surface is, or why an instance is not there; empty: nothing worth a line.
std::string in_words(const plugins::InstanceStatus& instance, const std::string& address) {
  if (instance.state == plugins::InstanceState::failed)
    return "does not run: " + (instance.error ? instance.error->message : "");
  if (!instance.is_surface) return "";
  return instance.page.empty() ? instance.summary : "http://" + address + instance.page;
}

// What is not as it should be while the host serves all the same, a line each.
std::string remarks(const std::vector<plugins::InstanceStatus>& instances, std::uint64_t missing) {
  std::string names;
  for (const auto& instance : instances)
    if (instance.state == plugins::InstanceState::failed)
      names += (names.empty() ? "" : ", ") + instance.name;
  return (names.empty() ? "" : "not running: " + names + "\n") +
         (missing == 0 ? "" : missing_in_words(missing) + "\n");
}

http::Response text(unsigned status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

// The running host. Members stand on those before them.
class Host {
 public:
  Host(std::string file, config::Config config, plugins::Loader& loader,
       std::unique_ptr<Redactor> redactor, std::unique_ptr<LogSink> sink)
      : file_(std::move(file)),
        config_(std::move(config)),
        loader_(loader),
        redactor_(std::move(redactor)),
        sink_(std::move(sink)),
        log_(*sink_, "host"),
        sessions_log_(*sink_, "turn"),
        signals_(loop_.context(), SIGTERM, SIGINT, SIGHUP) {}

  int run();

 private:
  Result<> build();
  void begin();
  void fail_to_start(const Error& error);
  void ready();
  void wait_for_signal();
  // Answers with what takes a restart to change.
  void reload(Done<std::vector<std::string>> done);
  void take_up(config::Loaded loaded, Done<std::vector<std::string>> done);
  void stop();
  void control(ControlRequest request, Done<std::string> done);
  void with_whole_id(ControlRequest request, Done<std::string> done);
  void doctor(std::string file, Done<std::string> done);
  Result<Principal> local_user(const std::string& surface) const;
  void measure_store();
  plugins::Services services();

  const steady_clock::time_point started_ = steady_clock::now();
  std::string file_;
  config::Config config_;
  plugins::Loader& loader_;
  std::unique_ptr<Redactor> redactor_;
  std::unique_ptr<LogSink> sink_;
  Logger log_, sessions_log_;
  Metrics metrics_;
  Loop loop_;
  boost::asio::signal_set signals_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<sessions::Sessions> sessions_;
  std::unique_ptr<memory::MemoryService> memory_;
  std::unique_ptr<delivery::Delivery> delivery_;
  std::unique_ptr<plugins::Plugins> plugins_;
  std::unique_ptr<ControlServer> control_;
  bool ready_ = false;
  bool stopping_ = false;
  bool reloading_ = false;
  bool comparing_ = false;
  std::jthread loading_, looking_;  // last: they use the others
  std::string refused_;             // why the last reload was; empty: it was not
  int exit_code_ = 0;
};

Result<> Host::build() {
  auto store = store::open_sqlite(loop_, {config_.store_path}, Logger(*sink_, "store"));
  if (!store) return std::unexpected(store.error());
  store_ = std::move(*store);
  http_ = http::make_server(loop_, config_.server, metrics_, Logger(*sink_, "http"));
  // Taken early: with the port in use nothing of what was stored is touched. Nothing is answered
  // before the loop runs.
  if (auto listening = http_->start(); !listening) return listening;
  sessions_ = std::make_unique<sessions::Sessions>(loop_, *store_, metrics_, sessions_log_);
  memory_ = std::make_unique<memory::MemoryService>(*store_);
  delivery_ = std::make_unique<delivery::Delivery>(
      store_->mail(), metrics_, Logger(*sink_, "delivery"), delivery::make_alarm(loop_));
  plugins_ = std::make_unique<plugins::Plugins>(loader_, services());
  auto control = ControlServer::open(
      loop_, control_socket(config_.home),
      [this](ControlRequest request, Done<std::string> done) {
        this->control(std::move(request), std::move(done));
      },
      Logger(*sink_, "control"));
  if (!control) return std::unexpected(control.error());
  control_ = std::move(*control);

  http_->page("/", [this] { return landing_page(plugins_->status()); });
  http_->page("/viaduct.css", [] { return landing_style(); });
  http_->page("/healthz", [] { return text(200, "ok\n"); });
  http_->page("/readyz", [this] {
    if (!ready_ || stopping_) return text(503, "not ready\n");
    measure_store();
    return text(200, "ready\n" + remarks(plugins_->status(), delivery_->missing()));
  });
  http_->page("/metrics", [this] {
    measure_store();
    return http::Response{
        200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics_.text()};
  });
  return {};
}

plugins::Services Host::services() {
  return {loop_,
          *sessions_,
          *http_,
          *store_,
          *memory_,
          *delivery_,
          metrics_,
          *redactor_,
          *sink_,
          [this](Done<std::string> done) {
            store_->counts([this, done = std::move(done)](Result<store::Counts> counts) mutable {
              if (!counts) return done(std::unexpected(counts.error()));
              const auto uptime =
                  std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - started_);
              done(overview_json(config_, *counts, uptime.count()));
            });
          }};
}

int Host::run() {
  if (auto built = build(); !built) {
    log_.error("not started reason={}", built.error().message);
    return 1;
  }
  wait_for_signal();
  loop_.post([this] { begin(); });
  loop_.run();
  if (plugins_->abandoned() > 0) {
    // Threads may still be inside of an abandoned plugin: nothing that they might use is taken
    // down.
    store_->close();
    std::cout << std::flush;
    ::_exit(exit_code_);
  }
  // Nothing runs any more: what is left goes in reverse order.
  control_ = nullptr;
  plugins_ = nullptr;
  delivery_ = nullptr;
  sessions_ = nullptr;
  http_ = nullptr;
  store_->close();
  return exit_code_;
}

void Host::begin() {
  plugins_->apply(config_, [this](Result<> applied) {
    if (!applied) return fail_to_start(applied.error());
    sessions_->recover([this](Result<> recovered) {
      if (!recovered) return fail_to_start(recovered.error());
      ready();
    });
  });
}

void Host::fail_to_start(const Error& error) {
  log_.error("not started reason={}", error.message);
  exit_code_ = 1;
  stop();
}

void Host::ready() {
  ready_ = true;
  measure_store();
  const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - started_);
  log_.info("host ready address={} version={} ms={}", http_->address(), version(), took.count());
  std::cout << "viaduct listening on http://" << http_->address() << "/\n";
  if (!http_->webhooks_address().empty())
    std::cout << "viaduct listening for webhooks on http://" << http_->webhooks_address() << "/\n";
  for (const auto& instance : plugins_->status())
    if (const std::string what = in_words(instance, http_->address()); !what.empty())
      std::cout << "  " << instance.name << ": " << what << '\n';
  std::cout << std::flush;
  ::malloc_trim(0);  // what reading the configuration and the schemas took
}

void Host::wait_for_signal() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    wait_for_signal();
    if (signal == SIGHUP) return reload([](Result<std::vector<std::string>>) {});
    if (stopping_) {
      log_.warn("second signal, exiting at once");
      ::_exit(1);
    }
    stop();
  });
}

void Host::reload(Done<std::vector<std::string>> done) {
  if (stopping_) return done(fail(Errc::unavailable, "the host is stopping"));
  if (std::exchange(reloading_, true)) return done(fail(Errc::busy, "another reload is under way"));
  // On a thread of its own: a new plugin file may hang while it is tried.
  loading_ = std::jthread([this, done = std::move(done)]() mutable {
    auto loaded = std::make_shared<config::Loaded>(load_config(file_, loader_));
    loop_.post([this, loaded, done = std::move(done)]() mutable {
      reloading_ = false;
      take_up(std::move(*loaded), std::move(done));
    });
  });
}

void Host::take_up(config::Loaded loaded, Done<std::vector<std::string>> done) {
  if (!loaded.diagnostics.empty()) {
    std::string all;
    for (const auto& diagnostic : loaded.diagnostics)
      all += (all.empty() ? "" : "\n") + diagnostic.text();
    refused_ = redactor_->apply(all);
    log_.error("configuration not reloaded reason={}", all);
    return done(fail(Errc::invalid_argument, all));
  }
  auto fresh = std::make_shared<config::Config>(std::move(loaded.config));
  std::vector<std::string> restart = changes(config_, *fresh).restart;
  std::set<std::string> used;
  for (const auto& backend : fresh->backends) used.insert(backend.plugin);
  for (const auto& surface : fresh->surfaces) used.insert(surface.plugin);
  for (const std::string& plugin : used)
    if (loader_.replaced(plugin)) restart.push_back("the replaced file of the plugin " + plugin);
  for (const std::string& what : restart) log_.warn("it takes a restart: {}", what);
  for (const std::string& secret : fresh->secrets) redactor_->add(secret);
  plugins_->apply(*fresh, [this, fresh, restart = std::move(restart),
                           done = std::move(done)](Result<> applied) mutable {
    if (!applied) {
      refused_ = redactor_->apply(applied.error().message);
      log_.error("configuration not reloaded reason={}", applied.error().message);
      return done(std::unexpected(applied.error()));
    }
    // What takes a restart stays as it runs.
    config_.backends = std::move(fresh->backends);
    config_.surfaces = std::move(fresh->surfaces);
    config_.plugin_path = std::move(fresh->plugin_path);
    std::erase_if(config_.origins, is_reloadable);
    std::ranges::copy_if(fresh->origins, std::back_inserter(config_.origins), is_reloadable);
    refused_.clear();
    log_.info("configuration reloaded");
    done(std::move(restart));
  });
}

void Host::stop() {
  if (std::exchange(stopping_, true)) return;
  log_.info("stopping");
  auto last = std::make_shared<boost::asio::steady_timer>(loop_.context(), kLast);
  last->async_wait([this, last](boost::system::error_code error) {
    if (error) return;
    log_.error("not stopped in time, exiting");
    ::_exit(1);
  });
  // Turns come to their end while requests that wait for them are still open; then the plugins,
  // which still want to store things.
  auto left = std::make_shared<int>(2);
  auto drained = [this, left, last](Result<>) {
    if (--*left > 0) return;
    plugins_->stop(kStopPlugins, [this, last](Result<>) {
      log_.info("stopped");
      last->cancel();
      loop_.stop();
    });
  };
  sessions_->stop(drained);
  http_->drain(kDrain, drained);
}

void Host::control(ControlRequest request, Done<std::string> answer) {
  // A plugin's reason may quote its configuration.
  Done<std::string> done = [this, answer = std::move(answer)](Result<std::string> result) mutable {
    if (!result) result.error().message = redactor_->apply(result.error().message);
    answer(std::move(result));
  };
  const auto as_json = [](auto answered) {
    return [answered = std::move(answered)](auto result) mutable {
      if (!result) return answered(std::unexpected(result.error()));
      answered(sessions::to_json(*result));
    };
  };
  const auto& command = request.command;
  if (command == "reload")
    return reload([this, done = std::move(done)](Result<std::vector<std::string>> restart) mutable {
      if (!restart) return done(std::unexpected(restart.error()));
      std::vector<Finding> failed;
      for (const auto& instance : plugins_->status())
        if (instance.state == plugins::InstanceState::failed)
          failed.push_back({instance.name, false, instance.error ? instance.error->message : ""});
      done(reloaded_json(*restart, failed));
    });
  if (command == "doctor")
    return doctor(request.arguments.empty() ? file_ : request.arguments.front(), std::move(done));
  if (command == "tool.run")
    return plugins_->tool_run(
        request.id, std::move(request.arguments),
        [this, done = std::move(done)](const Result<std::string>& result) mutable {
          auto answer = result ? parse_tool_answer(*result) : std::unexpected(result.error());
          if (!answer) return done(std::unexpected(answer.error()));
          answer->output = redactor_->apply(answer->output);
          done(to_json(*answer));
        });
  if (command == "sessions.show" || command == "sessions.history" || command == "sessions.end" ||
      command == "sessions.audit")
    return with_whole_id(std::move(request), std::move(done));
  if (command == "sessions.list") {
    sessions::ListQuery query{request.before, std::min(request.limit, 200u), std::nullopt};
    if (!request.all) query.active = true;
    return sessions_->list_all(std::move(query), as_json(std::move(done)));
  }
  if (command == "sessions.discover")
    return sessions_->discover(request.backend, request.limit, as_json(std::move(done)));
  if (command == "sessions.adopt") {
    auto who = local_user(request.surface);
    if (!who) return done(std::unexpected(who.error()));
    return sessions_->adopt(std::move(*who), request.id, request.backend, as_json(std::move(done)));
  }
  if (command == "sessions.purge") {
    if (request.older_than_ms == 0)
      return done(fail(Errc::invalid_argument, "older_than_ms is missing"));
    constexpr std::uint64_t kHundredYears = 100ull * 365 * 86'400'000;
    const auto age = std::chrono::milliseconds(std::min(request.older_than_ms, kHundredYears));
    const auto since = std::chrono::system_clock::now().time_since_epoch() - age;
    const store::Micros micros = std::max<store::Micros>(
        1, std::chrono::duration_cast<std::chrono::microseconds>(since).count());
    return sessions_->purge(
        {micros, request.dry_run},
        [this, done = as_json(std::move(done))](Result<sessions::PurgeAnswer> answer) mutable {
          measure_store();
          done(std::move(answer));
        });
  }
  if (serve_deliveries(*delivery_, request, done)) return;
  done(fail(Errc::unsupported, "the host does not know the command " + command));
}

// What is about one session, which may be named by the beginning of its id.
void Host::with_whole_id(ControlRequest request, Done<std::string> done) {
  // A shorter one is no beginning of an id, but a slip.
  const std::uint32_t most = request.id.size() < kShortestBeginning ? 0 : kCandidates + 1;
  store_->sessions_by_prefix(
      "", request.id, most,
      [this, request = std::move(request),
       done = std::move(done)](Result<std::vector<store::Session>> found) mutable {
        if (!found) return done(std::unexpected(found.error()));
        auto& all = *found;
        const bool whole = !all.empty() && all.front().id == request.id;  // the others begin so
        if (all.size() > 1 && !whole) {
          std::string message = "Several sessions begin with " + request.id + ":";
          for (std::size_t i = 0; i < all.size() && i < kCandidates; ++i)
            message += "\n  " + all[i].id + "  " + all[i].backend + "  " + all[i].title;
          if (all.size() > kCandidates) message += "\n  …";
          return done(fail(Errc::invalid_argument, std::move(message)));
        }
        // One that was purged is known by its audit only.
        const std::string id = all.empty() ? request.id : all.front().id;
        const auto as_json = [&done] {
          return [done = std::move(done)](auto result) mutable {
            if (!result) return done(std::unexpected(result.error()));
            done(sessions::to_json(*result));
          };
        };
        if (request.command == "sessions.show") return sessions_->get_any(id, as_json());
        if (request.command == "sessions.history")
          return sessions_->history_any(id, request.entry, request.limit, as_json());
        if (request.command == "sessions.audit")
          return sessions_->audit_any(id, request.limit, as_json());
        sessions_->end_any(id, [id, done = std::move(done)](Result<> result) mutable {
          if (!result) return done(std::unexpected(result.error()));
          done("{\"ended\":true,\"session_id\":\"" + id + "\"}");  // of the store: plain
        });
      });
}

// Whom a surface takes for everybody on this machine. Without a name: the only web chat, or the
// only surface that has a backend.
Result<Principal> Host::local_user(const std::string& surface) const {
  std::vector<std::string> with_backend, chats;
  std::string all;
  for (const config::Surface& one : config_.surfaces) {
    if (one.backend.empty()) continue;
    all += (all.empty() ? "" : ", ") + one.name;
    with_backend.push_back(one.name);
    if (one.plugin == "web_chat") chats.push_back(one.name);
  }
  std::string name = surface;
  if (name.empty()) {
    const auto& choice = chats.size() == 1 ? chats : with_backend;
    if (choice.size() != 1)
      return fail(Errc::invalid_argument, with_backend.empty()
                                              ? "no surface has a backend that could go on with it"
                                              : "say where it shall show with --surface: " + all);
    name = choice.front();
  } else if (std::ranges::find(with_backend, name) == with_backend.end()) {
    return fail(Errc::invalid_argument, "there is no surface " + name +
                                            " with a backend; there is " +
                                            (all.empty() ? "none" : all));
  }
  Principal who;
  who.surface = name;
  who.user_id = who.display_name = "local";
  who.is_operator = true;  // who reaches the control socket may do as the host
  return who;
}

// What a scrape shows is as of the one before: reading the store takes a moment.
void Host::measure_store() {
  store_->counts([this](Result<store::Counts> counts) {
    if (!counts) return;
    metrics_.gauge("viaduct_sessions_stored", {}, static_cast<double>(counts->sessions));
    metrics_.gauge("viaduct_store_bytes", {}, static_cast<double>(counts->bytes));
    metrics_.gauge("viaduct_store_free_bytes", {}, static_cast<double>(counts->free_bytes));
  });
  delivery_->measure();
}

void Host::doctor(std::string file, Done<std::string> done) {
  if (std::exchange(comparing_, true))
    return look_around(*plugins_, *delivery_, *redactor_, {{"host", true, "running"}, {}},
                       std::move(done));
  looking_ = std::jthread([this, file = std::move(file), done = std::move(done)]() mutable {
    auto loaded = std::make_shared<config::Loaded>(load_config(file_, loader_));
    loop_.post([this, loaded, file = std::move(file), done = std::move(done)]() mutable {
      comparing_ = false;
      look_around(*plugins_, *delivery_, *redactor_,
                  compare(file, {file_, config_, refused_}, *loaded), std::move(done));
    });
  });
}

}  // namespace

int serve(const ServeOptions& options) {
  raise_descriptor_limit();
  plugins::Loader loader(executable());
  const auto file = config::find_file(options.config);
  if (!file) {
    std::cerr << "viaduct: " << file.error().message << '\n';
    return 2;
  }
  auto loaded = load_config(*file, loader);
  if (!loaded.diagnostics.empty()) {
    print(loaded.diagnostics);
    std::cerr << "viaduct: nothing was started\n";
    return 2;
  }
  auto redactor = std::make_unique<Redactor>();
  for (const std::string& secret : loaded.config.secrets) redactor->add(secret);
  auto sink = make_log_sink(loaded.config.log, *redactor);
  Host host(*file, std::move(loaded.config), loader, std::move(redactor), std::move(sink));
  return host.run();
}

}  // namespace viaduct::cli
