#include "host/cli/commands.hpp"
#include "host/cli/control.hpp"
#include "host/cli/errors.hpp"
#include "host/cli/places.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>

namespace viaduct::cli {
namespace {

using nlohmann::json;

std::string dump(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Where the host of this configuration listens, or the exit code after its errors were printed.
std::expected<std::string, int> socket_of(const Options& options) {
  plugins::Loader loader(executable());
  const auto loaded = load_config(options.config, loader);
  if (!loaded.config.home.empty()) return control_socket(loaded.config.home);
  print_errors(options.json, loaded.diagnostics);
  return std::unexpected(2);
}

// The host's answer, or the exit code after its error was printed.
std::expected<json, int> ask(const Options& options, const std::expected<std::string, int>& socket,
                             const ControlRequest& request) {
  if (!socket) return std::unexpected(socket.error());
  const auto answer = ask_host(*socket, request);
  if (answer) return json::parse(*answer, nullptr, false);
  print_error(options.json, answer.error());
  return std::unexpected(1);
}

}  // namespace

std::string printable(std::string_view text) {
  // C1 controls, and what sets the direction of text, as UTF-8.
  const auto commands = [](std::string_view at) -> std::size_t {
    if (at.starts_with('\xC2') && at.size() > 1 && static_cast<unsigned char>(at[1]) < 0xA0)
      return 2;
    for (const std::string_view mark : {"\u061C", "\u200E", "\u200F", "\u202A", "\u202B", "\u202C",
                                        "\u202D", "\u202E", "\u2066", "\u2067", "\u2068", "\u2069"})
      if (at.starts_with(mark)) return mark.size();
    return static_cast<unsigned char>(at[0]) < 0x20 || at[0] == 0x7F ? 1 : 0;
  };
  std::string shown;
  while (!text.empty()) {
    const std::size_t size = commands(text);
    shown += size ? ' ' : text[0];
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return shown;
}

int sessions_list(const Options& options, const std::string& before, std::uint32_t limit,
                  bool all) {
  const auto answer =
      ask(options, socket_of(options), {"sessions.list", "", before, 0, limit, all});
  if (!answer) return answer.error();
  if (options.json) {
    std::cout << dump(*answer) << '\n';
    return 0;
  }
  const auto sessions = answer->find("sessions");
  if (sessions == answer->end() || sessions->empty()) {
    std::cout << "no sessions\n";
    return 0;
  }
  for (const json& session : *sessions) {
    std::string title = text(session, "title");
    if (title.empty()) title = text(session, "description");
    const bool ended = session.value("ended", false);
    std::cout << fmt::format("{}  {}  {:<8} {:<12} {}\n", text(session, "session_id"),
                             text(session, "last_active").substr(0, 19),
                             ended ? "ended" : text(session, "state"), text(session, "backend"),
                             printable(title));
  }
  if (const std::string next = text(*answer, "next"); !next.empty())
    std::cout << "more: viaduct sessions list --before " << next << '\n';
  return 0;
}

int sessions_show(const Options& options, const std::string& id) {
  const auto answer = ask(options, socket_of(options), {"sessions.show", id});
  if (!answer) return answer.error();
  if (options.json) {
    std::cout << dump(*answer) << '\n';
    return 0;
  }
  for (const auto& [key, value] : answer->items())
    std::cout << fmt::format(
        "{:<14} {}\n", key, printable(value.is_string() ? value.get<std::string>() : value.dump()));
  return 0;
}

int sessions_export(const Options& options, const std::string& id) {
  // From the newest page back to the first, printed from the first on.
  const auto socket = socket_of(options);
  std::vector<json> pages;
  std::uint64_t before = 0;
  for (;;) {
    const auto answer = ask(options, socket, {"sessions.history", id, "", before, 500});
    if (!answer) return answer.error();
    const auto entries = answer->find("entries");
    if (entries == answer->end() || entries->empty()) break;
    before = entries->front().value("entry", std::uint64_t{0});
    pages.push_back(*entries);
    if (!answer->value("more", false) || before <= 1) break;
  }
  for (auto page = pages.rbegin(); page != pages.rend(); ++page)
    for (const json& entry : *page) std::cout << dump(entry) << '\n';
  return 0;
}

int sessions_end(const Options& options, const std::string& id) {
  const auto answer = ask(options, socket_of(options), {"sessions.end", id});
  if (!answer) return answer.error();
  std::cout << (options.json ? dump(*answer) : "ended " + id) << '\n';
  return 0;
}

std::string to_json(const std::vector<Finding>& findings) {
  json out = json::array();
  for (const Finding& finding : findings)
    out.push_back({{"name", finding.name}, {"ok", finding.ok}, {"message", finding.message}});
  return dump(json{{"checks", std::move(out)}}, 2);
}

std::vector<Finding> parse_findings(std::string_view text_of) {
  std::vector<Finding> findings;
  const json value = json::parse(text_of, nullptr, false);
  const auto checks = value.is_object() ? value.find("checks") : value.end();
  if (!value.is_object() || checks == value.end() || !checks->is_array()) return findings;
  for (const json& check : *checks) {
    const auto ok = check.find("ok");
    findings.push_back({text(check, "name"),
                        ok != check.end() && ok->is_boolean() && ok->get<bool>(),
                        text(check, "message")});
  }
  return findings;
}

std::string to_json(const std::vector<plugins::Loader::Found>& all) {
  json out = json::array();
  for (const auto& found : all) {
    if (!found.info) {
      out.push_back({{"file", found.file}, {"error", found.info.error().message}});
      continue;
    }
    const plugins::PluginInfo& info = *found.info;
    out.push_back({{"file", found.file},
                   {"name", info.name},
                   {"id", info.id},
                   {"version", info.version},
                   {"summary", info.summary},
                   {"kind", info.is_surface ? "surface" : "backend"},
                   {"abi", fmt::format("{}.{}", info.abi_major, info.abi_minor)}});
  }
  return dump(json{{"plugins", std::move(out)}}, 2);
}

std::string diagnostics_json(const std::vector<config::Diagnostic>& diagnostics) {
  json out = json::array();
  for (const auto& d : diagnostics)
    out.push_back(
        {{"file", d.file}, {"line", d.line}, {"column", d.column}, {"message", d.message}});
  return dump(json{{"errors", std::move(out)}}, 2);
}

std::string reloaded_json(const std::vector<std::string>& restart) {
  return dump(json{{"reloaded", true}, {"restart_needed", restart}});
}

std::vector<std::string> parse_reloaded(std::string_view text_of) {
  std::vector<std::string> restart;
  const json value = json::parse(text_of, nullptr, false);
  if (!value.is_object() || !value.contains("restart_needed")) return restart;
  for (const json& what : value["restart_needed"])
    if (what.is_string()) restart.push_back(what.get<std::string>());
  return restart;
}

std::string version_json() {
  return dump(json{{"version", version()},
                   {"abi", fmt::format("{}.{}", VIADUCT_ABI_MAJOR, VIADUCT_ABI_MINOR)}});
}

}  // namespace viaduct::cli
