#include "host/cli/commands.hpp"

#include "host/cli/control.hpp"
#include "host/cli/errors.hpp"
#include "host/cli/places.hpp"
#include "host/cli/trial.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>

namespace viaduct::cli {

config::Loaded load_config(const std::string& given, plugins::Loader& loader,
                           const std::optional<std::string>& unset) {
  const auto file = config::find_file(given);
  if (!file) return {{}, {{given, 0, 0, file.error().message}}, {}};
  config::LoadOptions options;
  options.file = *file;
  options.installed_plugins = installed_plugins();
  options.find_plugin = [&loader](const std::string& plugin,
                                  const std::vector<std::string>& folders,
                                  std::string& why) -> std::optional<config::PluginFacts> {
    const auto found = loader.find(plugin, folders);
    if (found) return config::PluginFacts{found->schema, found->is_surface};
    why = found.error().message;
    return std::nullopt;
  };
  options.environment = [unset](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (!value) return unset;
    return value;
  };
  return config::load(options);
}

void print(const std::vector<config::Diagnostic>& diagnostics) {
  for (const auto& diagnostic : diagnostics) std::cerr << diagnostic.text() << '\n';
}

bool lacks_only_variables(const config::Loaded& loaded) {
  return std::ranges::none_of(loaded.diagnostics, [](const config::Diagnostic& diagnostic) {
    return diagnostic.variable.empty();
  });
}

int check(const Options& options) {
  plugins::Loader loader(executable());
  const auto loaded = try_config(options.config, loader);
  if (options.json) {
    std::cout << diagnostics_json(loaded) << '\n';
  } else if (loaded.diagnostics.empty()) {
    const auto count = [](std::size_t number, const char* what) {
      return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
    };
    std::cout << loaded.config.file << ": fine (" << count(loaded.config.backends.size(), "backend")
              << ", " << count(loaded.config.surfaces.size(), "surface") << ")\n";
  } else {
    print(loaded.diagnostics);
  }
  if (!options.json) print(loaded.warnings);
  return loaded.diagnostics.empty() ? 0 : 2;
}

namespace {

// Where plugins are looked for: what the configuration says if it can be read, else the installed
// folder.
std::vector<std::string> plugin_folders(const std::string& given, plugins::Loader& loader) {
  auto loaded = load_config(given, loader);
  if (!loaded.config.plugin_path.empty()) return loaded.config.plugin_path;
  return {installed_plugins()};
}

}  // namespace

int schema(const Options& options) {
  plugins::Loader loader(executable());
  std::map<std::string, config::PluginFacts> facts;
  for (const auto& found : loader.scan(plugin_folders(options.config, loader)))
    if (found.info)
      facts.emplace(found.info->name,
                    config::PluginFacts{found.info->schema, found.info->is_surface});
  std::cout << config::schema(facts) << '\n';
  return 0;
}

int list_plugins(const Options& options) {
  plugins::Loader loader(executable());
  const auto all = loader.scan(plugin_folders(options.config, loader));
  bool fine = true;
  if (options.json) std::cout << to_json(all) << '\n';
  for (const auto& found : all) {
    fine = fine && found.info.has_value();
    if (options.json) continue;
    if (found.info)
      std::cout << fmt::format("{:<12} {:<8} {:<8} {}\n             {}\n", found.info->name,
                               found.info->is_surface ? "surface" : "backend", found.info->version,
                               found.info->summary, found.file);
    else
      std::cout << found.file << ": " << found.info.error().message << '\n';
  }
  return fine ? 0 : 1;
}

int reload(const Options& options) {
  plugins::Loader loader(executable());
  const auto loaded = load_config(options.config, loader);
  // The host has an environment of its own, and says what is missing there.
  if (!lacks_only_variables(loaded) || loaded.config.home.empty()) {
    print_errors(options.json, loaded.diagnostics);
    if (!options.json) std::cerr << "nothing was changed\n";
    return 2;
  }
  const auto answer = ask_host(control_socket(loaded.config.home), {"reload"});
  if (!answer) {
    print_error(options.json, answer.error());
    return 1;
  }
  const Reloaded reloaded = parse_reloaded(*answer);
  std::cout << (options.json ? *answer : "reloaded") << '\n';
  if (!options.json) {
    for (const std::string& what : reloaded.restart)
      std::cout << "takes a restart to change: " << what << '\n';
    for (const Finding& one : reloaded.failed)
      std::cout << one.name << " does not run: " << printable(one.message) << '\n';
  }
  return reloaded.failed.empty() ? 0 : 1;
}

int print_version(const Options& options) {
  if (options.json)
    std::cout << version_json() << '\n';
  else
    std::cout << fmt::format("viaduct {} (plugin ABI {}.{})\n", version(), VIADUCT_ABI_MAJOR,
                             VIADUCT_ABI_MINOR);
  return 0;
}

}  // namespace viaduct::cli
