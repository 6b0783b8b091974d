// JSON between the plugin and the host.
#include "plugins/acp/look_up.hpp"
#include "plugins/acp/process_records.hpp"
#include "plugins/acp/session.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace viaduct::acp {
namespace {

using nlohmann::json;

json array_in(const json& object, const char* name) {
  const json& value = in(object, name);
  return value.is_array() ? value : json::array();
}
std::uint64_t number_in(const json& object, const char* name) {
  const json& value = in(object, name);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

}  // namespace

std::string to_json(const ProcessRecord& record) {
  return dump(json{{"pid", record.pid}, {"started", record.started}, {"boot", record.boot}});
}

std::vector<ProcessRecord> parse_records(std::string_view documents_json) {
  std::vector<ProcessRecord> records;
  for (const json& document : array_in(read<json>(documents_json), "documents")) {
    const json& value = in(document, "value");
    records.push_back({static_cast<pid_t>(number_in(value, "pid")), number_in(value, "started"),
                       text_in(value, "boot")});
  }
  return records;
}

std::vector<std::pair<std::string, std::string>> parse_chosen(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> chosen;
  const json options = read<json>(text);
  if (!options.is_object()) return chosen;
  for (const auto& [id, value] : options.items())
    if (value.is_string()) chosen.emplace_back(id, value.get<std::string>());
  return chosen;
}

std::string chosen_json(const std::vector<std::pair<std::string, std::string>>& chosen) {
  if (chosen.empty()) return {};
  json object = json::object();
  for (const auto& [id, value] : chosen) object[id] = value;
  return dump(object);
}

std::set<std::string> command_names(std::string_view text) {
  std::set<std::string> names;
  for (const json& command : array_in(read<json>(text), "availableCommands"))
    if (std::string name = text_in(command, "name"); !name.empty()) names.insert(std::move(name));
  return names;
}

std::string with_commands(std::string_view text, const std::vector<OwnCommand>& own) {
  json commands = array_in(read<json>(text), "availableCommands");
  const std::set<std::string> names = command_names(text);
  for (const OwnCommand& command : own)
    if (!names.contains(command.name))
      commands.push_back({{"name", command.name},
                          {"description", command.description},
                          {"input", {{"hint", command.hint}}}});
  return dump(json{{"availableCommands", std::move(commands)}});
}

std::string discovered_json(const std::vector<ListedSession>& sessions) {
  json list = json::array();
  for (const ListedSession& session : sessions)
    list.push_back({{"native_id", session.id},
                    {"working_dir", session.cwd},
                    {"title", session.title},
                    {"updated_at", session.updated_at}});
  return dump(json{{"sessions", std::move(list)}});
}

std::string read_json(const ListedSession& session, const ReplayLog& log) {
  return dump(json{{"native_id", session.id},
                   {"working_dir", session.cwd},
                   {"title", session.title},
                   {"entries", read<json>(log.json())}});
}

std::string subject_json(std::string_view title, std::string_view kind,
                         const std::vector<std::pair<std::string, std::string>>& details) {
  json input = json::object();
  for (const auto& [name, value] : details) {
    const bool is_list = name == "argument" || name == "env";
    if (is_list)
      input[name].push_back(value);
    else
      input[name] = value;
  }
  return dump(json{{"title", title}, {"kind", kind}, {"rawInput", std::move(input)}});
}

}  // namespace viaduct::acp
