#include "plugins/slack/web_api_json.hpp"

#include "plugins/slack/form.hpp"

#include <viaduct/chat/value.hpp>

#include <nlohmann/json.hpp>

namespace viaduct::slack {
namespace {

using nlohmann::json;

std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::optional<ApiForm> form_of(std::string_view arguments) {
  const json given = json::parse(arguments, nullptr, /*allow_exceptions=*/false);
  if (!given.is_object()) return std::nullopt;
  ApiForm form;
  for (const auto& [name, value] : given.items()) {
    if (value.is_null()) continue;
    if (!form.body.empty()) form.body += '&';
    form.body += form_encoded(name);
    form.body += '=';
    form.body += form_encoded(text_of(value));
    if ((name == "channel" || name == "channel_id") && value.is_string())
      form.channel = value.get<std::string>();
  }
  return form;
}

std::string with_file(std::string_view arguments, std::string_view file, std::string_view title) {
  json all = json::parse(arguments, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) all = json::object();
  all["files"] = json::array({{{"id", file}, {"title", title}}});
  return text_of(all);
}

ApiAnswer parse_answer(std::string_view body) {
  const chat::Value answer = chat::Value::parsed(body);
  ApiAnswer said;
  said.is_json = answer.is_object();
  said.ok = answer.yes("ok");
  said.error = answer.text("error");
  said.needed = answer.text("needed");
  said.provided = answer.text("provided");
  const auto messages = answer.at("response_metadata").at("messages").items();
  if (!messages.empty()) said.detail = messages.front().text();
  return said;
}

UploadPlace parse_upload_place(std::string_view body) {
  const chat::Value answer = chat::Value::parsed(body);
  return {answer.text("upload_url"), answer.text("file_id")};
}

}  // namespace viaduct::slack
