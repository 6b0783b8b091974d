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

}  // namespace

std::expected<std::string, int> socket_of(const Options& options) {
  plugins::Loader loader(executable());
  const auto loaded = load_config(options.config, loader);
  if (!loaded.config.home.empty()) return control_socket(loaded.config.home);
  print_errors(options.json, loaded.diagnostics);
  return std::unexpected(2);
}

namespace {

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

void print_table(const std::vector<Row>& rows) {
  const auto width_of = [](const std::string& shown) {  // in characters
    return static_cast<std::size_t>(std::ranges::count_if(
        shown, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  };
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width_of(printable(row[i])));
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string shown = printable(row[i]);
      line += shown;
      if (i + 1 < row.size()) line.append(widths[i] - width_of(shown) + 2, ' ');
    }
    std::cout << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

namespace {

std::uint64_t number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string how_many(std::uint64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// The member, or an empty array or object in its place.
const json& list_in(const json& object, const char* name) {
  static const json kNone = json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kNone;
}
const json& object_in(const json& object, const char* name) {
  static const json kNone = json::object();
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? *found : kNone;
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  double shown = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (shown < 1024) break;
    shown /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", shown, unit);
}

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
  std::vector<Row> rows{{"SESSION", "LAST ACTIVE", "STATE", "BACKEND", "TITLE"}};
  for (const json& session : *sessions) {
    std::string title = text(session, "title");
    if (title.empty()) title = text(session, "description");
    const bool ended = session.value("ended", false);
    rows.push_back({text(session, "session_id"), text(session, "last_active").substr(0, 19),
                    ended ? "ended" : text(session, "state"), text(session, "backend"), title});
  }
  print_table(rows);
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
  std::cout << (options.json ? dump(*answer) : "ended " + text(*answer, "session_id")) << '\n';
  return 0;
}

int sessions_audit(const Options& options, const std::string& id, std::uint32_t limit) {
  const auto answer = ask(options, socket_of(options), {"sessions.audit", id, "", 0, limit});
  if (!answer) return answer.error();
  if (options.json) {
    std::cout << dump(*answer) << '\n';
    return 0;
  }
  std::vector<Row> rows{{"AT", "EVENT", "DETAIL"}};
  for (const json& record : list_in(*answer, "records")) {
    std::string detail;
    for (const auto& [key, value] : object_in(record, "detail").items())
      if (value != "")
        detail += fmt::format("{}{}={}", detail.empty() ? "" : " ", key,
                              value.is_string() ? value.get<std::string>() : value.dump());
    rows.push_back({text(record, "at").substr(0, 19), text(record, "event"), detail});
  }
  print_table(rows);
  return 0;
}

int sessions_discover(const Options& options, const std::string& backend, std::uint32_t limit) {
  ControlRequest request{"sessions.discover"};
  request.backend = backend;
  request.limit = limit;
  const auto answer = ask(options, socket_of(options), request);
  if (!answer) return answer.error();
  const json& failures = list_in(*answer, "failures");
  const int code = failures.empty() ? 0 : 1;
  if (options.json) {
    std::cout << dump(*answer) << '\n';
    return code;
  }
  std::vector<Row> rows{{"ID", "BACKEND", "UPDATED", "SESSION HERE", "FOLDER", "TITLE"}};
  for (const json& session : list_in(*answer, "sessions"))
    rows.push_back(
        {text(session, "native_id"), text(session, "backend"),
         text(session, "updated_at").substr(0, 19),
         session.value("session_id", json()).is_string() ? text(session, "session_id") : "-",
         text(session, "working_dir"), text(session, "title")});
  if (rows.size() > 1)
    print_table(rows);
  else if (failures.empty())
    std::cout << "no sessions of other programs\n";
  if (const auto more = number(*answer, "left_out"); more > 0)
    std::cout << fmt::format("and {} more: --limit shows up to 500\n", more);
  for (const json& failure : failures)
    std::cerr << printable(text(failure, "backend") + ": " +
                           text(object_in(failure, "error"), "message"))
              << '\n';
  return code;
}

int sessions_adopt(const Options& options, const std::string& id, const std::string& surface,
                   const std::string& backend) {
  ControlRequest request{"sessions.adopt", id};
  request.surface = surface;
  request.backend = backend;
  const auto answer = ask(options, socket_of(options), request);
  if (!answer) return answer.error();
  if (options.json) {
    std::cout << dump(*answer) << '\n';
    return 0;
  }
  std::cout << printable(fmt::format("{} is the session {} of {}",
                                     text(object_in(*answer, "from"), "native_id"),
                                     text(object_in(*answer, "session"), "session_id"),
                                     text(object_in(*answer, "session"), "backend")));
  const json& error = object_in(*answer, "error");
  if (error.empty()) std::cout << printable(fmt::format(", context: {}", text(*answer, "context")));
  std::cout << '\n';
  if (!error.empty())
    std::cerr << printable("not resumed yet: " + text(error, "message") +
                           "; it is tried again with the next message")
              << '\n';
  return 0;
}

int sessions_purge(const Options& options, std::chrono::milliseconds older_than, bool dry_run) {
  ControlRequest request{"sessions.purge"};
  request.older_than_ms = static_cast<std::uint64_t>(older_than.count());
  request.dry_run = dry_run;
  const auto answer = ask(options, socket_of(options), request);
  if (!answer) return answer.error();
  const std::uint64_t failed = number(*answer, "failed");
  if (options.json) {
    std::cout << dump(*answer) << '\n';
    return failed == 0 ? 0 : 1;
  }
  const std::uint64_t count = number(*answer, "count");
  const json& sessions = list_in(*answer, "sessions");
  if (!sessions.empty()) {
    std::vector<Row> rows{{"SESSION", "LAST ACTIVE", "BACKEND", "SIZE", "TITLE"}};
    for (const json& session : sessions)
      rows.push_back({text(session, "session_id"), text(session, "last_active").substr(0, 19),
                      text(session, "backend"), bytes_text(number(session, "bytes")),
                      text(session, "title")});
    print_table(rows);
    if (count > sessions.size()) std::cout << fmt::format("and {} more\n", count - sessions.size());
  }
  std::cout << fmt::format("{} {}, {}", dry_run ? "would delete" : "deleted",
                           how_many(count, "session"), bytes_text(number(*answer, "bytes")));
  if (const auto in_use = number(*answer, "in_use"); in_use > 0)
    std::cout << fmt::format("; {} in use", in_use);
  std::cout << '\n';
  for (const json& failure : list_in(*answer, "failures"))
    std::cerr << printable(text(failure, "session_id") +
                           ": not deleted: " + text(object_in(failure, "error"), "message"))
              << '\n';
  if (failed > 0)
    std::cerr << how_many(failed, "session") << " not deleted; run it again when that is mended\n";
  return failed == 0 ? 0 : 1;
}

std::string to_json(const std::vector<Finding>& findings, const std::vector<std::string>& failed,
                    bool readable) {
  json out = json::array();
  for (const Finding& finding : findings) {
    out.push_back({{"name", finding.name}, {"ok", finding.ok}, {"message", finding.message}});
    if (finding.skipped) out.back()["skipped"] = true;
    if (finding.warning) out.back()["warning"] = true;
  }
  json whole = {{"checks", std::move(out)}};
  if (!failed.empty()) whole["failed"] = failed;
  if (readable) whole["readable"] = true;
  return dump(whole, 2);
}

bool parse_readable(std::string_view text_of) {
  const json value = json::parse(text_of, nullptr, false);
  return value.is_object() && value.value("readable", json()) == json(true);
}

std::vector<std::string> parse_failed(std::string_view text_of) {
  std::vector<std::string> names;
  const json value = json::parse(text_of, nullptr, false);
  if (!value.is_object() || !value.contains("failed")) return names;
  for (const json& name : value["failed"])
    if (name.is_string()) names.push_back(name.get<std::string>());
  return names;
}

std::string missing_in_words(std::uint64_t count) {
  return fmt::format(
      "{} message{} possibly missing: `viaduct deliveries list` shows {}, to be sent "
      "again or dropped",
      count, count == 1 ? " is" : "s are", count == 1 ? "it" : "them");
}

std::vector<Finding> parse_findings(std::string_view text_of) {
  std::vector<Finding> findings;
  const json value = json::parse(text_of, nullptr, false);
  const auto checks = value.is_object() ? value.find("checks") : value.end();
  if (!value.is_object() || checks == value.end() || !checks->is_array()) return findings;
  for (const json& check : *checks) {
    const auto flag = [&check](const char* name) {
      const auto found = check.find(name);
      return found != check.end() && found->is_boolean() && found->get<bool>();
    };
    findings.push_back({text(check, "name"), flag("ok"), text(check, "message"), flag("skipped")});
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

std::string diagnostics_json(const config::Loaded& loaded) {
  const auto list = [](const std::vector<config::Diagnostic>& all) {
    json out = json::array();
    for (const auto& d : all)
      out.push_back(
          {{"file", d.file}, {"line", d.line}, {"column", d.column}, {"message", d.message}});
    return out;
  };
  return dump(json{{"errors", list(loaded.diagnostics)}, {"warnings", list(loaded.warnings)}}, 2);
}

std::string reloaded_json(const std::vector<std::string>& restart,
                          const std::vector<Finding>& failed) {
  json out = json::array();
  for (const Finding& one : failed) out.push_back({{"name", one.name}, {"message", one.message}});
  return dump(json{{"reloaded", true}, {"restart_needed", restart}, {"failed", std::move(out)}});
}

Reloaded parse_reloaded(std::string_view text_of) {
  Reloaded reloaded;
  const json value = json::parse(text_of, nullptr, false);
  if (!value.is_object()) return reloaded;
  for (const json& what : value.value("restart_needed", json::array()))
    if (what.is_string()) reloaded.restart.push_back(what.get<std::string>());
  for (const json& one : value.value("failed", json::array()))
    if (one.is_object())
      reloaded.failed.push_back({text(one, "name"), false, text(one, "message")});
  return reloaded;
}

std::string version_json() {
  return dump(json{{"version", version()},
                   {"abi", fmt::format("{}.{}", VIADUCT_ABI_MAJOR, VIADUCT_ABI_MINOR)}});
}

}  // namespace viaduct::cli
