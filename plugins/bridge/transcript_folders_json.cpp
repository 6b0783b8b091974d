#include "plugins/bridge/messages.hpp"
#include "plugins/bridge/transcript_folders.hpp"

#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using nlohmann::json;

constexpr int kDeepest = 100;  // writing JSON recurses
constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kLongestTitle = 120;
constexpr std::string_view kFailed = "[failed]";
constexpr std::string_view kInterrupted = "The turn ended before this tool answered.";

// Discarded: it is no JSON, or nested as nothing sane is.
json parse(std::string_view text) {
  bool too_deep = false;
  json value = json::parse(
      text,
      [&](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > kDeepest;
        return !too_deep;
      },
      false);
  return too_deep ? json(json::value_t::discarded) : value;
}
std::string dump(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}
const json& member(const json& object, const char* name) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}
std::string string_in(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}
// The first of these that is not empty.
std::string string_in(const json& object, std::initializer_list<const char*> names) {
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

// ------------------------------------------------------------------------------ to lines

std::string tool_output(const json& data) {
  std::string output;
  for (const json& one : member(data, "content")) {
    const json& block = member(one, "content");
    std::string words = string_in(block, "text");
    if (words.empty() && string_in(block, "type") == "image") words = "[image]";
    if (string_in(one, "type") == "diff") words = "changed " + string_in(one, "path");
    if (!words.empty()) output.append(output.empty() ? "" : "\n").append(words);
  }
  const json& raw = member(data, "rawOutput");
  if (output.empty() && !raw.is_null())
    output = raw.is_string() ? raw.get<std::string>() : dump(raw);
  const std::string status = string_in(data, "status");
  if (status == "completed") return output;
  if (status != "failed") output.append(output.empty() ? "" : "\n").append(kInterrupted);
  return std::string(kFailed) + (output.empty() ? "" : "\n") + output;
}

// Messages in OpenAI's form: what an assistant said and called until the next text is one message,
// and the results of the calls follow it.
class Lines {
 public:
  void user(const std::string& text, const json& data) {
    flush();
    json parts = json::array();
    if (!is_blank(text)) parts.push_back(text_part(text));
    const json& context = member(data, "context");
    const json& blocks = member(data, "blocks");
    for (const Part& part : user_message({}, {}, context.is_array() ? dump(context) : "", {}).parts)
      parts.push_back(text_part(part.text));
    for (const Part& part : user_message({}, blocks.is_array() ? dump(blocks) : "", {}, {}).parts) {
      if (!part.is_image()) {
        parts.push_back(text_part(part.text));
        continue;
      }
      const std::string url =
          part.url.empty() ? "data:" + part.mime_type + ";base64," + part.data : part.url;
      parts.push_back({{"type", "image_url"}, {"image_url", {{"url", url}}}});
    }
    if (parts.empty()) return;
    const bool is_text = parts.size() == 1 && !is_blank(text);
    add({{"role", "user"}, {"content", is_text ? json(text) : std::move(parts)}});
  }
  void text(std::string_view text) {
    if (is_blank(text)) return;
    if (!calls_.empty()) flush();
    text_.append(text_.empty() ? "" : "\n\n").append(text);
  }
  void tool(const json& data) {
    std::string id = string_in(data, "toolCallId");
    std::string name = string_in(data, "title");
    const json& input = member(data, "rawInput");
    if (name.empty()) name = "tool";
    calls_.push_back(
        {{"id", id},
         {"type", "function"},
         {"function",
          {{"name", std::move(name)}, {"arguments", input.is_null() ? "{}" : dump(input)}}}});
    results_.push_back(
        {{"role", "tool"}, {"tool_call_id", std::move(id)}, {"content", tool_output(data)}});
  }
  void flush() {
    if (text_.empty() && calls_.empty()) return;
    json message = {{"role", "assistant"}, {"content", nullptr}};
    if (!text_.empty()) message["content"] = std::exchange(text_, {});
    if (!calls_.empty()) message["tool_calls"] = std::exchange(calls_, json::array());
    add(message);
    for (const json& result : std::exchange(results_, {})) add(result);
  }
  std::string take() {
    flush();
    return std::move(lines_);
  }

 private:
  void add(const json& message) { lines_.append(dump(message)).append("\n"); }

  std::string text_, lines_;
  json calls_ = json::array();
  std::vector<json> results_;
};

// ---------------------------------------------------------------------------- to entries

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
  std::string at = string_in(message, {"timestamp", "created_at"});
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

std::string path_in(const json& object) {
  const std::string path = string_in(object, "working_dir");
  if (!path.starts_with('/') || path.size() > kLongestPath || path.find('\0') != std::string::npos)
    return {};
  return std::filesystem::path(path).lexically_normal().string();
}

}  // namespace

// ------------------------------------------------------------------------------ TurnRecord

bool TurnRecord::fits(std::size_t size) {
  full_ = full_ || size_ + size > most_;
  if (!full_) size_ += size;
  return !full_;
}

