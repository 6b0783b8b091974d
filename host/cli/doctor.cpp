#include "host/cli/commands.hpp"
#include "host/cli/control.hpp"
#include "host/cli/places.hpp"
#include "host/cli/trial.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace viaduct::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHome = "home folder";

// A folder that is to be made at the first start.
Finding look_above(const std::string& home) {
  fs::path above = home;
  struct stat status{};
  while (above.has_relative_path() && ::stat(above.c_str(), &status) != 0 &&
         (errno == ENOENT || errno == ENOTDIR))
    above = above.parent_path();
  if (::stat(above.c_str(), &status) != 0)
    return {kHome, false, above.string() + ": " + std::strerror(errno)};
  if (!S_ISDIR(status.st_mode))
    return {kHome, false,
            above.string() + " is a file, so that there can be no folder " + home +
                "; correct store.path"};
  if (::access(above.c_str(), W_OK | X_OK) != 0)
    return {kHome, false,
            home + " cannot be made: " + above.string() +
                " is not yours to write in; correct "
                "store.path, or make the folder"};
  return {kHome, true, home + " will be made at the first start"};
}

// Where the database and all that lies beside it are.
Finding look_at_home(const config::Config& config) {
  const std::string& home = config.home;
  struct stat status{};
  if (::stat(home.c_str(), &status) != 0) return look_above(home);
  if (!S_ISDIR(status.st_mode))
    return {kHome, false,
            home + " is a file; store.path names the database itself, in a folder: such as " +
                (fs::path(home).parent_path() / "viaduct/viaduct.db").string()};
  if (::access(home.c_str(), R_OK | W_OK | X_OK) != 0)
    return {kHome, false, home + " is not yours to write in; correct store.path, or its owner"};
  const bool shared = (status.st_mode & S_ISVTX) != 0 || status.st_uid != ::geteuid() ||
                      home == std::string(std::getenv("HOME") ? std::getenv("HOME") : "");
  if ((status.st_mode & 022) != 0)
    return {kHome, false,
            "others may write in " + home + ", and so replace the database; " +
                (shared ? "let store.path be in a folder of its own, such as ~/.viaduct/viaduct.db"
                        : "run: chmod go-w " + home)};
  if ((status.st_mode & 055) != 0)
    return {kHome, true,
            home + "; others see which files are there, but cannot read them" +
                (shared ? "" : " (chmod 700 closes it)")};
  return {kHome, true, home};
}

std::optional<Finding> look_at_database(const config::Config& config) {
  struct stat status{};
  if (::stat(config.store_path.c_str(), &status) != 0 || status.st_size == 0) return std::nullopt;
  const auto wrong = [&](const char* what) {
    return Finding{"database", false, config.store_path + " is " + what + "; correct store.path"};
  };
  if (!S_ISREG(status.st_mode)) return wrong(S_ISDIR(status.st_mode) ? "a folder" : "no file");
  char head[16] = {};
  std::ifstream(config.store_path, std::ios::binary).read(head, sizeof head);
  if (std::memcmp(head, "SQLite format 3", sizeof head) != 0) return wrong("no database");
  return std::nullopt;
}

Finding look_at_address(const config::Config& config) {
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
  if (!error) return {"address", true, config.server.listen + " is free"};
  return {"address", false,
          config.server.listen + ": " + error.message() +
              "; end the other program or change server.listen"};
}

void append(const Tried& tried, std::vector<Finding>& findings) {
  for (Finding finding : tried.findings) {
    finding.name = tried.name + ": " + finding.name;
    findings.push_back(std::move(finding));
  }
}

// What the instances find where no host runs.
void look_at_instances(const config::Config& config, plugins::Loader& loader,
                       std::vector<Finding>& findings) {
  for (const Tried& tried : try_instances(config, loader, /*doctor=*/true)) {
    findings.push_back(
        {tried.name, !tried.refused, tried.refused.value_or("its configuration is fine")});
    append(tried, findings);
  }
}

// The same of those that the running host has, but that do not run there; they say why.
void look_at_failed(const config::Config& config, plugins::Loader& loader,
                    const std::vector<std::string>& failed, std::vector<Finding>& findings) {
  if (failed.empty()) return;
  for (const Tried& tried : try_instances(config, loader, /*doctor=*/true, failed))
    append(tried, findings);
}

// `hosts`: a running host can read the file, in an environment of its own.
void look_at_configuration(const config::Loaded& loaded, bool hosts,
                           std::vector<Finding>& findings) {
  const char* kName = "configuration";
  if (loaded.diagnostics.empty()) findings.push_back({kName, true, loaded.config.file});
  for (const auto& diagnostic : loaded.diagnostics) {
    Finding finding{kName, false, diagnostic.text()};
    if (!diagnostic.variable.empty() && hosts)
      finding = {kName, true,
                 diagnostic.variable + " is not set in this terminal; the running host has it",
                 /*skipped=*/true};
    else if (!diagnostic.variable.empty())
      finding.message += " (doctor sees the variables of this terminal, a service has its own)";
    findings.push_back(std::move(finding));
  }
  for (const auto& absent : loaded.absent) findings.push_back({kName, false, absent.text()});
  for (const auto& warning : loaded.warnings) {
    constexpr std::string_view kMark = "warning: ";
    config::Diagnostic plain = warning;
    if (plain.message.starts_with(kMark)) plain.message.erase(0, kMark.size());
    findings.push_back({kName, true, plain.text(), /*skipped=*/false, /*warning=*/true});
  }
}

const char* mark_of(const Finding& finding) {
  if (finding.skipped) return "--  ";
  if (finding.warning) return "warn";
  return finding.ok ? "ok  " : "FAIL";
}

}  // namespace

int doctor(const Options& options) {
  std::vector<Finding> findings;
  plugins::Loader loader(executable());
  const auto loaded = load_config(options.config, loader);
  const config::Config& config = loaded.config;
  Result<std::string> running = fail(Errc::unavailable, "");
  if (!config.home.empty()) {
    std::error_code error;
    ControlRequest request{"doctor"};
    request.arguments = {fs::absolute(config.file, error).string()};
    running = ask_host(control_socket(config.home), request);
  }
  const bool hosts = running && parse_readable(*running);
  look_at_configuration(loaded, hosts, findings);
  if (!config.home.empty()) {
    findings.push_back(look_at_home(config));
    const bool has_home = findings.back().ok;
    if (running) {
      std::ranges::move(parse_findings(*running), std::back_inserter(findings));
      look_at_failed(config, loader, parse_failed(*running), findings);
    } else {
      if (has_home)
        if (const auto database = look_at_database(config)) findings.push_back(*database);
      findings.push_back({"host", true, "not running"});
      findings.push_back(look_at_address(config));
      look_at_instances(config, loader, findings);
    }
  }
  const bool fine =
      std::ranges::all_of(findings, [](const Finding& finding) { return finding.ok; });
  if (options.json) {
    std::cout << to_json(findings) << '\n';
  } else {
    std::size_t width = 16;
    for (const Finding& finding : findings) width = std::max(width, finding.name.size());
    for (const Finding& finding : findings)
      std::cout << fmt::format("{} {:<{}} {}\n", mark_of(finding), finding.name, width,
                               printable(finding.message));
  }
  if (!loaded.diagnostics.empty() && !(hosts && lacks_only_variables(loaded))) return 2;
  return fine ? 0 : 1;
}

}  // namespace viaduct::cli
