#include "host/config/config.hpp"

#include "host/config/plugin_config.hpp"
#include "host/config/references.hpp"
#include "host/config/values.hpp"
#include "host/config/yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <tuple>

namespace viaduct::config {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLargestFile = 1 << 20;

using std::chrono::milliseconds;

// What an instance has; a line that is not indented enough puts it where names are.
bool is_instance_key(std::string_view key) {
  return key == "plugin" || key == "config" || key == "backend" || key == "backends";
}

// The keys of one map: takes those that are known, then reports the rest.
class Fields {
 public:
  Fields(const Node* map, std::string path) : map_(map), path_(std::move(path)) {}

  const Node* take(const std::string& key) {
    known_.push_back(key);
    return map_ != nullptr ? map_->find(key) : nullptr;
  }
  std::string path(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  void finish(Report& report) const {
    if (map_ == nullptr) return;
    for (const Entry& entry : map_->entries) {
      if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
      std::vector<std::string> free;
      for (const std::string& key : known_)
        if (map_->find(key) == nullptr) free.push_back(key);
      report.add(entry.line, entry.column,
                 fmt::format("unknown key {}{}{}", in_quotes(entry.key),
                             path_.empty() ? "" : " in " + path_,
                             path_.empty() && is_instance_key(entry.key)
                                 ? "; it belongs to an instance: indent it, below the name of a "
                                   "backend or a surface"
                                 : hint(entry.key, free)));
    }
  }

 private:
  const Node* map_;
  std::string path_;
  std::vector<std::string> known_;
};

class Reader {
 public:
  Reader(const LoadOptions& options, Surroundings surroundings, Report& report, Report& warnings,
         Report& absent)
      : options_(options),
        surroundings_(std::move(surroundings)),
        report_(report),
        warnings_(warnings),
        absent_(absent) {
    config_.file = options.file;
    file_name_ = fs::path(options.file).filename().string();
  }

  Config read(Node& root) {
    if (root.kind != Node::Kind::map) {
      report_.add(root, "expected a map with backends and surfaces, not " + kind_in_words(root));
      return std::move(config_);
    }
    Fields fields(&root, "");
    server(map(fields, "server"));
    plugin_path(map(fields, "plugins"));
    store(map(fields, "store"));
    log(map(fields, "log"));
    open_configs(root);
    const Node* backends = map(fields, "backends");
    const Node* surfaces = map(fields, "surfaces");
    fields.finish(report_);
    instances(backends, surfaces);
    collect_secrets(root);
    return std::move(config_);
  }

 private:
  struct Found {
    std::optional<PluginFacts> facts;
    std::string why;
    std::string fault;
    bool needs_backend = false;
  };

  // ------------------------------------------------------------ kinds of values

  // Null: not there, empty, or not a map, which is reported.
  const Node* map(Fields& fields, const std::string& key) {
    const Node* node = fields.take(key);
    if (node == nullptr || node->kind == Node::Kind::null || node->broken) return nullptr;
    if (node->kind == Node::Kind::map) return node;
    report_.add(*node, fmt::format("{} must be a map, not {}", fields.path(key), shown(*node)));
    return nullptr;
  }

  void origin(const std::string& path, const Node* node, std::string value) {
    Origin origin{path, std::move(value), "default", false};
    if (node != nullptr) {
      origin.origin = fmt::format("{}:{}:{}", file_name_, node->line, node->column);
      if (!node->written.empty()) origin.origin += " " + node->written;
      origin.secret = node->secret;
      if (node->secret) origin.value.clear();
    }
    config_.origins.push_back(std::move(origin));
  }

  // The scalar `key`; null when it is not there or is no scalar, which is reported.
  const Node* text(Fields& fields, const std::string& key, const char* expected) {
    const Node* node = fields.take(key);
    if (node == nullptr || node->broken) return nullptr;
    if (node->kind == Node::Kind::scalar && !node->text.empty()) return node;
    report_.add(*node, fmt::format("{} must be {}, not {}", fields.path(key), expected,
                                   node->kind == Node::Kind::scalar ? "empty" : shown(*node)));
    return nullptr;
  }