void TurnRecord::user(std::string_view text, std::string_view blocks_json,
                      std::string_view context_json) {
  if (!fits(text.size() + blocks_json.size() + context_json.size())) return;
  json data = json::object();
  const auto keep = [&data](const char* name, std::string_view given) {
    if (json value = parse(given); value.is_array()) data[name] = std::move(value);
  };
  keep("blocks", blocks_json);
  keep("context", context_json);
  pieces_.push_back({Piece::Kind::kUser, std::string(text), dump(data)});
}

void TurnRecord::text(std::string_view piece) {
  if (piece.empty() || !fits(piece.size())) return;
  if (pieces_.empty() || pieces_.back().kind != Piece::Kind::kText)
    pieces_.push_back({Piece::Kind::kText, {}, {}});
  pieces_.back().text += piece;
}

void TurnRecord::tool_call(std::string_view id, std::string_view text) {
  json update = parse(text);
  if (!update.is_object() || !fits(text.size())) return;
  for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
    if (piece->kind != Piece::Kind::kTool || piece->text != id) continue;
    json merged = parse(piece->json);
    merged.update(update);
    piece->json = dump(merged);
    return;
  }
  update["toolCallId"] = id;
  pieces_.push_back({Piece::Kind::kTool, std::string(id), dump(update)});
}

std::string TurnRecord::lines() const {
  Lines lines;
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Piece::Kind::kUser: lines.user(piece.text, parse(piece.json)); break;
      case Piece::Kind::kText: lines.text(piece.text); break;
      case Piece::Kind::kTool: lines.tool(parse(piece.json)); break;
    }
  }
  if (full_) lines.text("[The rest of this turn is too long for a transcript.]");
  return lines.take();
}

FolderResult<std::string> lines_of(std::string_view entries_json) {
  const json entries = entries_json.empty() ? json::array() : parse(entries_json);
  if (!entries.is_array())
    return std::unexpected(
        FolderError{FolderError::Kind::kRefused, "the transcript is no JSON array"});
  Lines lines;
  for (const json& entry : entries) {
    const std::string type = string_in(entry, "type");
    if (type == "user_message")
      lines.user(string_in(entry, "text"), member(entry, "data"));
    else if (type == "text")
      lines.text(string_in(entry, "text"));
    else if (type == "tool_call")
      lines.tool(member(entry, "data"));
    else if (type == "turn_end")
      lines.flush();
  }
  return lines.take();
}

// ------------------------------------------------------------------------ TranscriptReader

struct TranscriptReader::State {
  TranscriptEntries said;
  std::vector<json> entries;
  std::unordered_map<std::string, std::size_t> open;  // calls that wait for a result
  std::set<std::size_t> waiting;                      // the same, by their place
  bool begun = false;                                 // something but tool results was there
  std::string at;

  json& add(const char* type, std::string text) {
    json entry = {{"type", type}, {"text", std::move(text)}, {"data", json::object()}};
    if (!at.empty()) entry["at"] = at;
    return entries.emplace_back(std::move(entry));
  }
  void add_text(const char* type, std::string text) {
    if (!is_blank(text)) add(type, std::move(text));
  }

  void call(std::string id, const std::string& name, const json& arguments) {
    if (id.empty()) id = "call-" + std::to_string(entries.size() + 1);
    open[id] = entries.size();
    waiting.insert(entries.size());
    json& data = add("tool_call", {})["data"];
    data["toolCallId"] = std::move(id);
    data["title"] = name.empty() ? "tool" : name;
    data["status"] = "pending";
    json input = arguments;
    if (arguments.is_string()) {
      const auto& text = arguments.get_ref<const std::string&>();
      if (json parsed = parse(text); !parsed.is_discarded()) input = std::move(parsed);
      if (is_blank(text)) input = nullptr;
    }
    if (!input.is_null()) data["rawInput"] = std::move(input);
  }
  void result(const std::string& id, const std::string& name, const json& content, bool failed) {
    auto found = open.find(id);
    if (id.empty() && found == open.end() && !waiting.empty())
      found = open.find(entries[*waiting.begin()]["data"]["toolCallId"].get<std::string>());
    if (found == open.end()) {
      if (!begun) {
        ++said.dropped;
        return;
      }
      call(id, name, nullptr);
      found = open.find(entries.back()["data"]["toolCallId"].get<std::string>());
    }
    json& data = entries[found->second]["data"];
    waiting.erase(found->second);
    open.erase(found);
    json blocks = json::array();
    const auto keep = [&blocks](json block) {
      blocks.push_back({{"type", "content"}, {"content", std::move(block)}});
    };
    if (content.is_array()) {
      for (const json& part : content) keep(block_of(part));
    } else if (!content.is_null()) {
      std::string text = content.is_string() ? content.get<std::string>() : dump(content);
      if (text.starts_with(kFailed)) {
        failed = true;
        text.erase(0, kFailed.size() + (text.size() > kFailed.size() ? 1 : 0));
      }
      if (!text.empty()) keep(text_part(std::move(text)));
    }
    data["status"] = failed ? "failed" : "completed";
    if (!blocks.empty()) data["content"] = std::move(blocks);
  }
  // A block that is a tool's result, in any role's message.
  bool result_block(const json& part) {
    const std::string type = string_in(part, "type");
    const std::string id = string_in(part, {"tool_use_id", "tool_call_id"});
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
    json& entry = add("user_message", std::move(text));
    if (!blocks.empty()) entry["data"]["blocks"] = std::move(blocks);
  }

