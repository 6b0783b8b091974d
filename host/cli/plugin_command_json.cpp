#include "host/cli/plugin_command.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::cli {

using nlohmann::json;

namespace {
constexpr std::size_t kLargestFiles = 16 << 20;  // all of an answer, as base64
}

Result<ToolAnswer> parse_tool_answer(std::string_view text) {
  const json value = json::parse(text, nullptr, false);
  const auto wrong = [](const char* what) {
    return fail(Errc::internal, std::string("the plugin's answer ") + what);
  };
  if (!value.is_object()) return wrong("is no JSON object");
  const auto code = value.find("exit_code");
  if (code == value.end() || !code->is_number_integer() || *code < 0 || *code > 255)
    return wrong("has no exit_code from 0 to 255");
  const auto output = value.find("output");
  if (output != value.end() && !output->is_string()) return wrong("has an output that is no text");
  ToolAnswer answer{code->get<int>(), output == value.end() ? "" : output->get<std::string>()};
  const auto files = value.find("files");
  if (files == value.end()) return answer;
  if (!files->is_array()) return wrong("has files that are no array");
  std::size_t size = 0;
  for (const json& file : *files) {
    const auto field = [&file](const char* name) {
      const auto found = file.find(name);
      return found != file.end() && found->is_string() ? &found->get_ref<const std::string&>()
                                                       : nullptr;
    };
    if (!file.is_object() || field("path") == nullptr || field("base64") == nullptr)
      return wrong("has a file without path or base64");
    size += field("base64")->size();
    if (size > kLargestFiles) return wrong("has files of more than 12 MiB");
    answer.files.push_back({*field("path"), *field("base64")});
  }
  return answer;
}

std::string to_json(const ToolAnswer& answer) {
  json files = json::array();
  for (const ToolFile& file : answer.files)
    files.push_back({{"path", file.path}, {"base64", file.base64}});
  return json{{"exit_code", answer.exit_code}, {"output", answer.output}, {"files", files}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

}  // namespace viaduct::cli