  // A value that `parse` understands and that lies in the limits.
  template <class T, class Parse, class Print>
  void value(Fields& fields, const std::string& key, T& out, T least, T most, const char* expected,
             Parse parse, Print print) {
    const Node* node = text(fields, key, expected);
    if (node != nullptr) {
      const std::optional<T> parsed = parse(node->text);
      if (!parsed) {
        report_.add(*node,
                    fmt::format("{} must be {}, not {}", fields.path(key), expected, shown(*node)));
      } else if (*parsed < least || *parsed > most) {
        report_.add(*node, fmt::format("{} must be from {} to {}, not {}", fields.path(key),
                                       print(least), print(most), shown(*node)));
      } else {
        out = *parsed;
      }
    }
    const std::string printed = print(out);
    const bool is_number = printed.find_first_not_of("0123456789") == std::string::npos;
    origin(fields.path(key), node, is_number ? printed : json_string(printed));
  }

  void duration(Fields& fields, const std::string& key, milliseconds& out) {
    value(fields, key, out, milliseconds(1), milliseconds(std::chrono::hours(24 * 7)),
          "a duration such as 500ms, 30s, 5m or 24h", parse_duration, duration_text);
  }

  void size(Fields& fields, const std::string& key, std::size_t& out, std::size_t least) {
    value(fields, key, out, least, std::size_t{1} << 30, "a size such as 512B, 64KiB or 1MB",
          parse_size, size_text);
  }

  template <class T>
  void choice(Fields& fields, const std::string& key, T& out,
              const std::vector<std::pair<std::string, T>>& choices) {
    std::vector<std::string> names;
    std::string expected;
    for (const auto& [name, ignored] : choices) {
      names.push_back(name);
      expected += (expected.empty() ? "" : ", ") + name;
    }
    expected = "one of " + expected;
    const Node* node = text(fields, key, expected.c_str());
    std::string chosen;
    for (const auto& [name, value] : choices) {
      if (node != nullptr && node->text == name) out = value;
      if (value == out) chosen = name;
    }
    if (node != nullptr && std::find(names.begin(), names.end(), node->text) == names.end())
      report_.add(*node, fmt::format("{} cannot be {}{}", fields.path(key), shown(*node),
                                     node->secret ? "" : hint(node->text, names)));
    origin(fields.path(key), node, json_string(chosen));
  }

  // The scalars of the list `key`; nodes stay in the tree.
  std::vector<const Node*> list(Fields& fields, const std::string& key, const char* expected) {
    const Node* node = fields.take(key);
    std::vector<const Node*> out;
    if (node == nullptr || node->broken) return out;
    if (node->kind != Node::Kind::list) {
      report_.add(*node, fmt::format("{} must be a list of {}, not {}", fields.path(key), expected,
                                     shown(*node)));
      return out;
    }
    for (std::size_t i = 0; i < node->items.size(); ++i) {
      const Node& item = node->items[i];
      if (item.broken) continue;
      if (item.kind != Node::Kind::scalar || item.text.empty())
        report_.add(item, fmt::format("{}[{}] must be one of the {}, not {}", fields.path(key), i,
                                      expected, shown(item)));
      else
        out.push_back(&item);
    }
    return out;
  }

  // ------------------------------------------------------------ the host's part

  std::optional<Address> address(Fields& fields, const std::string& key) {
    const Node* node = text(fields, key, "an address such as 127.0.0.1:8410");
    if (node == nullptr) return std::nullopt;
    const auto parsed = parse_address(node->text);
    if (!parsed)
      report_.add(*node, fmt::format("{} cannot be {}; expected an IP address and a port, such as "
                                     "127.0.0.1:8410 or [::1]:8410",
                                     fields.path(key), shown(*node)));
    else
      origin(fields.path(key), node, json_string(parsed->text));
    return parsed;
  }

