// The YAML file as the host understands it. Read once; a value; any thread.
#pragma once

#include "host/error.hpp"
#include "host/http/server.hpp"
#include "host/telemetry/log.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::config {

// Something wrong, at a place of the file; lines and columns from 1 (0: none).
struct Diagnostic {
  std::string file;
  int line = 0;
  int column = 0;
  std::string message;       // what is wrong, what was expected, and the nearest valid name
  std::string variable{};    // which this process has not; that of another may
  std::string text() const;  // "viaduct.yaml:3:5: unknown key "serfaces"; did you mean "surfaces"?"
};

// One value of the effective configuration, for people.
struct Origin {
  std::string path;    // "surfaces.web-chat.config.title"
  std::string value;   // as JSON; empty for secrets
  std::string origin;  // "viaduct.yaml:3:11", "viaduct.yaml:3:11 ${env:NAME}" or "default"
  bool secret = false;
};

struct Instance {
  std::string name;                               // "web-chat"
  std::string plugin;                             // "web_chat"
  std::string config;                             // JSON object, references filled in
  std::map<std::string, std::string> references;  // "${file:…}" as written in config → its value
  int line = 0;                                   // of the instance in the file
  int config_line = 0, config_column = 0;         // of its `config:`, else of its name
  bool sound = false;                             // nothing is wrong with it as far as is known
  // Whether it would run the same; the line does not matter.
  bool operator==(const Instance& other) const {
    return name == other.name && plugin == other.plugin && config == other.config &&
           references == other.references;
  }
};
struct Surface : Instance {
  std::string backend;                // the default one; empty: none
  std::vector<std::string> backends;  // those a user may pick, the default among them
  bool operator==(const Surface&) const = default;
};
struct Backend : Instance {
  bool operator==(const Backend&) const = default;
};

struct Config {
  std::string file;
  http::Options server;
  LogOptions log;
  std::vector<std::string>
      plugin_path;  // absolute folders, in the order of search; the installed one is last
  std::string store_driver = "sqlite";
  std::string store_path;         // absolute
  std::string home;               // folder of the store: control socket, lock and keys live there
  std::vector<Backend> backends;  // in the order of the file
  std::vector<Surface> surfaces;
  std::vector<std::string> secrets;  // values that came from references, to be redacted
  std::vector<Origin> origins;
};

// What a plugin's descriptor says of its `config:`, so that it can be checked before anything
// starts.
struct PluginFacts {
  std::string schema;  // JSON Schema
  bool is_surface = false;
};
// Finds a plugin by its name in the folders; nullopt with `why` set when there is none or it cannot
// be used.
using FindPlugin = std::function<std::optional<PluginFacts>(
    const std::string& plugin, const std::vector<std::string>& folders, std::string& why)>;

struct Loaded {
  Config config;                        // meaningful only without errors
  std::vector<Diagnostic> diagnostics;  // every error, in the order of the file
  std::vector<Diagnostic> warnings{};   // what works, but should not stay so
  std::vector<Diagnostic> absent{};     // folders that are not there, which may come and go
};

// Where `message` of an instance, in a plugin's own words, belongs: at the field that it begins
// with ("retry.attempts: …"), else at the instance's `config:`.
Diagnostic refusal(const Config& config, const Instance& instance, const std::string& section,
                   const std::string& message);

struct LoadOptions {
  std::string file;
  std::string installed_plugins;  // the folder searched last
  FindPlugin find_plugin;
  std::function<std::optional<std::string>(const std::string&)> environment;  // getenv, or a test's
};
Loaded load(const LoadOptions& options);

// Reads one reference of a configuration again ("${file:…}", a key of Instance::references), for
// keys that rotate.
Result<std::string> resolve(const std::string& reference, const std::string& config_file);

// The file to use: `given`, else config/viaduct.yaml, else ~/.config/viaduct/viaduct.yaml.
// not_found says where it looked.
Result<std::string> find_file(std::string_view given);

// The JSON Schema of the whole file, for editors; `plugins` are those found, with their schemas
// under each `config:`.
std::string schema(const std::map<std::string, PluginFacts>& plugins);

}  // namespace viaduct::config
