#include "host/cli/control.hpp"

#include <nlohmann/json.hpp>

namespace viaduct::cli {

using nlohmann::json;

std::string to_json(const ControlRequest& r) {
  return json{{"command", r.command},     {"id", r.id},
              {"before", r.before},       {"entry", r.entry},
              {"limit", r.limit},         {"all", r.all},
              {"arguments", r.arguments}, {"backend", r.backend},
              {"surface", r.surface},     {"older_than_ms", r.older_than_ms},
              {"dry_run", r.dry_run}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<ControlRequest> parse_request(std::string_view line) {
  const json value = json::parse(line, nullptr, false);
  const auto text = [&](const char* name) {
    const auto found = value.find(name);
    return found != value.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const auto number = [&](const char* name, std::uint64_t otherwise) {
    const auto found = value.find(name);
    return found != value.end() && found->is_number_unsigned() ? found->get<std::uint64_t>()
                                                               : otherwise;
  };
  if (!value.is_object() || text("command").empty())
    return fail(Errc::invalid_argument, "the request is no JSON object with a command");
  ControlRequest request{text("command"), text("id"), text("before"), number("entry", 0)};
  request.limit =
      static_cast<std::uint32_t>(std::clamp<std::uint64_t>(number("limit", 50), 1, 500));
  const auto flag = [&](const char* name) {
    const auto found = value.find(name);
    return found != value.end() && found->is_boolean() && found->get<bool>();
  };
  request.all = flag("all");
  request.dry_run = flag("dry_run");
  request.backend = text("backend");
  request.surface = text("surface");
  request.older_than_ms = number("older_than_ms", 0);
  if (const auto arguments = value.find("arguments"); arguments != value.end())
    for (const json& argument : *arguments)
      if (argument.is_string()) request.arguments.push_back(argument.get<std::string>());
  return request;
}

std::string reply_line(const Result<std::string>& answer) {
  json reply;
  if (answer) {
    json result = json::parse(*answer, nullptr, false);
    reply["result"] = result.is_discarded() ? json(*answer) : std::move(result);
  } else {
    reply["error"] = {{"code", name(answer.error().code)}, {"message", answer.error().message}};
  }
  return reply.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<std::string> parse_reply(std::string_view line) {
  const json reply = json::parse(line, nullptr, false);
  if (reply.is_object() && reply.contains("result")) return reply["result"].dump();
  if (!reply.is_object() || !reply.contains("error"))
    return fail(Errc::internal, "the host answered with no JSON");
  const json& error = reply["error"];
  Error parsed{Errc::internal, error.value("message", "")};
  for (int i = 1; i <= VIADUCT_E_INTERNAL; ++i)
    if (name(static_cast<Errc>(i)) == error.value("code", "")) parsed.code = static_cast<Errc>(i);
  return std::unexpected(std::move(parsed));
}

}  // namespace viaduct::cli