  void server(const Node* node) {
    Fields fields(node, "server");
    http::Options& server = config_.server;
    const auto listen = address(fields, "listen");
    if (listen) {
      server.listen = listen->text;
      if (!listen->loopback)
        report_.add(
            *node->find("listen"),
            fmt::format("server.listen must be a loopback address such as 127.0.0.1:{}, not "
                        "{}: there is no authentication yet, so everybody who reaches this "
                        "address could use the agents. Requests of Slack and Teams go to "
                        "server.webhooks.listen, which may be any address",
                        listen->port, shown(*node->find("listen"))));
    } else if (node == nullptr || node->find("listen") == nullptr) {
      origin("server.listen", nullptr, json_string(server.listen));
    }
    const Node* webhooks_node = map(fields, "webhooks");
    Fields webhooks(webhooks_node, "server.webhooks");
    if (const auto at = address(webhooks, "listen")) {
      server.webhooks_listen = at->text;
      if (at->text == server.listen && at->port != 0)
        report_.add(*webhooks_node->find("listen"),
                    "server.webhooks.listen must differ from server.listen");
    } else if (webhooks_node == nullptr || webhooks_node->find("listen") == nullptr) {
      origin("server.webhooks.listen", nullptr, "null");
    }
    webhooks.finish(report_);
    for (const Node* host : list(fields, "allowed_hosts", "names of hosts")) {
      std::string name = host->text;
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      });
      const auto colon = name.rfind(':');
      const bool fine =
          name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") ==
              std::string::npos &&
          colon != 0 &&
          (colon == std::string::npos || name.front() == '[' ||
           (name.find(':') == colon && parse_address("127.0.0.1" + name.substr(colon))));
      if (fine)
        server.allowed_hosts.push_back(name);
      else
        report_.add(*host,
                    fmt::format("server.allowed_hosts cannot have {}; expected a host as the "
                                "browser sends it, such as viaduct.example or "
                                "viaduct.example:8443",
                                shown(*host)));
      origin(fmt::format("server.allowed_hosts[{}]", server.allowed_hosts.size() - 1), host,
             json_string(name));
    }
    Fields keys(map(fields, "limits"), "server.limits");
    http::Limits& limits = server.limits;
    size(keys, "header", limits.header_bytes, 1024);
    size(keys, "body", limits.body_bytes, 1024);
    size(keys, "message", limits.message_bytes, 1024);
    value(
        keys, "connections", limits.connections, std::size_t{1}, std::size_t{1'000'000},
        "a whole number",
        [](std::string_view digits) -> std::optional<std::size_t> {
          std::size_t number = 0;
          const char* const end = digits.data() + digits.size();
          const auto parsed = std::from_chars(digits.data(), end, number);
          if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
          return number;
        },
        [](std::size_t number) { return std::to_string(number); });
    duration(keys, "header_timeout", limits.header);
    duration(keys, "body_timeout", limits.body);
    duration(keys, "idle_timeout", limits.idle);
    duration(keys, "answer_timeout", limits.answer);
    size(keys, "send_queue", limits.send_queue_bytes, 4096);
    duration(keys, "send_timeout", limits.send);
    duration(keys, "ping", limits.ping);
    keys.finish(report_);
    fields.finish(report_);
  }

  void plugin_path(const Node* node) {
    Fields fields(node, "plugins");
    for (const Node* folder : list(fields, "path", "folders")) {
      const auto absolute = absolute_path(folder->text, surroundings_);
      if (!absolute) {
        report_.add(*folder, absolute.error().message);
        continue;
      }
      origin(fmt::format("plugins.path[{}]", config_.plugin_path.size()), folder,
             json_string(*absolute));
      config_.plugin_path.push_back(*absolute);
    }
    fields.finish(report_);
    if (!options_.installed_plugins.empty()) {
      origin(fmt::format("plugins.path[{}]", config_.plugin_path.size()), nullptr,
             json_string(options_.installed_plugins));
      config_.plugin_path.push_back(options_.installed_plugins);
    }
  }

