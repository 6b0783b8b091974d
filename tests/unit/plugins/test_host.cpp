#include "tests/unit/plugins/test_host.hpp"

#include <stdlib.h>

#include <stdexcept>

namespace viaduct::test {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "viaduct-plugins-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void RecordedLog::write(Level, std::string_view area, std::string_view message) {
  const std::lock_guard lock(mutex_);
  lines_.push_back(fmt::format("{}: {}", area, message));
}
std::size_t RecordedLog::count(std::string_view part) const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const auto& line : lines_) count += line.find(part) != line.npos ? 1 : 0;
  return count;
}
int RecordedLog::place(std::string_view part) const {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < lines_.size(); ++i)
    if (lines_[i].find(part) != std::string::npos) return static_cast<int>(i);
  return -1;
}
std::string RecordedLog::all() const {
  const std::lock_guard lock(mutex_);
  std::string all;
  for (const auto& line : lines_) all += line + "\n";
  return all;
}

class RecordedMount final : public http::Mount {
 public:
  RecordedMount(RecordedServer& server, std::string name)
      : server_(server), name_(std::move(name)) {}
  ~RecordedMount() override { server_.mounts_.erase(name_); }
  Result<> route(std::string method, std::string pattern, std::uint32_t, std::uint64_t) override {
    if (std::exchange(routes_[method + " " + pattern], true))
      return fail(Errc::invalid_argument, "it is there already");
    return {};
  }
  Result<> files(std::span<const http::File>) override { return {}; }

 private:
  RecordedServer& server_;
  std::string name_;
  std::map<std::string, bool> routes_;
};

std::unique_ptr<http::Mount> RecordedServer::mount(std::string name, http::Handler& handler) {
  if (!mounts_.emplace(name, &handler).second) throw std::logic_error("mounted twice: " + name);
  return std::make_unique<RecordedMount>(*this, std::move(name));
}
void RecordedServer::respond(http::ExchangeId exchange, http::Response response) {
  {
    const std::lock_guard lock(mutex_);
    responses_.emplace(exchange, std::move(response));
  }
  wake();
}
http::Flow RecordedServer::send(http::ExchangeId exchange, std::string text) {
  {
    const std::lock_guard lock(mutex_);
    sent_[exchange].push_back(std::move(text));
  }
  wake();
  return http::Flow::ok;
}
void RecordedServer::close(http::ExchangeId exchange, std::uint16_t code, std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    closed_[exchange] = {code, std::move(reason)};
  }
  wake();
}
std::optional<http::Response> RecordedServer::response(http::ExchangeId exchange) const {
  const std::lock_guard lock(mutex_);
  const auto found = responses_.find(exchange);
  return found == responses_.end() ? std::nullopt : std::optional(found->second);
}
std::vector<std::string> RecordedServer::sent(http::ExchangeId exchange) const {
  const std::lock_guard lock(mutex_);
  const auto found = sent_.find(exchange);
  return found == sent_.end() ? std::vector<std::string>{} : found->second;
}
std::optional<std::pair<int, std::string>> RecordedServer::closed(http::ExchangeId exchange) const {
  const std::lock_guard lock(mutex_);
  const auto found = closed_.find(exchange);
  return found == closed_.end() ? std::nullopt : std::optional(found->second);
}

TestHost::TestHost(plugins::Deadlines deadlines) {
  auto opened = store::open_sqlite(loop, {.path = folder.path() / "test.db"}, Logger(log, "store"));
  if (!opened) throw std::runtime_error(opened.error().message);
  store = std::move(*opened);
  memory = std::make_unique<memory::MemoryService>(*store);
  delivery = std::make_unique<delivery::Delivery>(store->mail(), metrics, Logger(log, "delivery"),
                                                  delivery::make_alarm(loop));
  sessions = std::make_unique<sessions::Sessions>(loop, *store, metrics, turn_log);
  wait<>([&](Done<> done) { sessions->recover(std::move(done)); });
  plugins = std::make_unique<plugins::Plugins>(
      loader,
      plugins::Services{
          .loop = loop,
          .sessions = *sessions,
          .http = http,
          .store = *store,
          .memory = *memory,
          .delivery = *delivery,
          .metrics = metrics,
          .redactor = redactor,
          .logs = log,
          .overview =
              [](Done<std::string> done) { done(std::string(R"({"version":"0","sessions":3})")); }},
      deadlines);
}

TestHost::~TestHost() {
  stop();
  plugins.reset();
  wait<>([&](Done<> done) { sessions->stop(std::move(done)); });
  sessions.reset();
  store->close();
}

bool TestHost::until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.context().restart();
    loop.context().run_one_for(milliseconds(20));
  }
  return true;
}

config::Backend TestHost::backend(std::string name, std::string plugin, std::string config) {
  config::Backend backend;
  backend.name = std::move(name);
  backend.plugin = std::move(plugin);
  backend.config = std::move(config);
  return backend;
}
config::Surface TestHost::surface(std::string name, std::string plugin,
                                  std::vector<std::string> backends) {
  config::Surface surface;
  surface.name = std::move(name);
  surface.plugin = std::move(plugin);
  surface.config = "{}";
  if (!backends.empty()) surface.backend = backends.front();
  surface.backends = std::move(backends);
  return surface;
}

Result<> TestHost::apply(std::vector<config::Backend> backends,
                         std::vector<config::Surface> surfaces) {
  config::Config config;
  config.file = (folder.path() / "viaduct.yaml").string();
  config.plugin_path = {VIADUCT_PROBES};
  config.backends = std::move(backends);
  config.surfaces = std::move(surfaces);
  return wait<>([&](Done<> done) { plugins->apply(config, std::move(done)); });
}
Result<> TestHost::stop(milliseconds limit) {
  return wait<>([&](Done<> done) { plugins->stop(limit, std::move(done)); });
}
std::optional<plugins::InstanceStatus> TestHost::status(const std::string& name) const {
  for (auto& status : plugins->status())
    if (status.name == name) return status;
  return std::nullopt;
}

http::ExchangeId TestHost::begin(const std::string& surface,
                                 const std::vector<std::string>& lines) {
  http::Request request;
  request.id = next_exchange_++;
  request.method = "POST";
  request.path = "/do";
  for (const auto& line : lines) request.body += (request.body.empty() ? "" : "\n") + line;
  const auto id = request.id;
  http.handler(surface).request(std::move(request));
  return id;
}
std::pair<unsigned, std::string> TestHost::ask(const std::string& surface,
                                               std::vector<std::string> lines) {
  const auto id = begin(surface, lines);
  if (!until([&] { return http.response(id).has_value(); })) return {0, "no answer"};
  return {http.response(id)->status, http.response(id)->body};
}

}  // namespace viaduct::test
