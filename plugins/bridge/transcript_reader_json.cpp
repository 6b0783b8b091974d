// The lines of a transcript, as entries of a log.
#include "plugins/bridge/look_up.hpp"
#include "plugins/bridge/transcript_lines.hpp"

#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using nlohmann::json;

constexpr int kDeepest = 100;  // what is made of it is nested a little deeper

// The first of these that is not empty.
std::string first_in(const json& object, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (std::string value = string_in(object, name); !value.empty()) return value;
  return {};
}
bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}
json text_part(std::string text) {
  return {{"type", "text"}, {"text", std::move(text)}};
}

// A part of a message's content, whichever API's form it has, as ACP has it.
json block_of(const json& part) {
  if (part.is_string()) return text_part(part.get<std::string>());
  const std::string type = string_in(part, "type");
  if (type == "input_text" || type == "output_text" || type == "text")
    return text_part(string_in(part, "text"));
  std::string url;
  if (type == "image_url" || type == "input_image") {
    const json& image = member(part, "image_url");
    url = image.is_string() ? image.get<std::string>() : string_in(image, "url");
  } else if (type == "image" && member(part, "source").is_object()) {  // Anthropic's
    const json& source = part["source"];
    url = string_in(source, "url");
    if (url.empty())
      return {{"type", "image"},
              {"mimeType", string_in(source, "media_type")},
              {"data", string_in(source, "data")}};
  } else {
    return part;
  }
  constexpr std::string_view kData = "data:", kBase64 = ";base64,";
  const std::size_t comma = url.find(kBase64);
  if (url.starts_with(kData) && comma != std::string::npos)
    return {{"type", "image"},
            {"mimeType", url.substr(kData.size(), comma - kData.size())},
            {"data", url.substr(comma + kBase64.size())}};
  return {{"type", "image"}, {"mimeType", "image/png"}, {"uri", url}};
}

// As the host writes times, or empty.
std::string time_in(const json& message) {
  std::string at = first_in(message, {"timestamp", "created_at"});
  if (at.empty()) at = string_in(member(message, "metadata"), "timestamp");
  if (at.ends_with("+00:00")) at.replace(at.size() - 6, 6, "Z");
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  if (at.size() <= kForm.size() || !at.ends_with('Z')) return {};
  for (std::size_t i = 0; i + 1 < at.size(); ++i) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(at[i])) != 0;
    if (i < kForm.size()    ? kForm[i] == '0' ? !is_digit : at[i] != kForm[i]
           : i == kForm.size() ? at[i] != '.'
                            : !is_digit)
      return {};
  }
  return at;
}

}  // namespace

struct TranscriptReader::State {
  explicit State(TranscriptLimits given) : limits(given) {}

  const TranscriptLimits limits;
  TranscriptEntries said;
  std::vector<std::string>& entries = said.entries;
  std::unordered_map<std::string, std::size_t> open;  // calls that wait for a result
  std::map<std::size_t, std::string> waiting;         // the same, by their place
  bool begun = false;                                 // something but tool results was there
  std::string at;

  // Kept as text: as a tree it would be many times as large.
  void add(const char* type, std::string text, json data = json::object()) {
    json entry = {{"type", type}, {"text", std::move(text)}, {"data", std::move(data)}};
    if (!at.empty()) entry["at"] = at;
    if (!said.too_much.empty()) return;
    if (entries.size() == limits.entries) {
      said.too_much = std::to_string(limits.entries) + " entries";
      return;
    }
    entries.emplace_back();
    put(entries.size() - 1, entry);
  }
  void put(std::size_t place, const json& entry) {
    said.bytes -= entries[place].size();
    entries[place] = dump(entry);
    said.bytes += entries[place].size();
    if (said.bytes > limits.bytes)
      said.too_much = std::to_string(limits.bytes >> 20) + " MiB of what was said";
  }
  void add_text(const char* type, std::string text) {
    if (!is_blank(text)) add(type, std::move(text));
  }

  void call(std::string id, const std::string& name, const json& arguments) {
    if (id.empty()) id = "call-" + std::to_string(entries.size() + 1);
    json data = {{"toolCallId", id}};
    data["title"] = name.empty() ? "tool" : name;
    data["status"] = "pending";
    json input = arguments;
    if (arguments.is_string()) {
      const auto& text = arguments.get_ref<const std::string&>();
      if (json parsed = read<json>(text, kDeepest); !parsed.is_discarded())
        input = std::move(parsed);
      if (is_blank(text)) input = nullptr;
    }
    if (!input.is_null()) data["rawInput"] = std::move(input);
    const std::size_t place = entries.size();
    add("tool_call", {}, std::move(data));
    if (entries.size() == place) return;
    open[id] = place;
    waiting[place] = std::move(id);
  }
  void result(const std::string& id, const std::string& name, const json& content, bool failed) {
    auto found = open.find(id);
    if (id.empty() && found == open.end() && !waiting.empty())
      found = open.find(waiting.begin()->second);
    if (found == open.end()) {
      if (!begun) {
        ++said.dropped;
        return;
      }
      call(id, name, nullptr);
      if (!said.too_much.empty()) return;
      found = open.find(waiting.rbegin()->second);
    }
    const std::size_t place = found->second;
    json entry = json::parse(entries[place]);
    json& data = entry["data"];
    waiting.erase(place);
    open.erase(found);
    json blocks = json::array();
    const auto keep = [&blocks](json block) {
      blocks.push_back({{"type", "content"}, {"content", std::move(block)}});
    };
    if (content.is_array()) {
      for (const json& part : content) keep(block_of(part));
    } else if (!content.is_null()) {
      std::string text = content.is_string() ? content.get<std::string>() : dump(content);
      if (text.starts_with(kFailedTool)) {
        failed = true;
        text.erase(0, kFailedTool.size() + (text.size() > kFailedTool.size() ? 1 : 0));
      }
      if (!text.empty()) keep(text_part(std::move(text)));
    }
    data["status"] = failed ? "failed" : "completed";
    if (!blocks.empty()) data["content"] = std::move(blocks);
    put(place, entry);
  }
  // A block that is a tool's result, in any role's message.
  bool result_block(const json& part) {
    const std::string type = string_in(part, "type");
    const std::string id = first_in(part, {"tool_use_id", "tool_call_id"});
    if (type != "tool_result" && (id.empty() || type == "text")) return false;
    const json& output =
        member(part, "content").is_null() ? member(part, "output") : part["content"];
    result(id, string_in(part, "name"), output, member(part, "is_error") == true);
    return true;
  }