  void store(const Node* node) {
    Fields fields(node, "store");
    const Node* driver = text(fields, "driver", "the name of a driver");
    if (driver != nullptr && driver->text != "sqlite")
      report_.add(*driver,
                  fmt::format("there is no store driver {}; expected \"sqlite\"", shown(*driver)));
    origin("store.driver", driver, json_string(config_.store_driver));

    const Node* path = text(fields, "path", "the path of a file");
    const bool given = fields.take("path") != nullptr;
    if (given && path == nullptr) return fields.finish(report_);
    const auto absolute =
        absolute_path(path != nullptr ? path->text : default_store(), surroundings_);
    if (!absolute) {
      if (path != nullptr)
        report_.add(*path, absolute.error().message);
      else
        report_.add(0, 0, "store.path: " + absolute.error().message);
    } else if (absolute->ends_with('/')) {
      report_.add(*path, fmt::format("store.path must be the path of a file, such as "
                                     "~/.viaduct/viaduct.db, not {}",
                                     shown(*path)));
    } else {
      config_.store_path = *absolute;
      config_.home = fs::path(*absolute).parent_path().string();
      origin("store.path", path, json_string(*absolute));
    }
    fields.finish(report_);
  }

  std::string default_store() const {
    const auto home =
        surroundings_.environment ? surroundings_.environment("VIADUCT_HOME") : std::nullopt;
    return (home && !home->empty() ? *home : "~/.viaduct") + "/viaduct.db";
  }

  void log(const Node* node) {
    Fields fields(node, "log");
    choice<Level>(fields, "level", config_.log.level,
                  {{"debug", Level::debug},
                   {"info", Level::info},
                   {"warn", Level::warn},
                   {"error", Level::error}});
    choice<LogFormat>(fields, "format", config_.log.format,
                      {{"text", LogFormat::text}, {"json", LogFormat::json}});
    fields.finish(report_);
  }

  // ------------------------------------------------------------ instances

  void instances(const Node* backends, const Node* surfaces) {
    std::vector<std::string> backend_names;
    if (backends != nullptr)
      for (const Entry& entry : backends->entries) backend_names.push_back(entry.key);
    if (backends != nullptr)
      for (const Entry& entry : backends->entries) {
        if (is_misplaced(entry, "a backend")) continue;
        Backend backend;
        Fields fields = begin(entry, "backends", false, backend);
        fields.finish(report_);
        config_.backends.push_back(std::move(backend));
      }
    if (surfaces == nullptr) return;
    for (const Entry& entry : surfaces->entries) {
      if (is_misplaced(entry, "a surface")) continue;
      Surface surface;
      Fields fields = begin(entry, "surfaces", true, surface);
      if (std::find(backend_names.begin(), backend_names.end(), entry.key) != backend_names.end())
        report_.add(entry.line, entry.column,
                    fmt::format("the name {} belongs to a backend already; each instance needs a "
                                "name of its own",
                                in_quotes(entry.key)));
      choose_backends(fields, backend_names, surface);
      const auto plugin = plugins_.find(surface.plugin);
      const bool names_one = entry.value.find("backend") != nullptr ||
                             entry.value.find("backends") != nullptr;  // it may be wrong
      if (surface.backends.empty() && !names_one && surface.sound && plugin != plugins_.end() &&
          plugin->second.needs_backend) {
        surface.sound = false;
        report_.add(entry.line, entry.column,
                    fmt::format("surfaces.{} has no backend, so nobody would answer; {}", entry.key,
                                backend_names.empty()
                                    ? "name one under \"backends:\", and add \"backend: NAME\" here"
                                    : "add the line \"backend: " + backend_names.front() + "\""));
      }
      fields.finish(report_);
      config_.surfaces.push_back(std::move(surface));
    }
  }

  // The plugins know best what of their configuration is secret.
  void open_configs(Node& root) {
    for (Entry& section : root.entries) {
      if (section.key != "backends" && section.key != "surfaces") continue;
      for (Entry& instance : section.value.entries) {
        const Node* plugin = instance.value.find("plugin");
        if (plugin == nullptr || !may_be_plugin(*plugin)) continue;
        const Found& found = look_up(plugin->text, section.key == "surfaces");
        if (!found.facts || !found.fault.empty()) continue;
        for (Entry& entry : instance.value.entries)
          if (entry.key == "config") open_values(entry.value, found.facts->schema);
      }
    }
  }

