// What agents request of us.
#include "plugins/acp/look_up.hpp"
#include "plugins/acp/protocol.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using net::one_line;
using nlohmann::json;

constexpr std::size_t kMostQuestions = 16;
constexpr std::size_t kLongestTitle = 500;

// A whole number that may be written as any, kept between `least` and INT64_MAX.
std::int64_t whole(const json& value, std::int64_t otherwise, std::int64_t least) {
  if (!value.is_number()) return otherwise;
  const double number = value.get<double>();
  if (std::isnan(number)) return otherwise;
  if (number >= 9.2e18) return INT64_MAX;
  if (number <= static_cast<double>(least)) return least;
  return value.is_number_integer() ? value.get<std::int64_t>() : static_cast<std::int64_t>(number);
}

// What goes to the operating system must not end early.
bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

struct Missing {
  std::string what;
};
std::string required(const json& object, const char* name) {
  const json& value = in(object, name);
  if (!value.is_string() || value.get_ref<const std::string&>().empty())
    throw Missing{std::string(name) + ": must be a string that is not empty"};
  std::string text = value.get<std::string>();
  if (has_nul(text)) throw Missing{std::string(name) + ": must not contain a zero byte"};
  return text;
}

// Runs a reader of `params`, whose complaints are its errors.
template <class T, class Reader>
std::expected<T, std::string> parse(std::string_view text, Reader reader) {
  const json params = read<json>(text);
  if (!params.is_object()) return std::unexpected("params: must be an object");
  try {
    return reader(params);
  } catch (const Missing& missing) {
    return std::unexpected(missing.what);
  }
}

// For a person: what the agent wants to do.
std::string permission_title(const json& call) {
  std::string title = text_in(call, "title");
  if (title.empty()) title = text_in(call, "name");
  const json& input = in(call, "rawInput");
  if (title.empty()) title = text_in(input, "command");
  if (title.empty())
    if (const json& command = in(input, "command"); command.is_array())
      for (const json& part : command)
        if (part.is_string()) title += (title.empty() ? "" : " ") + part.get<std::string>();
  if (title.empty())
    if (const std::string kind = text_in(call, "kind"); !kind.empty()) title = "Tool: " + kind;
  if (title.empty()) title = "The agent asks for permission";
  return one_line(title, kLongestTitle);
}

// ---------------------------------------------------------------- elicitation

// The values that a field may have: [value, title].
using Values = std::vector<std::pair<json, std::string>>;

std::string words_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : dump(value);
}
void add_values(const json& schema, Values& out) {
  if (const json& all = in(schema, "enum"); all.is_array()) {
    const json& names = in(schema, "enumNames");
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].is_primitive() || all[i].is_null()) continue;
      const bool named = names.is_array() && i < names.size() && names[i].is_string();
      out.emplace_back(all[i], named ? names[i].get<std::string>() : words_of(all[i]));
    }
  }
  for (const char* list : {"oneOf", "anyOf"})
    if (const json& all = in(schema, list); all.is_array())
      for (const json& one : all) {
        const json& value = in(one, "const");
        if (!value.is_primitive() || value.is_null()) continue;
        std::string title = text_in(one, "title");
        out.emplace_back(value, title.empty() ? words_of(value) : std::move(title));
      }
}
bool is_list(const json& field) {
  return text_in(field, "type") == "array";
}
Values values_of(const json& field) {
  Values values;
  if (text_in(field, "type") == "boolean")
    values = {{json(true), "Yes"}, {json(false), "No"}};
  else
    add_values(is_list(field) ? in(field, "items") : field, values);
  std::erase_if(values, [](const auto& one) { return words_of(one.first).empty(); });
  return values;
}
// Several of a list have to be chosen, which one press of a button cannot.
bool needs_several(const json& field) {
  return is_list(field) && whole(in(field, "minItems"), 0, 0) > 1;
}
bool is_required(const json& schema, const std::string& name) {
  const json& all = in(schema, "required");
  return all.is_array() && std::any_of(all.begin(), all.end(), [&](const json& one) {
           return one.is_string() && one.get_ref<const std::string&>() == name;
         });
}
std::string title_of(const json& field, const std::string& name) {
  std::string title = text_in(field, "title");
  if (title.empty()) title = text_in(field, "description");
  return one_line(title.empty() ? name : title, kLongestTitle);
}