  void user(const json& content) {
    std::string text;
    json blocks = json::array();
    const auto take = [&](const json& part) {
      json block = block_of(part);
      const bool is_text = string_in(block, "type") == "text";
      if (is_text && is_blank(string_in(block, "text"))) return;
      if (is_text && text.empty())
        text = string_in(block, "text");
      else
        blocks.push_back(std::move(block));
    };
    if (content.is_array()) {
      for (const json& part : content)
        if (!result_block(part)) take(part);
    } else if (!content.is_null()) {
      take(content.is_string() ? content : json(dump(content)));
    }
    if (text.empty() && blocks.empty()) return;
    if (said.first.empty()) said.first = text;
    begun = true;
    json data = json::object();
    if (!blocks.empty()) data["blocks"] = std::move(blocks);
    add("user_message", std::move(text), std::move(data));
  }

  void assistant(const json& message) {
    begun = true;
    std::set<std::string> called;
    add_text("thought", first_in(message, {"reasoning_content", "reasoning"}));
    const json& content = member(message, "content");
    if (content.is_string()) add_text("text", content.get<std::string>());
    if (content.is_array()) {
      for (const json& part : content) {
        const std::string type = string_in(part, "type");
        if (type == "thinking" || type == "reasoning") {
          add_text("thought", first_in(part, {"thinking", "text"}));
        } else if (type == "tool_use" || type == "tool_call") {
          called.insert(string_in(part, "id"));
          call(string_in(part, "id"), first_in(part, {"name", "tool"}),
               member(part, member(part, "input").is_null() ? "arguments" : "input"));
        } else if (!result_block(part)) {
          const json block = block_of(part);
          add_text("text", string_in(block, "type") == "text"
                               ? string_in(block, "text")
                               : "[a part of type " + type + " that cannot be shown here]");
        }
      }
    }
    const json& calls = member(message, "tool_calls");
    if (!calls.is_array()) return;
    for (const json& one : calls) {
      const std::string id = string_in(one, "id");
      if (!id.empty() && called.contains(id)) continue;
      const json& function = member(one, "function").is_object() ? one["function"] : one;
      call(id, first_in(function, {"name", "tool"}),
           member(function, member(function, "arguments").is_null() ? "input" : "arguments"));
    }
  }

  void tool(const json& message) {
    const json& content = member(message, "content");
    const std::string id = first_in(message, {"tool_call_id", "tool_use_id"});
    if (id.empty() && content.is_array()) {
      json others = json::array();
      for (const json& part : content)
        if (!result_block(part)) others.push_back(part);
      if (others.size() < content.size() && others.empty()) return;
      return result(id, string_in(message, "name"), others, false);
    }
    result(id, string_in(message, "name"), content, member(message, "is_error") == true);
  }

  // False: it is no message.
  bool take(const json& message) {
    const std::string role = string_in(message, "role");
    if (role == "system" || role == "developer") return true;  // not of the conversation
    if (role != "user" && role != "assistant" && role != "tool") return false;
    ++said.messages;
    at = time_in(message);
    if (role == "user")
      user(member(message, "content"));
    else if (role == "assistant")
      assistant(message);
    else
      tool(message);
    return true;
  }
};

TranscriptReader::TranscriptReader(TranscriptLimits limits)
    : state_(std::make_unique<State>(limits)) {}
TranscriptReader::~TranscriptReader() = default;

bool TranscriptReader::feed(std::string_view piece) {
  while (state_->said.too_much.empty()) {
    const std::size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    if (!overlong_ && rest_.size() + part.size() > state_->limits.line) {
      overlong_ = true;
      rest_ = {};
      ++state_->said.too_long;
    }
    if (!overlong_) rest_ += part;
    if (end == std::string_view::npos) return true;
    if (!overlong_) line(rest_, false);
    overlong_ = false;
    rest_.clear();
    piece.remove_prefix(end + 1);
  }
  return false;
}

void TranscriptReader::line(std::string_view text, bool is_last) {
  if (is_blank(text)) return;
  const json message = read<json>(text, kDeepest);
  if (!message.is_discarded() && state_->take(message)) return;
  ++state_->said.skipped;
  state_->said.torn = is_last && message.is_discarded();
}

TranscriptEntries TranscriptReader::finish() {
  State& state = *state_;
  if (state.said.too_much.empty()) line(rest_, true);
  if (!state.said.too_much.empty()) return std::move(state.said);
  while (!state.waiting.empty() && state.waiting.rbegin()->first + 1 == state.entries.size()) {
    state.waiting.erase(std::prev(state.waiting.end()));
    state.entries.pop_back();
    ++state.said.dropped;
  }
  for (const auto& [place, id] : state.waiting) {
    json entry = json::parse(state.entries[place]);
    entry["data"]["status"] = "failed";
    state.put(place, entry);
  }
  return std::move(state.said);
}

}  // namespace viaduct::bridge