  bool is_misplaced(const Entry& entry, const char* what) {
    if (!is_instance_key(entry.key) ||
        (entry.value.kind == Node::Kind::map && entry.value.find("plugin") != nullptr))
      return false;
    report_.add(entry.line, entry.column,
                fmt::format("{} is a key of {}, not the name of one; indent it further, below that "
                            "name",
                            in_quotes(entry.key), what));
    return true;
  }

  // What backends and surfaces have in common.
  Fields begin(const Entry& entry, const std::string& section, bool is_surface,
               Instance& instance) {
    instance.name = entry.key;
    instance.line = instance.config_line = entry.line;
    instance.config_column = entry.column;
    instance.config = "{}";
    const std::string path = section + "." + entry.key;
    if (!is_instance_name(entry.key))
      report_.add(entry.line, entry.column,
                  fmt::format("{} cannot be a name; expected a letter, then letters, digits and "
                              "\"-\" (lower case, at most 63)",
                              in_quotes(entry.key)));
    const Node* node = &entry.value;
    if (node->kind != Node::Kind::map && !node->broken) {
      report_.add(*node, fmt::format("{} must be a map such as {{ plugin: {} }}, not {}", path,
                                     is_surface ? "web_chat" : "mock", shown(*node)));
      return Fields(nullptr, path);
    }
    Fields fields(node, path);
    const std::size_t faults = report_.size();
    const Node* plugin = text(fields, "plugin", "the name of a plugin");
    const Node* config = fields.take("config");
    for (const Entry& key : node->entries)
      if (key.key == "config") {
        instance.config_line = key.line;
        instance.config_column = key.column;
        look_for_plain_secrets(key.value, path + ".config");
      }
    if (node->find("plugin") == nullptr)
      report_.add(entry.line, entry.column, fmt::format("\"plugin\" is missing in {}", path));
    if (plugin == nullptr) return fields;
    instance.plugin = plugin->text;
    origin(path + ".plugin", plugin, json_string(plugin->text));
    if (config != nullptr) collect_references(*config, instance.references);
    const PluginFacts* facts = find_plugin(*plugin, is_surface);
    if (facts == nullptr) return fields;
    for (const Entry& key : node->entries)
      if (!is_instance_key(key.key) && schema_has_key(facts->schema, key.key)) {
        (void)fields.take(key.key);
        report_.add(key.line, key.column,
                    fmt::format("{} is for the plugin: it belongs below \"config:\" in {}",
                                in_quotes(key.key), path));
      }
    if (report_.size() > faults) return fields;
    instance.config = check_plugin_config(config, entry.line, entry.column, facts->schema,
                                          path + ".config", file_name_, report_, config_.origins);
    if (config != nullptr) refuse_placeholders(*config, path + ".config");
    instance.sound = report_.size() == faults && !(config != nullptr && has_broken(*config));
    if (instance.sound) look_for_folders(*facts, config, path, instance);
    if (instance.sound) look_for_shared_credentials(*facts, config, path, instance);
    if (instance.sound) look_for_shared_routes(*facts, config, path, instance);
    if (instance.sound)
      for (const auto& [key, why] : wanted_of(facts->schema, instance.config))
        warnings_.add(instance.config_line, instance.config_column,
                      fmt::format("warning: {}.config.{} is not given: {}", path, key, why));
    return fields;
  }

  static bool may_be_plugin(const Node& node) {
    const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
    return node.kind == Node::Kind::scalar && !node.text.empty() && !node.secret &&
           std::ranges::all_of(node.text, plain);
  }

  const Found& look_up(const std::string& name, bool is_surface) {
    auto found = plugins_.find(name);
    if (found != plugins_.end()) return found->second;
    Found plugin;
    if (options_.find_plugin)
      plugin.facts = options_.find_plugin(name, config_.plugin_path, plugin.why);
    else
      plugin.facts = PluginFacts{"{}", is_surface};
    if (plugin.facts) {
      plugin.needs_backend = schema_needs_backend(plugin.facts->schema);
      auto schema = prepare_schema(plugin.facts->schema);
      if (schema)
        plugin.facts->schema = std::move(*schema);
      else
        plugin.fault = schema.error().message;
    }
    return plugins_.emplace(name, std::move(plugin)).first->second;
  }

