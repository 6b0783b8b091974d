#include "plugins/bridge/messages.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using nlohmann::json;
using Role = Message::Role;

constexpr std::int64_t kAnswerTokens = 8192;  // anthropic wants a limit

// In a conversation of several people everybody is named.
bool names_needed(const std::vector<Message>& messages) {
  std::set<std::string> authors;
  for (const Message& message : messages)
    if (message.role == Role::kUser && !message.author.empty()) authors.insert(message.author);
  return authors.size() > 1;
}

// Roles that alternate, a user's first: templates of local models insist on it.
std::vector<Message> alternating(const std::vector<Message>& messages) {
  const bool named = names_needed(messages);
  std::vector<Message> result;
  if (!messages.empty() && messages.front().role == Role::kAssistant)
    result.push_back({Role::kUser, {{"(The conversation goes on.)", "", "", ""}}, ""});
  for (const Message& message : messages) {
    if (message.parts.empty()) continue;
    if (result.empty() || result.back().role != message.role)
      result.push_back({message.role, {}, ""});
    std::vector<Part>& parts = result.back().parts;
    if (named && !message.author.empty() && message.role == Role::kUser)
      parts.push_back({message.author + ":", "", "", ""});
    parts.insert(parts.end(), message.parts.begin(), message.parts.end());
  }
  return result;
}

bool only_text(const Message& message) {
  for (const Part& part : message.parts)
    if (part.is_image()) return false;
  return true;
}
std::string joined(const Message& message) {
  std::string text;
  for (const Part& part : message.parts) text.append(text.empty() ? "" : "\n\n").append(part.text);
  return text;
}

json openai_part(const Part& part) {
  if (!part.is_image()) return {{"type", "text"}, {"text", part.text}};
  const std::string url =
      part.data.empty() ? part.url : "data:" + part.mime_type + ";base64," + part.data;
  return {{"type", "image_url"}, {"image_url", {{"url", url}}}};
}
json anthropic_part(const Part& part) {
  if (!part.is_image()) return {{"type", "text"}, {"text", part.text}};
  if (part.data.empty())
    return {{"type", "image"}, {"source", {{"type", "url"}, {"url", part.url}}}};
  return {{"type", "image"},
          {"source", {{"type", "base64"}, {"media_type", part.mime_type}, {"data", part.data}}}};
}

json messages_json(const Llm& llm, const std::vector<Message>& messages) {
  json list = json::array();
  for (const Message& message : alternating(messages)) {
    json content;
    if (only_text(message)) {
      content = joined(message);
    } else {
      content = json::array();
      for (const Part& part : message.parts)
        content.push_back(llm.api == Api::kAnthropic ? anthropic_part(part) : openai_part(part));
    }
    list.push_back({{"role", message.role == Role::kUser ? "user" : "assistant"},
                    {"content", std::move(content)}});
  }
  return list;
}

bool is_openai_itself(const Llm& llm) {
  const std::string host =
      llm.base_url.substr(0, llm.base_url.find('/', llm.base_url.find("://") + 3));
  return host.ends_with(".openai.com") || host.ends_with(".azure.com");
}

json common(const Llm& llm) {
  json body{{"model", llm.model}, {"stream", true}};
  if (llm.temperature) body["temperature"] = *llm.temperature;
  if (llm.api == Api::kAnthropic) {
    body["max_tokens"] = llm.max_tokens.value_or(kAnswerTokens + llm.budget.value_or(0));
  } else {
    body["stream_options"] = {{"include_usage", true}};
    // OpenAI's newer models refuse the old name; most other servers know only that one.
    if (llm.max_tokens)
      body[is_openai_itself(llm) ? "max_completion_tokens" : "max_tokens"] = *llm.max_tokens;
  }
  return body;
}

std::string finished(const Llm& llm, json body) {
  if (!llm.extra.empty()) body.merge_patch(json::parse(llm.extra, nullptr, false));
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string request_body(const Llm& llm, const std::vector<Message>& messages) {
  json body = common(llm);
  json list = messages_json(llm, messages);
  if (llm.api == Api::kAnthropic) {
    if (!llm.system.empty()) body["system"] = llm.system;
    if (llm.budget) {
      body["thinking"] = {{"type", "enabled"}, {"budget_tokens", *llm.budget}};
    } else if (!llm.effort.empty()) {
      body["thinking"] = {{"type", "adaptive"}};
      body["output_config"] = {{"effort", llm.effort}};
    }
  } else {
    if (!llm.system.empty())
      list.insert(list.begin(), json::object({{"role", "system"}, {"content", llm.system}}));
    if (!llm.effort.empty()) body["reasoning_effort"] = llm.effort;
  }
  body["messages"] = std::move(list);
  return finished(llm, std::move(body));
}

std::string summary_body(const Llm& llm, const std::string& instruction) {
  json body = common(llm);
  body["messages"] = json::array({{{"role", "user"}, {"content", instruction}}});
  return finished(llm, std::move(body));
}

std::expected<std::vector<std::string>, std::string> parse_models(std::string_view text) {
  if (net::too_complex(text)) return std::unexpected("its list of models makes no sense");
  const json body = json::parse(text, nullptr, false);
  const json* list = nullptr;
  if (body.is_object()) {
    if (const auto found = body.find("data"); found != body.end()) list = &*found;
  }
  if (list == nullptr || !list->is_array())
    return std::unexpected("what it sends is no list of models");
  std::vector<std::string> ids;
  for (const json& model : *list)
    if (model.is_object() && model.contains("id") && model["id"].is_string())
      ids.push_back(model["id"].get<std::string>());
  return ids;
}

}  // namespace viaduct::bridge
