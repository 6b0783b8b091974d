#include "host/cli/commands.hpp"

#include "host/cli/control.hpp"
#include "host/cli/errors.hpp"
#include "host/cli/places.hpp"
#include "host/store/sqlite.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace viaduct::cli {

config::Loaded load_config(const std::string& given, plugins::Loader& loader) {
  const auto file = config::find_file(given);
  if (!file) return {{}, {{given, 0, 0, file.error().message}}};
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
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (!value) return std::nullopt;
    return value;
  };
  return config::load(options);
}

void print(const std::vector<config::Diagnostic>& diagnostics) {
  for (const auto& diagnostic : diagnostics) std::cerr << diagnostic.text() << '\n';
}

int check(const Options& options) {
  plugins::Loader loader(executable());
  const auto loaded = load_config(options.config, loader);
  if (options.json) {
    std::cout << diagnostics_json(loaded.diagnostics) << '\n';
  } else if (loaded.diagnostics.empty()) {
    const auto count = [](std::size_t number, const char* what) {
      return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
    };
    std::cout << loaded.config.file << ": fine (" << count(loaded.config.backends.size(), "backend")
              << ", " << count(loaded.config.surfaces.size(), "surface") << ")\n";
  } else {
    print(loaded.diagnostics);
  }
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
  if (!loaded.diagnostics.empty()) {
    print_errors(options.json, loaded.diagnostics);
    if (!options.json) std::cerr << "nothing was changed\n";
    return 2;
  }
  const auto answer = ask_host(control_socket(loaded.config.home), {"reload"});
  if (!answer) {
    print_error(options.json, answer.error());
    return 1;
  }
  std::cout << (options.json ? *answer : "reloaded") << '\n';
  if (!options.json)
    for (const std::string& what : parse_reloaded(*answer))
      std::cout << "takes a restart to change: " << what << '\n';
  return 0;
}

int doctor(const Options& options) {
  std::vector<Finding> findings;
  plugins::Loader loader(executable());
  const auto loaded = load_config(options.config, loader);
  if (loaded.diagnostics.empty()) {
    findings.push_back({"configuration", true, loaded.config.file});
  } else {
    for (const auto& diagnostic : loaded.diagnostics)
      findings.push_back({"configuration", false, diagnostic.text()});
  }
  const config::Config& config = loaded.config;
  if (!config.home.empty()) {
    struct stat home{};
    if (::stat(config.home.c_str(), &home) != 0)
      findings.push_back({"home folder", true, config.home + " will be made at the first start"});
    else if ((home.st_mode & 077) != 0)
      findings.push_back({"home folder", false,
                          config.home + " can be read by others; run: chmod 700 " + config.home});
    else
      findings.push_back({"home folder", true, config.home});

    const auto running = ask_host(control_socket(config.home), {"doctor"});
    if (running) {
      findings.push_back({"host", true, "running"});
      std::ranges::move(parse_findings(*running), std::back_inserter(findings));
    } else {
      findings.push_back({"host", true, "not running"});
      boost::asio::io_context context;
      boost::asio::ip::tcp::acceptor acceptor(context);
      const auto colon = config.server.listen.rfind(':');
      std::string address = config.server.listen.substr(0, colon);
      if (address.starts_with("[")) address = address.substr(1, address.size() - 2);
      boost::system::error_code error;
      const auto ip =
          boost::asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, error);
      if (!error && colon != std::string::npos) {
        const auto port =
            static_cast<std::uint16_t>(std::atoi(config.server.listen.c_str() + colon + 1));
        acceptor.open(ip.is_v6() ? boost::asio::ip::tcp::v6() : boost::asio::ip::tcp::v4(), error);
        if (!error) acceptor.set_option(boost::asio::socket_base::reuse_address(true), error);
        if (!error) acceptor.bind({ip, port}, error);
        if (!error) acceptor.listen(1, error);
      }
      findings.push_back({"address", !error,
                          error ? config.server.listen + ": " + error.message() +
                                      "; end the other program or change server.listen"
                                : config.server.listen + " is free"});
    }
  }
  const bool fine =
      std::ranges::all_of(findings, [](const Finding& finding) { return finding.ok; });
  if (options.json) {
    std::cout << to_json(findings) << '\n';
  } else {
    for (const Finding& finding : findings)
      std::cout << fmt::format("{} {:<16} {}\n", finding.ok ? "ok  " : "FAIL", finding.name,
                               finding.message);
  }
  if (!loaded.diagnostics.empty()) return 2;
  return fine ? 0 : 1;
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