  // Null when there is no such plugin of this kind that can be used, which is reported.
  const PluginFacts* find_plugin(const Node& node, bool is_surface) {
    const std::string& name = node.text;
    if (!may_be_plugin(node)) {
      report_.add(node,
                  fmt::format("{} cannot be a plugin; expected the name of a file in a plugin "
                              "folder, without .so",
                              shown(node)));
      return nullptr;
    }
    const Found& plugin = look_up(name, is_surface);
    if (!plugin.facts) {
      std::string message = fmt::format("cannot use the plugin {}", in_quotes(name));
      if (!plugin.why.empty()) message += ": " + plugin.why;
      // The loader may have said what there is instead.
      const bool hinted = plugin.why.find("; did you mean ") != std::string::npos ||
                          plugin.why.find("; there are: ") != std::string::npos;
      if (const auto names = plugin_files();
          !hinted && std::find(names.begin(), names.end(), name) == names.end())
        message += hint(name, names);
      report_.add(node, std::move(message));
      return nullptr;
    }
    if (plugin.facts->is_surface != is_surface) {
      report_.add(node, fmt::format("{} is a {}; expected a {} here", in_quotes(name),
                                    is_surface ? "backend" : "surface",
                                    is_surface ? "surface" : "backend"));
      return nullptr;
    }
    if (!plugin.fault.empty()) {
      report_.add(node,
                  fmt::format("cannot use the plugin {}: the schema of its configuration has a "
                              "fault: {}",
                              in_quotes(name), plugin.fault));
      return nullptr;
    }
    return &*plugin.facts;
  }

  std::vector<std::string> plugin_files() const {
    std::set<std::string> names;
    for (const std::string& folder : config_.plugin_path) {
      std::error_code error;
      for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (at->path().extension() == ".so") names.insert(at->path().stem().string());
    }
    return {names.begin(), names.end()};
  }

  void choose_backends(Fields& fields, const std::vector<std::string>& names, Surface& surface) {
    const auto exists = [&](const Node& node) {
      if (std::find(names.begin(), names.end(), node.text) != names.end()) return true;
      std::string message = fmt::format("there is no backend {}", shown(node));
      if (names.empty())
        message += "; name it under \"backends:\"";
      else if (!node.secret)
        message += hint(node.text, names);
      report_.add(node, std::move(message));
      return false;
    };
    const Node* backend = text(fields, "backend", "the name of a backend");
    if (backend != nullptr && exists(*backend)) {
      surface.backend = backend->text;
      surface.backends.push_back(backend->text);
      origin(fields.path("backend"), backend, json_string(backend->text));
    }
    std::set<std::string> seen;
    for (const Node* node : list(fields, "backends", "names of backends")) {
      if (!seen.insert(node->text).second)
        report_.add(*node, fmt::format("the backend {} is listed twice", shown(*node)));
      else if (exists(*node)) {
        origin(fmt::format("{}[{}]", fields.path("backends"), seen.size() - 1), node,
               json_string(node->text));
        if (node->text != surface.backend) surface.backends.push_back(node->text);
      }
    }
    if (backend == nullptr && !surface.backends.empty()) surface.backend = surface.backends.front();
  }

  // "$NAME", as a shell has it.
  static std::string variable_meant(std::string_view text) {
    if (!text.starts_with('$') || text.size() < 2) return {};
    text.remove_prefix(1);
    const bool is_name =
        text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string_view::npos;
    return is_name ? std::string(text) : std::string();
  }

  // Whoever may read the file, or gets a copy of it, has them.
  void look_for_plain_secrets(const Node& node, const std::string& path) {
    const bool is_plain =
        node.kind == Node::Kind::scalar && node.secret && !node.referenced && !node.text.empty();
    if (const std::string meant = is_plain ? variable_meant(node.text) : ""; !meant.empty())
      warnings_.add(node, fmt::format("warning: {} is these characters themselves; did you mean "
                                      "${{env:{}}}?",
                                      path, meant));
    else if (is_plain)
      warnings_.add(node, "warning: " + path +
                              " stands here as plain text; keep it in a variable of the "
                              "environment or in a file of its own: ${env:NAME} or ${file:PATH}");
    for (std::size_t i = 0; i < node.items.size(); ++i)
      look_for_plain_secrets(node.items[i], fmt::format("{}[{}]", path, i));
    for (const Entry& entry : node.entries)
      look_for_plain_secrets(entry.value, path + "." + entry.key);
  }