void read_form(const json& schema, Elicitation& asked) {
  const json& fields = in(schema, "properties");
  if (!fields.is_object()) return;
  for (const auto& [name, field] : fields.items()) {
    const Values values = values_of(field);
    if (!values.empty() && !needs_several(field)) {
      Question question{name, title_of(field, name), {}};
      for (const auto& [value, title] : values)
        question.choices.push_back({words_of(value), title, ""});
      asked.questions.push_back(std::move(question));
    } else if (is_required(schema, name) && in(field, "default").is_null()) {
      asked.refusal = "it asks for \"" + title_of(field, name) + "\", which buttons cannot answer";
      return;
    }
  }
  if (asked.questions.size() > kMostQuestions)
    asked.refusal = "it asks " + std::to_string(asked.questions.size()) + " questions at once";
}

json typed(const json& field, const std::string& answer) {
  json value = answer;
  for (const auto& [known, title] : values_of(field))
    if (words_of(known) == answer) {
      value = known;
      break;
    }
  return is_list(field) ? json::array({std::move(value)}) : value;
}

}  // namespace

// ---------------------------------------------------------------- permission

const PermissionOption* PermissionRequest::allowing() const {
  for (const char* wanted : {"allow_once", "allow_always"})
    for (const PermissionOption& option : options)
      if (option.kind == wanted) return &option;
  return nullptr;
}
const PermissionOption* PermissionRequest::rejecting() const {
  for (const char* wanted : {"reject_once", "reject_always"})
    for (const PermissionOption& option : options)
      if (option.kind == wanted) return &option;
  return nullptr;
}

std::expected<PermissionRequest, std::string> parse_permission(std::string_view text) {
  return parse<PermissionRequest>(text, [](const json& params) {
    PermissionRequest request;
    request.session_id = required(params, "sessionId");
    request.tool_call = tool_call(dump(in(params, "toolCall")));
    const json call = read<json>(request.tool_call);
    request.title = permission_title(call);
    request.kind = text_in(call, "kind");
    request.tool_id = text_in(call, "toolCallId");
    request.meta = meta_of(params);
    if (const json& options = in(params, "options"); options.is_array())
      for (const json& given : options) {
        PermissionOption option{text_in(given, "optionId"), text_in(given, "name"),
                                text_in(given, "kind")};
        if (option.name.empty()) option.name = option.id;
        if (!option.id.empty()) request.options.push_back(std::move(option));
      }
    if (request.options.empty()) throw Missing{"options: there must be one with an optionId"};
    return request;
  });
}

std::string permission_json(const PermissionRequest& request, std::int64_t timeout_ms) {
  json options = json::array();
  for (const PermissionOption& option : request.options)
    options.push_back({{"optionId", option.id}, {"name", option.name}, {"kind", option.kind}});
  json call = read<json>(request.tool_call);
  json permission{{"title", request.title},
                  {"toolCall", call.is_object() ? std::move(call) : json::object()},
                  {"options", std::move(options)}};
  put_meta(permission, request.meta);
  if (timeout_ms > 0) permission["timeout_ms"] = timeout_ms;
  return dump(permission);
}

std::string permission_result(std::string_view option_id) {
  json outcome{{"outcome", option_id.empty() ? "cancelled" : "selected"}};
  if (!option_id.empty()) outcome["optionId"] = option_id;
  return dump(json{{"outcome", std::move(outcome)}});
}

// ---------------------------------------------------------------- elicitation

std::expected<Elicitation, std::string> parse_elicitation(std::string_view text) {
  return parse<Elicitation>(text, [](const json& params) {
    Elicitation asked;
    asked.session_id = text_in(params, "sessionId");
    asked.message = text_in(params, "message");
    const std::string mode = text_in(params, "mode");
    if (mode == "url" || (mode.empty() && in(params, "url").is_string())) {
      asked.url = required(params, "url");
      if (!asked.url.starts_with("https://") && !asked.url.starts_with("http://"))
        asked.refusal = "it asks to open something that is no web address";
    } else if (mode == "form" || mode.empty()) {
      read_form(in(params, "requestedSchema"), asked);
    } else {
      throw Missing{"mode: must be form or url"};
    }
    return asked;
  });
}

