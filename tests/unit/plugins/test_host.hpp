// What the plugins part stands on, for its tests: a real loop, store and sessions service, an HTTP
// server without sockets, and a log that can be read.
#pragma once

#include "host/plugins/plugins.hpp"
#include "host/store/sqlite.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace viaduct::test {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class RecordedLog final : public LogSink {
 public:
  void write(Level level, std::string_view area, std::string_view message) override;
  bool enabled(Level) const override { return true; }
  bool has(std::string_view part) const { return count(part) > 0; }
  std::size_t count(std::string_view part) const;
  // Where the first line with this is; -1: nowhere.
  int place(std::string_view part) const;
  std::string all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

// Keeps what is answered, and lets a test be the peer.
class RecordedServer final : public http::Server {
 public:
  explicit RecordedServer(Loop& loop) : loop_(loop) {}
  Result<> start() override { return {}; }
  std::string address() const override { return {}; }
  std::string webhooks_address() const override { return {}; }
  std::unique_ptr<http::Mount> mount(std::string name, http::Handler& handler) override;
  void page(std::string, Page) override {}
  void respond(http::ExchangeId exchange, http::Response response) override;
  http::Flow begin(http::ExchangeId, http::Response) override { return http::Flow::gone; }
  http::Flow write(http::ExchangeId, std::string) override { return http::Flow::gone; }
  void finish(http::ExchangeId) override {}
  void accept(http::ExchangeId) override {}
  http::Flow send(http::ExchangeId exchange, std::string text) override;
  void close(http::ExchangeId exchange, std::uint16_t code, std::string reason) override;
  void drain(std::chrono::milliseconds, Done<>) override {}

  bool mounted(const std::string& name) const { return mounts_.contains(name); }
  http::Handler& handler(const std::string& name) { return *mounts_.at(name); }
  std::optional<http::Response> response(http::ExchangeId exchange) const;
  std::vector<std::string> sent(http::ExchangeId exchange) const;
  std::optional<std::pair<int, std::string>> closed(http::ExchangeId exchange) const;

 private:
  friend class RecordedMount;
  void wake() {
    loop_.post([] {});
  }

  Loop& loop_;
  mutable std::mutex mutex_;
  std::map<std::string, http::Handler*> mounts_;  // loop only
  std::map<http::ExchangeId, http::Response> responses_;
  std::map<http::ExchangeId, std::vector<std::string>> sent_;
  std::map<http::ExchangeId, std::pair<int, std::string>> closed_;
};

class TestHost {
 public:
  explicit TestHost(plugins::Deadlines deadlines = {});
  ~TestHost();

  // Runs the loop until this holds; false after 30 s.
  bool until(const std::function<bool()>& holds);
  template <class T = void>
  Result<T> wait(const std::type_identity_t<std::function<void(Done<T>)>>& begin) {
    std::optional<Result<T>> answer;
    begin([&answer](Result<T> result) { answer = std::move(result); });
    if (!until([&] { return answer.has_value(); })) return fail(Errc::timeout, "no answer");
    return std::move(*answer);
  }

  static config::Backend backend(std::string name, std::string plugin, std::string config = "{}");
  static config::Surface surface(std::string name, std::string plugin,
                                 std::vector<std::string> backends = {});
  Result<> apply(std::vector<config::Backend> backends, std::vector<config::Surface> surfaces = {});
  Result<> stop(std::chrono::milliseconds limit = std::chrono::seconds(20));
  std::optional<plugins::InstanceStatus> status(const std::string& name) const;

  // Sends a request whose body is these lines to the surface and waits for the answer.
  std::pair<unsigned, std::string> ask(const std::string& surface, std::vector<std::string> lines);
  http::ExchangeId begin(const std::string& surface, const std::vector<std::string>& lines);

  TemporaryFolder folder;
  Loop loop;
  RecordedLog log;
  Logger turn_log{log, "turn"};
  Redactor redactor;
  Metrics metrics;
  RecordedServer http{loop};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<memory::MemoryService> memory;
  std::unique_ptr<delivery::Delivery> delivery;
  std::unique_ptr<sessions::Sessions> sessions;
  plugins::Loader loader{""};
  std::unique_ptr<plugins::Plugins> plugins;

 private:
  http::ExchangeId next_exchange_ = 1000;
};

}  // namespace viaduct::test