  // What a guide shows is copied as it is, sooner or later.
  void refuse_placeholders(const Node& node, const std::string& path) {
    if (node.kind == Node::Kind::scalar && node.secret && !node.broken &&
        (node.text.find("…") != std::string::npos || node.text.ends_with("...")))
      report_.add(node, path + " is still the placeholder of a guide; put the real one there");
    for (std::size_t i = 0; i < node.items.size(); ++i)
      refuse_placeholders(node.items[i], fmt::format("{}[{}]", path, i));
    for (const Entry& entry : node.entries)
      refuse_placeholders(entry.value, path + "." + entry.key);
  }

  // One on another disk may come back: what needs it says so then.
  void look_for_folders(const PluginFacts& facts, const Node* config, const std::string& path,
                        const Instance& instance) {
    for (const auto& [key, folder] : folders_of(facts.schema, instance.config)) {
      const auto absolute = absolute_path(folder, surroundings_);
      std::error_code error;
      if (absolute && fs::is_directory(*absolute, error)) continue;
      const Node* node = config != nullptr ? config->find(key) : nullptr;
      absent_.add(node != nullptr ? node->line : instance.line,
                  node != nullptr ? node->column : instance.config_column,
                  fmt::format("{}.config.{}: there is no folder {}", path, key, in_quotes(folder)));
    }
  }

  // Two instances of one account would take each other's events.
  void look_for_shared_credentials(const PluginFacts& facts, const Node* config,
                                   const std::string& path, Instance& instance) {
    for (const auto& [key, value] : credentials_of(facts.schema, instance.config)) {
      const std::string here = path + ".config." + key;
      const auto [first, fresh] = credentials_.try_emplace({instance.plugin, key, value}, here);
      if (fresh) continue;
      instance.sound = false;
      const Node* node = config != nullptr ? config->find(key) : nullptr;
      report_.add(node != nullptr ? node->line : instance.line,
                  node != nullptr ? node->column : instance.config_column,
                  fmt::format("{} is the same as {}: two would take each other's events; give each "
                              "its own, or remove one",
                              here, first->second));
    }
  }

  // The second does without it.
  void look_for_shared_routes(const PluginFacts& facts, const Node* config, const std::string& path,
                              const Instance& instance) {
    for (const auto& [key, address] : routes_of(facts.schema, instance.config)) {
      const auto [first, fresh] = routes_.try_emplace(address, path);
      if (fresh) continue;
      const Node* node = config != nullptr ? config->find(key) : nullptr;
      warnings_.add(
          node != nullptr ? node->line : instance.config_line,
          node != nullptr ? node->column : instance.config_column,
          fmt::format("warning: {}.config: the address {} of this host is that of {} already; set "
                      "{}: false in one of them",
                      path, address, first->second, key));
    }
  }

  static void collect_references(const Node& node, std::map<std::string, std::string>& out) {
    out.insert(node.references.begin(), node.references.end());
    for (const Node& item : node.items) collect_references(item, out);
    for (const Entry& entry : node.entries) collect_references(entry.value, out);
  }

  void collect_secrets(const Node& node) {
    for (const std::string& secret : node.secrets)
      if (!secret.empty() && std::find(config_.secrets.begin(), config_.secrets.end(), secret) ==
                                 config_.secrets.end())
        config_.secrets.push_back(secret);
    for (const Node& item : node.items) collect_secrets(item);
    for (const Entry& entry : node.entries) collect_secrets(entry.value);
  }

