// Loads plugins and runs their instances: the only place of the host where the C ABI is spoken.
//
// Everything here is on the loop unless marked. Each instance has a thread of its own on which the
// plugin is called (a concurrent one is called on the loop); its calls to the host may come on any
// thread and are carried to the loop.
#pragma once

#include "host/config/config.hpp"
#include "host/delivery/delivery.hpp"
#include "host/error.hpp"
#include "host/http/server.hpp"
#include "host/loop.hpp"
#include "host/memory/memory.hpp"
#include "host/sessions/sessions.hpp"
#include "host/store/store.hpp"
#include "host/telemetry/log.hpp"
#include "host/telemetry/metrics.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace viaduct::plugins {

// What is known of a plugin file from its descriptor.
struct PluginInfo {
  std::string file;  // absolute path
  std::string name;  // by which the YAML names it: the file's, without .so
  std::string id, version, summary, schema, example;
  bool is_surface = false;
  bool concurrent = false;
  int abi_major = 0, abi_minor = 0;
  const viaduct_plugin* descriptor = nullptr;  // valid for good: libraries are never unloaded
};

// Finds and checks plugin files. Libraries are never unloaded; a file is loaded once. [any-thread]
class Loader {
 public:
  // `executable` is this program, which the preflight starts as a child (`viaduct preflight
  // FILE…`); empty: no preflight.
  explicit Loader(std::string executable);
  ~Loader();

  // The first NAME.so in the folders, preflighted (together with its neighbours), loaded and
  // checked. Errors name the file, and both versions where they differ. Blocks: up to 10 s for a
  // file that hangs while it is loaded.
  Result<PluginInfo> find(const std::string& name, const std::vector<std::string>& folders);
  // Preflights many at once: one child for all. Results are kept by inode and time of change.
  void preflight(const std::vector<std::string>& files);
  // Every plugin file of the folders; those that cannot be used come with their error.
  struct Found {
    std::string file;
    Result<PluginInfo> info;
  };
  std::vector<Found> scan(const std::vector<std::string>& folders);
  // The file of a loaded plugin was replaced since: it takes a restart.
  bool replaced(const std::string& name) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What the services are made of; all outlive Plugins.
struct Services {
  Loop& loop;
  sessions::Sessions& sessions;
  http::Server& http;
  store::Store& store;
  memory::MemoryService& memory;
  delivery::Delivery& delivery;
  Metrics& metrics;
  Redactor& redactor;
  LogSink& logs;
  // JSON for viaduct.overview/1, without "instances".
  std::function<void(Done<std::string>)> overview;
};

enum class InstanceState { starting, running, stopped, failed };
struct InstanceStatus {
  std::string name, plugin, version, mount;
  std::string summary;  // what the plugin says it is
  std::string page;     // "/apps/web-chat/", where people begin; empty: it has none
  bool is_surface = false;
  InstanceState state = InstanceState::starting;
  std::optional<Error> error;
};

// How long an instance may take.
struct Deadlines {
  std::chrono::milliseconds start{30'000};  // create, start, reload
  std::chrono::milliseconds stop{10'000};   // in apply(); stop() has its own limit
  std::chrono::milliseconds health{2'000};
  std::chrono::milliseconds check{20'000};  // doctor, for viaduct.overview/1
};

class Plugins {
 public:
  Plugins(Loader& loader, Services services, Deadlines deadlines = {});
  // Instances that still run are abandoned: call stop() first.
  ~Plugins();
  Plugins(const Plugins&) = delete;
  Plugins& operator=(const Plugins&) = delete;

  // Brings the running instances to what the configuration says: new ones are created and started
  // (backends before surfaces), changed ones reloaded or restarted, removed ones stopped (surfaces
  // before backends); the others are not touched. If one cannot be created or started, all that is
  // new is taken back and the answer names it and says why; what ran before runs on. At the first
  // time, and for one that had failed before, a start that fails for something outside (a token, an
  // account) is no error: the instance is shown as failed, and tried again by the next apply().
  void apply(const config::Config& config, Done<> done);

  // Creates one instance of the configuration and starts nothing: only the tool_ functions and
  // stop() are for it. The error is the plugin's own reason, as it is.
  void create_only(const config::Config& config, const std::string& name, Done<> done);

  std::vector<InstanceStatus> status() const;
  // Instances that were abandoned: their threads may still be in the plugin, so that the process
  // has to leave by _exit.
  std::size_t abandoned() const;
  // Calls the instance's viaduct.tool/1 (unsupported without one).
  void tool_run(const std::string& instance, std::vector<std::string> arguments,
                Done<std::string> done);
  void tool_doctor(const std::string& instance, Done<std::string> done);

  // Stops surfaces, then backends, each within `limit`; one that misses it is logged by name and
  // abandoned.
  void stop(std::chrono::milliseconds limit, Done<> done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// `viaduct preflight FILE…`: loads each file, printing one line "ok FILE" or "error FILE: why" for
// each. The exit code.
int preflight_main(const std::vector<std::string>& files);

}  // namespace viaduct::plugins
