// initialize, sessions and what can be chosen of them.
#include "plugins/acp/look_up.hpp"
#include "plugins/acp/protocol.hpp"
#include "plugins/acp/text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <viaduct/net/text.hpp>

namespace viaduct::acp {
namespace {

using net::one_line;
using nlohmann::json;

constexpr std::size_t kMostNamed = 20;  // choices in an error

bool is_true(const json& value) {
  return value.is_boolean() && value.get<bool>();
}
// A capability whose presence means that it is there.
bool has(const json& capabilities, const char* name) {
  const json& value = in(capabilities, name);
  return value.is_object() || is_true(value);
}

json pairs(const std::vector<std::pair<std::string, std::string>>& given) {
  json list = json::array();
  for (const auto& [name, value] : given) list.push_back(json{{"name", name}, {"value", value}});
  return list;
}

json server_json(const McpServer& server) {
  json one{{"name", server.name}};
  if (server.transport == McpServer::Transport::kStdio) {
    // No "type" here, and lists that must be there even if they are empty.
    one["command"] = server.command;
    one["args"] = server.arguments;
    one["env"] = pairs(server.environment);
  } else {
    one["type"] = server.transport == McpServer::Transport::kHttp ? "http" : "sse";
    one["url"] = server.url;
    one["headers"] = pairs(server.headers);
  }
  return one;
}

// ---------------------------------------------------------------- options

Choice choice(const json& given, const char* value) {
  Choice one{text_in(given, value), text_in(given, "name"), text_in(given, "description"),
             meta_of(given)};
  if (one.name.empty()) one.name = one.value;
  return one;
}
void add_choices(const json& list, const char* value, std::vector<Choice>& out) {
  if (!list.is_array()) return;
  for (const json& given : list) {
    if (const json& group = in(given, "options"); group.is_array())
      for (const json& inner : group) out.push_back(choice(inner, value));
    else
      out.push_back(choice(given, value));
  }
  std::erase_if(out, [](const Choice& one) { return one.value.empty(); });
}

std::optional<Option> config_option(const json& given) {
  Option option;
  option.id = text_in(given, "id");
  option.name = text_in(given, "name");
  option.category = text_in(given, "category");
  if (option.id.empty()) return std::nullopt;
  if (option.name.empty()) option.name = option.id;
  option.meta = meta_of(given);
  const std::string type = text_in(given, "type");
  const json& current = in(given, "currentValue");
  if (type == "boolean" || (type.empty() && current.is_boolean())) {
    option.how = Option::How::kBoolean;
    option.current = is_true(current) ? "true" : "false";
    option.choices = {{"true", "On", ""}, {"false", "Off", ""}};
  } else if (type == "select" || (type.empty() && in(given, "options").is_array())) {
    option.current = current.is_string() ? current.get<std::string>() : "";
    add_choices(in(given, "options"), "value", option.choices);
  } else {
    return std::nullopt;
  }
  return option;
}

std::optional<Option> legacy(const json& given, Option::How how) {
  const bool mode = how == Option::How::kMode;
  const json& list = in(given, mode ? "availableModes" : "availableModels");
  Option option{mode ? "mode" : "model",
                mode ? "Mode" : "Model",
                mode ? "mode" : "model",
                text_in(given, mode ? "currentModeId" : "currentModelId"),
                {},
                how,
                meta_of(given)};
  add_choices(list, mode ? "id" : "modelId", option.choices);
  if (option.choices.empty()) return std::nullopt;
  return option;
}

bool covers(const std::vector<Option>& options, const Option& old) {
  return std::any_of(options.begin(), options.end(), [&](const Option& one) {
    return one.id == old.id || one.category == old.category;
  });
}

}  // namespace

// ---------------------------------------------------------------- initialize

std::string initialize_params(const Config& config, std::string_view client_version) {
  const json nothing = json::object();
  const bool files = config.files != Policy::kDeny;
  json params{{"protocolVersion", kProtocolVersion}};
  params["clientCapabilities"] = {
      {"fs", {{"readTextFile", files}, {"writeTextFile", files}}},
      {"terminal", config.terminals != Policy::kDeny},
      {"session",
       {{"configOptions", {{"boolean", nothing}}}, {"notices", nothing}, {"compaction", nothing}}},
      {"elicitation", {{"form", nothing}, {"url", nothing}}},
      {"auth", {{"terminal", false}}}};
  params["clientInfo"] = {{"name", "viaduct"}, {"title", "Viaduct"}, {"version", client_version}};
  return dump(params);
}

std::expected<AgentCapabilities, std::string> parse_initialize(std::string_view text) {
  const json result = read<json>(text);
  const json& version = in(result, "protocolVersion");
  if (!version.is_number())
    return std::unexpected("The agent does not say which version of the protocol it speaks");
  if (version != kProtocolVersion)
    return std::unexpected("The agent speaks version " + one_line(dump(version), 20) +
                           " of the protocol, and Viaduct speaks version 1");
  AgentCapabilities can;
  const json& info = in(result, "agentInfo");
  can.agent_name = text_in(info, "title");
  if (can.agent_name.empty()) can.agent_name = text_in(info, "name");
  can.agent_version = text_in(info, "version");
  const json& agent = in(result, "agentCapabilities");
  can.load = is_true(in(agent, "loadSession"));
  const json& prompt = in(agent, "promptCapabilities");
  can.image = is_true(in(prompt, "image"));
  can.audio = is_true(in(prompt, "audio"));
  can.embedded_context = is_true(in(prompt, "embeddedContext"));
  const json& mcp = in(agent, "mcpCapabilities");
  can.mcp_http = is_true(in(mcp, "http"));
  can.mcp_sse = is_true(in(mcp, "sse"));
  const json& session = in(agent, "sessionCapabilities");
  can.list = has(session, "list");
  can.resume = has(session, "resume");
  can.close = has(session, "close");
  can.remove = has(session, "delete");
  can.fork = has(session, "fork");
  if (const json& methods = in(result, "authMethods"); methods.is_array())
    for (const json& given : methods) {
      AuthMethod method{text_in(given, "id"), text_in(given, "name"), text_in(given, "description"),
                        text_in(given, "type")};
      if (!method.id.empty()) can.auth_methods.push_back(std::move(method));
    }
  return can;
}

// ---------------------------------------------------------------- sessions

std::string session_params(std::string_view id, std::string_view cwd, const Config& config,
                           const AgentCapabilities& can, std::vector<std::string>* left_out) {
  using Transport = McpServer::Transport;
  json params{{"cwd", cwd}, {"mcpServers", json::array()}};
  if (!id.empty()) params["sessionId"] = id;
  for (const McpServer& server : config.mcp_servers) {
    const bool reaches = server.transport == Transport::kStdio ||
                         (server.transport == Transport::kHttp ? can.mcp_http : can.mcp_sse);
    if (reaches)
      params["mcpServers"].push_back(server_json(server));
    else if (left_out != nullptr)
      left_out->push_back(server.name);
  }
  return dump(params);
}

std::string id_params(std::string_view session_id) {
  return dump(json{{"sessionId", session_id}});
}

std::string list_params(std::string_view cwd, std::string_view cursor) {
  json params = json::object();
  if (!cwd.empty()) params["cwd"] = cwd;
  if (!cursor.empty()) params["cursor"] = cursor;
  return dump(params);
}

std::string authenticate_params(std::string_view method) {
  return dump(json{{"methodId", method}});
}

std::expected<SessionAnswer, std::string> parse_session(std::string_view text) {
  const json result = read<json>(text);
  if (result.is_null()) return SessionAnswer{};
  if (!result.is_object()) return std::unexpected("the answer is no object");
  SessionAnswer answer;
  answer.session_id = text_in(result, "sessionId");
  const json& options = in(result, "configOptions");
  if (options.is_array())
    for (const json& given : options)
      if (auto option = config_option(given)) answer.options.push_back(std::move(*option));
  const std::vector<Option> configured = answer.options;
  for (const auto& [name, how] :
       {std::pair("modes", Option::How::kMode), std::pair("models", Option::How::kModel)})
    if (auto option = legacy(in(result, name), how); option && !covers(configured, *option))
      answer.options.push_back(std::move(*option));
  answer.has_options =
      options.is_array() || in(result, "modes").is_object() || in(result, "models").is_object();
  return answer;
}

std::vector<Option> replaced(const std::vector<Option>& before, std::vector<Option> now) {
  std::vector<Option> kept;
  for (const Option& old : before) {
    const bool is_legacy = old.how == Option::How::kMode || old.how == Option::How::kModel;
    if (is_legacy && !covers(now, old)) kept.push_back(old);
  }
  now.insert(now.end(), kept.begin(), kept.end());
  return now;
}

SetOption set_option_request(std::string_view session_id, const Option& option,
                             std::string_view value) {
  json params{{"sessionId", session_id}};
  switch (option.how) {
    case Option::How::kMode: params["modeId"] = value; return {"session/set_mode", dump(params)};
    case Option::How::kModel: params["modelId"] = value; return {"session/set_model", dump(params)};
    case Option::How::kBoolean:
      params["type"] = "boolean";
      params["value"] = value == "true";
      break;
    case Option::How::kConfigOption: params["value"] = value;
  }
  params["configId"] = option.id;
  return {"session/set_config_option", dump(params)};
}

namespace {

std::string names(const std::vector<std::string>& all) {
  std::string text;
  for (std::size_t i = 0; i < std::min(all.size(), kMostNamed); ++i)
    text.append(text.empty() ? "" : ", ").append(all[i]);
  return all.size() > kMostNamed ? text + " …" : text;
}

// What `wanted` means among `all`, of which each has several names: the first with such a name, the
// better names first, or the only one with such a part of a name. The error: those that it could
// be.
template <class T, class Names>
std::expected<const T*, std::vector<const T*>> meant(const std::vector<T>& all,
                                                     std::string_view wanted, Names names_of) {
  const std::string low = lower(wanted);
  if (low.empty()) return std::unexpected(std::vector<const T*>());
  for (const T& one : all)
    if (*names_of(one).begin() == wanted) return &one;
  for (std::size_t i = 0; i < names_of(T{}).size(); ++i)
    for (const T& one : all)
      if (lower(names_of(one)[i]) == low) return &one;
  std::vector<const T*> like;
  for (const T& one : all)
    for (const std::string& name : names_of(one))
      if (lower(name).find(low) != std::string::npos) {
        like.push_back(&one);
        break;
      }
  if (like.size() == 1) return like.front();
  return std::unexpected(like);
}

}  // namespace

std::expected<Chosen, std::string> choose(const std::vector<Option>& options,
                                          std::string_view option, std::string_view value) {
  const auto option_names = [](const Option& one) {
    return std::vector<std::string>{one.id, one.category, one.name};
  };
  const auto choice_names = [](const Choice& one) {
    return std::vector<std::string>{one.value, one.name};
  };
  if (options.empty()) return std::unexpected("this agent has nothing to choose");
  const auto found = meant(options, option, option_names);
  if (!found) {
    std::vector<std::string> all;
    for (const Option& one : options) all.push_back(one.id);
    return std::unexpected("\"" + one_line(option, 100) + "\" " +
                           (found.error().size() > 1 ? "can be several" : "is none") +
                           " of this agent's options, which are " + names(all));
  }
  const Option& what = **found;
  if (what.how == Option::How::kBoolean) {
    const std::string low = lower(value);
    if (low == "yes" || low == "1") value = "true";
    if (low == "no" || low == "0") value = "false";
  }
  const auto chosen = meant(what.choices, value, choice_names);
  if (chosen) return Chosen{&what, (*chosen)->value};
  std::vector<std::string> all;
  if (chosen.error().size() > 1)
    for (const Choice* one : chosen.error()) all.push_back(one->value);
  else
    for (const Choice& one : what.choices) all.push_back(one.value);
  if (all.empty()) return std::unexpected(what.id + ": the agent says no values to choose from");
  if (chosen.error().size() > 1)
    return std::unexpected(what.id + ": \"" + one_line(value, 100) + "\" can be " + names(all));
  if (value.empty()) return std::unexpected(what.id + ": one of " + names(all));
  return std::unexpected(what.id + ": \"" + one_line(value, 100) + "\" is none of " + names(all));
}

std::string options_json(const std::vector<Option>& options) {
  json list = json::array();
  for (const Option& option : options) {
    json one{{"id", option.id}, {"name", option.name}};
    if (!option.category.empty()) one["category"] = option.category;
    put_meta(one, option.meta);
    if (option.how == Option::How::kBoolean) {
      one["type"] = "boolean";
      one["currentValue"] = option.current == "true";
    } else {
      one["type"] = "select";
      one["currentValue"] = option.current;
      one["options"] = json::array();
      for (const Choice& given : option.choices) {
        json choice_json{{"value", given.value}, {"name", given.name}};
        put_meta(choice_json, given.meta);
        if (!given.description.empty()) choice_json["description"] = given.description;
        one["options"].push_back(std::move(choice_json));
      }
    }
    list.push_back(std::move(one));
  }
  return dump(json{{"options", std::move(list)}});
}

SessionList parse_list(std::string_view text) {
  const json result = read<json>(text);
  SessionList list;
  if (const json& sessions = in(result, "sessions"); sessions.is_array())
    for (const json& given : sessions) {
      ListedSession one{text_in(given, "sessionId"), text_in(given, "cwd"), text_in(given, "title"),
                        text_in(given, "updatedAt")};
      if (!one.id.empty()) list.sessions.push_back(std::move(one));
    }
  list.next = text_in(result, "nextCursor");
  return list;
}

}  // namespace viaduct::acp