  void assistant(const json& message) {
    begun = true;
    std::set<std::string> called;
    add_text("thought", string_in(message, {"reasoning_content", "reasoning"}));
    const json& content = member(message, "content");
    if (content.is_string()) add_text("text", content.get<std::string>());
    if (content.is_array()) {
      for (const json& part : content) {
        const std::string type = string_in(part, "type");
        if (type == "thinking" || type == "reasoning") {
          add_text("thought", string_in(part, {"thinking", "text"}));
        } else if (type == "tool_use" || type == "tool_call") {
          called.insert(string_in(part, "id"));
          call(string_in(part, "id"), string_in(part, {"name", "tool"}),
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
      call(id, string_in(function, {"name", "tool"}),
           member(function, member(function, "arguments").is_null() ? "input" : "arguments"));
    }
  }

  void tool(const json& message) {
    const json& content = member(message, "content");
    const std::string id = string_in(message, {"tool_call_id", "tool_use_id"});
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

TranscriptReader::TranscriptReader(std::size_t longest_line)
    : longest_(longest_line), state_(std::make_unique<State>()) {}
TranscriptReader::~TranscriptReader() = default;

void TranscriptReader::feed(std::string_view piece) {
  for (;;) {
    const std::size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    if (!overlong_ && rest_.size() + part.size() > longest_) {
      overlong_ = true;
      rest_ = {};
      ++state_->said.too_long;
    }
    if (!overlong_) rest_ += part;
    if (end == std::string_view::npos) return;
    if (!overlong_) line(rest_, false);
    overlong_ = false;
    rest_.clear();
    piece.remove_prefix(end + 1);
  }
}

void TranscriptReader::line(std::string_view text, bool is_last) {
  if (is_blank(text)) return;
  const json message = parse(text);
  if (!message.is_discarded() && state_->take(message)) return;
  ++state_->said.skipped;
  state_->said.torn = is_last && message.is_discarded();
}

TranscriptEntries TranscriptReader::finish() {
  line(rest_, true);
  State& state = *state_;
  while (!state.waiting.empty() && *state.waiting.rbegin() + 1 == state.entries.size()) {
    state.waiting.erase(std::prev(state.waiting.end()));
    state.entries.pop_back();
    ++state.said.dropped;
  }
  for (const std::size_t place : state.waiting) state.entries[place]["data"]["status"] = "failed";
  for (const json& entry : state.entries) state.said.entries.push_back(dump(entry));
  return std::move(state.said);
}

// ------------------------------------------------------------------------ the other files

FolderFacts parse_facts(std::string_view info_json, std::string_view metadata_json) {
  const json info = parse(info_json);
  const json metadata = parse(metadata_json);
  FolderFacts facts;
  facts.working_dir = path_in(info);
  if (facts.working_dir.empty()) facts.working_dir = path_in(metadata);
  facts.title = net::one_line(string_in(metadata, {"name", "description"}), kLongestTitle);
  facts.session_id = string_in(metadata, "viaduct_session");
  facts.agent_type = string_in(metadata, "agent_type");
  facts.native_id = string_in(metadata, "native_id");
  facts.is_sub_session = !string_in(metadata, "parent_id").empty();
  return facts;
}

std::string session_info_json(std::string_view working_dir, std::string_view now) {
  return dump({{"working_dir", working_dir}, {"created_at", now}}, 2) + "\n";
}

std::string metadata_json(std::string_view old, const FolderSession& session,
                          std::string_view working_dir, std::string_view now,
                          std::string_view lines, bool are_all) {
  json metadata = parse(old);
  if (!metadata.is_object()) metadata = json::object();
  std::int64_t turns = 0;
  if (const json& count = member(metadata, "turn_count"); !are_all && count.is_number_integer())
    turns = count.get<std::int64_t>();
  TranscriptReader reader;
  reader.feed(lines);
  const TranscriptEntries said = reader.finish();
  for (const std::string& entry : said.entries)
    turns += string_in(parse(entry), "type") == "user_message" ? 1 : 0;
  metadata["session_id"] = folder_id(session.session_id);
  if (string_in(metadata, "created").empty()) metadata["created"] = now;
  metadata["working_dir"] = working_dir;
  if (string_in(metadata, "description").empty() && !said.first.empty())
    metadata["description"] = net::one_line(said.first, kLongestTitle);
  metadata["turn_count"] = turns;
  metadata["last_updated"] = now;
  metadata["agent_type"] = session.agent_type;
  if (!session.native_id.empty()) metadata["native_id"] = session.native_id;
  metadata["viaduct_session"] = session.session_id;
  return dump(metadata, 2) + "\n";
}

}  // namespace viaduct::bridge
