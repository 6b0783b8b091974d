#include "host/memory/memory_json.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <ctime>

namespace viaduct::memory {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string rfc3339(store::Micros at) {
  const auto seconds = static_cast<std::time_t>(at / 1'000'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(seconds), at % 1'000'000);
}

Json to_json(const store::Memory& memory) {
  return {{"id", memory.id},
          {"timestamp", rfc3339(memory.at)},
          {"category", memory.category},
          {"content", memory.content},
          {"tags", memory.tags}};
}

}  // namespace

std::string memory_json(const store::Memory& memory) {
  return dump(to_json(memory));
}

std::string matches_json(const std::vector<store::Memory>& matches) {
  Json json{{"matches", Json::array()}, {"count", matches.size()}};
  for (const auto& memory : matches) json["matches"].push_back(to_json(memory));
  return dump(json);
}

std::string reply_json(std::string_view response, Action action, std::string_view result) {
  return fmt::format(R"({{"response":{},"memory_action":"{}","memory_result":{}}})",
                     dump(Json(response)), action == Action::remember ? "remember" : "recall",
                     result);
}

std::string items_json(std::string_view items) {
  return fmt::format(R"({{"items":{}}})", items);
}

Result<std::string> parse_work_log(std::string_view items, store::Micros now) {
  const auto json = Json::parse(items, nullptr, false);
  if (!json.is_array()) return fail(Errc::invalid_argument, "items: a list of tasks is required");
  Json log = Json::array();
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto& item = json[i];
    if (!item.is_object())
      return fail(Errc::invalid_argument,
                  fmt::format("items[{}]: an object with a task is required", i));
    Json kept{{"task", nullptr}, {"status", "pending"}, {"updated", rfc3339(now)}};
    for (auto& [name, value] : kept.items()) {
      const auto given = item.find(name);
      if (given == item.end() || (given->is_null() && name != "task")) continue;
      if (!given->is_string())
        return fail(Errc::invalid_argument,
                    fmt::format("items[{}].{}: a text is required", i, name));
      value = *given;
    }
    if (!kept["task"].is_string() || kept["task"].get_ref<const std::string&>().empty())
      return fail(Errc::invalid_argument, fmt::format("items[{}].task: a text is required", i));
    log.push_back(std::move(kept));
  }
  return dump(log);
}

}  // namespace viaduct::memory