std::string elicitation_result(std::string_view action, std::string_view params_text,
                               const std::vector<std::pair<std::string, std::string>>& answers) {
  json result{{"action", action}};
  const json params = read<json>(params_text);
  const json& schema = in(params, "requestedSchema");
  if (action != "accept" || !schema.is_object()) return dump(result);
  json content = json::object();
  const json& fields = in(schema, "properties");
  if (fields.is_object())
    for (const auto& [name, field] : fields.items())
      if (const json& usual = in(field, "default"); is_required(schema, name) && !usual.is_null())
        content[name] = usual;
  for (const auto& [name, answer] : answers)
    content[name] = typed(in(fields, name.c_str()), answer);
  result["content"] = std::move(content);
  return dump(result);
}

// ---------------------------------------------------------------- files

std::expected<ReadFile, std::string> parse_read_file(std::string_view text) {
  return parse<ReadFile>(text, [](const json& params) {
    ReadFile file;
    file.session_id = text_in(params, "sessionId");
    file.path = required(params, "path");
    file.line = whole(in(params, "line"), 0, 0);
    file.limit = whole(in(params, "limit"), -1, 0);
    return file;
  });
}

std::string read_file_result(std::string_view content) {
  return dump(json{{"content", content}});
}

std::expected<WriteFile, std::string> parse_write_file(std::string_view text) {
  return parse<WriteFile>(text, [](const json& params) {
    WriteFile file{text_in(params, "sessionId"), required(params, "path"), {}};
    const json& content = in(params, "content");
    if (!content.is_string()) throw Missing{"content: must be a string"};
    file.content = content.get<std::string>();
    return file;
  });
}

// ---------------------------------------------------------------- terminals

std::expected<CreateTerminal, std::string> parse_create_terminal(std::string_view text) {
  return parse<CreateTerminal>(text, [](const json& params) {
    CreateTerminal create;
    create.session_id = text_in(params, "sessionId");
    create.command = required(params, "command");
    create.cwd = text_in(params, "cwd");
    if (const json& arguments = in(params, "args"); arguments.is_array())
      for (const json& one : arguments) {
        if (!one.is_string()) throw Missing{"args: must be strings"};
        create.arguments.push_back(one.get<std::string>());
      }
    create.has_arguments = !create.arguments.empty();
    if (const json& environment = in(params, "env"); environment.is_array())
      for (const json& one : environment) {
        const std::string name = text_in(one, "name");
        if (name.empty() || name.find('=') != std::string::npos)
          throw Missing{"env: must be objects with name and value"};
        create.environment.push_back(name + "=" + text_in(one, "value"));
      }
    const auto bad = [](const auto& all) {
      return std::any_of(all.begin(), all.end(), [](const auto& one) { return has_nul(one); });
    };
    if (has_nul(create.cwd) || bad(create.arguments) || bad(create.environment))
      throw Missing{"params: must not contain a zero byte"};
    create.output_limit = whole(in(params, "outputByteLimit"), 0, 0);
    return create;
  });
}

std::expected<TerminalCall, std::string> parse_terminal_call(std::string_view text) {
  return parse<TerminalCall>(text, [](const json& params) {
    return TerminalCall{text_in(params, "sessionId"), required(params, "terminalId")};
  });
}

namespace {
json exit_json(const TerminalExit& exit) {
  json status{{"exitCode", nullptr}, {"signal", nullptr}};
  if (exit.code) status["exitCode"] = *exit.code;
  if (!exit.signal.empty()) status["signal"] = exit.signal;
  return status;
}
}  // namespace

std::string terminal_output_result(std::string_view output, bool truncated,
                                   const std::optional<TerminalExit>& exit) {
  json result{{"output", output}, {"truncated", truncated}};
  if (exit) result["exitStatus"] = exit_json(*exit);
  return dump(result);
}
std::string terminal_exit_result(const TerminalExit& exit) {
  return dump(exit_json(exit));
}
std::string terminal_created_result(std::string_view terminal_id) {
  return dump(json{{"terminalId", terminal_id}});
}

// ---------------------------------------------------------------- others

std::string request_of(std::string_view text) {
  const json params = read<json>(text);
  const json& id = in(params, "requestId");
  return id.is_null() ? std::string() : dump(id);
}

std::string session_of(std::string_view text) {
  return text_in(read<json>(text), "sessionId");
}

}  // namespace viaduct::acp
