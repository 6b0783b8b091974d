// The commands beside `serve`. Each prints what a person (or, with `json`, a program) wants to know
// and returns the exit code: 0 fine, 1 the thing failed, 2 usage or configuration.
#pragma once

#include "host/config/config.hpp"
#include "host/plugins/plugins.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::cli {

struct Options {
  std::string config;
  bool json = false;
};

// Reads the configuration as serve does, with the plugins' schemas. `unset`: what stands for the
// environment variables that are not there; nullopt: each is an error.
config::Loaded load_config(const std::string& file, plugins::Loader& loader,
                           const std::optional<std::string>& unset = std::nullopt);
void print(const std::vector<config::Diagnostic>& diagnostics);
// Nothing is wrong but that this process has not the variables that the host may have.
bool lacks_only_variables(const config::Loaded& loaded);

int check(const Options& options);
int schema(const Options& options);
int doctor(const Options& options);
int reload(const Options& options);
int list_plugins(const Options& options);
int print_version(const Options& options);

// sessions_commands_json.cpp
// What a terminal would take for a command, or for a change of direction, is a space.
std::string printable(std::string_view text);
using Row = std::vector<std::string>;
// The first row is the header; each column is as wide as its longest text.
void print_table(const std::vector<Row>& rows);
// Where the host of this configuration listens, or the exit code after its errors were printed.
std::expected<std::string, int> socket_of(const Options& options);
int sessions_list(const Options& options, const std::string& before, std::uint32_t limit, bool all);
int sessions_show(const Options& options, const std::string& id);
int sessions_export(const Options& options, const std::string& id);
int sessions_end(const Options& options, const std::string& id);
int sessions_audit(const Options& options, const std::string& id, std::uint32_t limit);
int sessions_discover(const Options& options, const std::string& backend, std::uint32_t limit);
int sessions_adopt(const Options& options, const std::string& id, const std::string& surface,
                   const std::string& backend);
int sessions_purge(const Options& options, std::chrono::milliseconds older_than, bool dry_run);
std::string bytes_text(std::uint64_t bytes);  // "1.5 MiB"
// What doctor and plugins print as JSON.
struct Finding {
  std::string name;
  bool ok = false;
  std::string message;
  bool skipped = false;  // it could not be looked at, which is no fault
  bool warning = false;  // it works, but should not stay so
};
// `failed`: instances of the running host that do not run. `readable`: the running host can read
// the file that it was asked about.
std::string to_json(const std::vector<Finding>& findings,
                    const std::vector<std::string>& failed = {}, bool readable = false);
std::vector<Finding> parse_findings(std::string_view json);    // {"checks":[…]}
std::vector<std::string> parse_failed(std::string_view json);  // …,"failed":[…]
bool parse_readable(std::string_view json);                    // …,"readable":true
// "2 messages are possibly missing: …"
std::string missing_in_words(std::uint64_t count);
std::string to_json(const std::vector<plugins::Loader::Found>& found);
std::string diagnostics_json(const config::Loaded& loaded);
std::string version_json();
// The host's answer to "reload": what takes a restart to change, and what does not run.
struct Reloaded {
  std::vector<std::string> restart;
  std::vector<Finding> failed;
};
std::string reloaded_json(const std::vector<std::string>& restart,
                          const std::vector<Finding>& failed);
Reloaded parse_reloaded(std::string_view json);

}  // namespace viaduct::cli
