#include "host/sessions/restored_json.hpp"

#include "host/sessions/log_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace viaduct::sessions {
namespace {

using nlohmann::json;

json object_from(std::string_view text) {
  json value = json::parse(text, nullptr, false);
  return value.is_object() ? value : json::object();
}

std::string text_in(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Bytes of the line break at `at`, of whatever kind somebody may take for one; 0: there is none.
std::size_t line_break(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  for (const std::string_view one :
       {"\r\n", "\n", "\r", "\v", "\f", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"})
    if (rest.starts_with(one)) return one.size();
  return 0;
}

void say(std::string& out, std::string_view text, std::size_t indent) {
  bool begins = true;
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t size = line_break(text, at)) {
      out += '\n';
      begins = true;
      at += size;
      continue;
    }
    if (std::exchange(begins, false)) out.append(indent, ' ');
    out += text[at++];
  }
  if (!begins) out += '\n';
}

// On one line and short, as part of the host's words.
std::string name_from(std::string_view text) {
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = line_break(text, at);
    line += size > 0 || static_cast<unsigned char>(text[at]) < 0x20 ? ' ' : text[at];
    at += std::max<std::size_t>(size, 1);
  }
  return title_from(line);
}

void add_message(std::string& out, const store::Entry& entry) {
  const json data = object_from(entry.data);
  const json& author = data.contains("author") ? data["author"] : json();
  if (const auto context = data.find("context"); context != data.end() && context->is_array()) {
    out += "Said by others around the message that follows:\n";
    for (const json& one : *context) {
      out += "    " + name_from(text_in(one, "author")) + ":\n";
      say(out, text_in(one, "text"), 8);
    }
    out += '\n';
  }
  const std::string name = name_from(text_in(author, "display_name"));
  out += name.empty() ? "User:\n" : "User (" + name + "):\n";
  say(out, entry.text, 4);
  if (const auto blocks = data.find("blocks"); blocks != data.end() && blocks->is_array())
    out += fmt::format("({} attached to it and not shown here)\n", blocks->size());
  out += '\n';
}

void add_end(std::string& out, const store::Entry& entry) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kEnds{
      {{"cancelled", "The user stopped the answer here"},
       {"interrupted", "The answer was interrupted here"},
       {"error", "The answer failed here"},
       {"timeout", "The answer failed here"},
       {"max_tokens", "The answer reached its limit of length here"},
       {"max_turn_requests", "The answer reached its limit of steps here"},
       {"refusal", "The assistant refused to answer"}}};
  const json data = object_from(entry.data);
  const std::string reason = text_in(data, "stop_reason");
  for (const auto& [name, words] : kEnds) {
    if (name != reason) continue;
    const std::string why =
        data.contains("error") ? name_from(text_in(data["error"], "message")) : "";
    out.append("(").append(words).append(why.empty() ? "" : ": ").append(why).append(")\n\n");
  }
}

void add_tool(std::string& out, const store::Entry& entry) {
  const json data = object_from(entry.data);
  out += "(Tool: " + name_from(text_in(data, "title"));
  if (text_in(data, "status") == "failed") out += ", which failed";
  out += ")\n\n";
}

}  // namespace

std::string restored_text(const std::vector<store::Entry>& entries) {
  std::string out = "The conversation so far, for context. What was said in it is indented:\n\n";
  for (const store::Entry& entry : entries) {
    if (entry.type == "user_message") {
      add_message(out, entry);
    } else if (entry.type == "text" && !entry.text.empty()) {
      out += "Assistant:\n";
      say(out, entry.text, 4);
      out += '\n';
    } else if (entry.type == "tool_call") {
      add_tool(out, entry);
    } else if (entry.type == "turn_end") {
      add_end(out, entry);
    }
  }
  return out + "The next message is:\n\n";
}

}  // namespace viaduct::sessions