  const LoadOptions& options_;
  Surroundings surroundings_;
  Report& report_;
  Report& warnings_;
  Report& absent_;
  Config config_;
  std::string file_name_;
  std::map<std::string, Found> plugins_;
  // (plugin, key, value) → where it stands
  std::map<std::tuple<std::string, std::string, std::string>, std::string> credentials_;
  std::map<std::string, std::string> routes_;  // address of the host → whose it is
};

std::optional<std::string> read_file(const std::string& path, Report& report) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) {
    report.add(0, 0, "there is no such file");
  } else if (fs::is_directory(status)) {
    report.add(0, 0, "this is a folder; expected a YAML file");
  } else {
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    std::string text(kLargestFile + 1, '\0');
    if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!in.is_open() || in.bad()) {
      report.add(0, 0,
                 fmt::format("cannot be read: {}",
                             std::generic_category().message(errno != 0 ? errno : EIO)));
      return std::nullopt;
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() <= kLargestFile) return text;
    report.add(0, 0, "the file is larger than 1 MiB");
  }
  return std::nullopt;
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  };
}

Surroundings surroundings_of(const std::string& file, Environment environment) {
  std::error_code error;
  const fs::path absolute = fs::absolute(file, error);
  return {absolute.parent_path().string(),
          environment ? std::move(environment) : process_environment()};
}

}  // namespace

std::string Diagnostic::text() const {
  if (line == 0) return file.empty() ? message : file + ": " + message;
  return fmt::format("{}:{}:{}: {}", file, line, column, message);
}

Loaded load(const LoadOptions& options) {
  Report report(options.file), warnings(options.file), absent(options.file);
  Loaded loaded;
  try {
    const Surroundings surroundings = surroundings_of(options.file, options.environment);
    if (const auto source = read_file(options.file, report)) {
      if (auto root = parse_yaml(*source, report)) {
        fill_references(*root, surroundings, report);
        loaded.config = Reader(options, surroundings, report, warnings, absent).read(*root);
      }
    }
  } catch (const std::exception& error) {
    report.add(0, 0, std::string("cannot be loaded: ") + error.what());
  }
  loaded.diagnostics = report.take();
  loaded.warnings = warnings.take();
  loaded.absent = absent.take();
  return loaded;
}

Diagnostic refusal(const Config& config, const Instance& instance, const std::string& section,
                   const std::string& message) {
  const std::string path = section + "." + instance.name;
  Diagnostic diagnostic{config.file, instance.config_line, instance.config_column,
                        path + ": " + message};
  const std::string field = path + ".config." + message.substr(0, message.find(": "));
  const std::string file = fs::path(config.file).filename().string() + ":";
  bool is_placed = false;
  for (const Origin& origin : config.origins) {
    // A map or a list is where the first of it is.
    const bool is_below =
        origin.path.starts_with(field + ".") || origin.path.starts_with(field + "[");
    if (!origin.origin.starts_with(file) || (origin.path != field && (is_placed || !is_below)))
      continue;
    is_placed = true;
    diagnostic.message = path + ".config." + message;
    char* column = nullptr;
    diagnostic.line =
        static_cast<int>(std::strtol(origin.origin.c_str() + file.size(), &column, 10));
    diagnostic.column = *column == ':' ? std::atoi(column + 1) : 0;
  }
  return diagnostic;
}

Result<std::string> find_file(std::string_view given) {
  if (!given.empty()) {
    std::error_code error;
    if (fs::exists(fs::path(given), error)) return std::string(given);
    return fail(Errc::not_found, fmt::format("there is no file {}", in_quotes(given)));
  }
  std::vector<std::string> places{"config/viaduct.yaml"};
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    places.push_back((fs::path(home) / ".config/viaduct/viaduct.yaml").string());
  std::string tried;
  for (const std::string& place : places) {
    std::error_code error;
    if (fs::exists(place, error)) return place;
    tried += (tried.empty() ? "" : " and ") + place;
  }
  return fail(Errc::not_found, "there is no configuration; looked for " + tried +
                                   ". `viaduct init` writes one, and --config FILE names another");
}

Result<std::string> resolve(const std::string& reference, const std::string& config_file) {
  return read_reference(reference, surroundings_of(config_file, nullptr));
}

}  // namespace viaduct::config
