// What was said, as the lines of a transcript: messages in OpenAI's form.
#include "plugins/bridge/look_up.hpp"
#include "plugins/bridge/messages.hpp"
#include "plugins/bridge/transcript_lines.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kInterrupted = "The turn ended before this tool answered.";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}
json text_part(std::string text) {
  return {{"type", "text"}, {"text", std::move(text)}};
}

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
  return std::string(kFailedTool) + (output.empty() ? "" : "\n") + output;
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

}  // namespace

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
    if (json value = read<json>(given); value.is_array()) data[name] = std::move(value);
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
  json update = read<json>(text);
  if (!update.is_object() || !fits(text.size())) return;
  for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
    if (piece->kind != Piece::Kind::kTool || piece->text != id) continue;
    json merged = read<json>(piece->json);
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
      case Piece::Kind::kUser: lines.user(piece.text, read<json>(piece.json)); break;
      case Piece::Kind::kText: lines.text(piece.text); break;
      case Piece::Kind::kTool: lines.tool(read<json>(piece.json)); break;
    }
  }
  if (full_) lines.text("[The rest of this turn is too long for a transcript.]");
  return lines.take();
}

FolderResult<std::string> lines_of(std::string_view entries_json) {
  const auto refused = [] {
    return std::unexpected(
        FolderError{FolderError::Kind::kRefused, "the transcript is no JSON array"});
  };
  if (entries_json.empty()) return std::string();
  if (net::too_complex(entries_json, SIZE_MAX)) return refused();
  Lines lines;
  const auto add = [&lines](const json& entry) {
    const std::string type = string_in(entry, "type");
    if (type == "user_message")
      lines.user(string_in(entry, "text"), member(entry, "data"));
    else if (type == "text")
      lines.text(string_in(entry, "text"));
    else if (type == "tool_call")
      lines.tool(member(entry, "data"));
    else if (type == "turn_end")
      lines.flush();
  };
  // One after the other, so that a long log is never there as JSON.
  const auto entries = json::parse(
      entries_json,
      [&add](int depth, json::parse_event_t event, json& value) {
        if (depth != 1 || event != json::parse_event_t::object_end) return true;
        add(value);
        return false;
      },
      false);
  if (!entries.is_array()) return refused();
  return lines.take();
}

LineCount count_lines(std::string_view text) {
  LineCount count;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    ++count.all;
    if (line.find(R"("role":"user")") != std::string_view::npos) count.users.push_back(line);
    text.remove_prefix(end + 1);
  }
  return count;
}

}  // namespace viaduct::bridge
