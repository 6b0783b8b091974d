#include "host/cli/plugin_command.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::cli {

using nlohmann::json;

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
  return ToolAnswer{code->get<int>(), output == value.end() ? "" : output->get<std::string>()};
}

std::string to_json(const ToolAnswer& answer) {
  return json{{"exit_code", answer.exit_code}, {"output", answer.output}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

}  // namespace viaduct::cli
