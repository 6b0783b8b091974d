#include <viaduct/chat/guard.hpp>

#include <viaduct/chat/fence.hpp>
#include <viaduct/chat/text.hpp>

#include <algorithm>
#include <optional>

namespace viaduct::chat {
namespace {

bool is_punctuation(char c) {
  const bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return c > ' ' && c < 0x7F && !is_word;
}

std::size_t run_of(std::string_view line, std::size_t begin) {
  return std::min(line.find_first_not_of('`', begin), line.size()) - begin;
}

// A line outside of fences.
class GuardedLine {
 public:
  // `spans_count`: no code span of the lines before may reach into this one.
  GuardedLine(std::string_view line, bool is_whole, bool spans_count, Breaks breaks)
      : line_(line), is_whole_(is_whole), spans_count_(spans_count), breaks_(breaks) {}

  // False: what comes later decides about the rest, which is not appended.
  bool append_to(std::string& out) {
    for (std::size_t i = 0; i < line_.size();) {
      const std::size_t size = line_[i] == '`' ? span_size(i) : 0;
      if (size > 0) {
        out += line_.substr(i, size);
        i += size;
        continue;
      }
      if (line_[i] == '`') {
        const std::size_t run = run_of(line_, i);
        out += line_.substr(i, run);
        i += run;
        has_open_ = true;
        continue;
      }
      if (breaks_(line_, i)) {
        if (has_open_ && !is_whole_ && spans_count_) return false;
        out += kBreak;
      }
      const bool is_escape =
          line_[i] == '\\' && i + 1 < line_.size() && is_punctuation(line_[i + 1]);
      saw_angle_ = saw_angle_ || line_[i] == '<';
      out += line_.substr(i, is_escape ? 2 : 1);
      i += is_escape ? 2 : 1;
    }
    return true;
  }
  // A span that did not end may end in the next line.
  bool has_open() const { return has_open_; }

 private:
  // Bytes of the code span that begins at line_[i]; 0: there is none for certain. Where an address
  // in <…> or a table's cell may end it, it does not count.
  std::size_t span_size(std::size_t i) const {
    if (!spans_count_ || saw_angle_) return 0;
    const std::size_t run = run_of(line_, i);
    for (std::size_t at = i + run; at < line_.size();) {
      if (line_[at] == '|') return 0;
      if (line_[at] != '`') {
        ++at;
        continue;
      }
      const std::size_t other = run_of(line_, at);
      at += other;
      if (other == run) return at == line_.size() && !is_whole_ ? 0 : at - i;
    }
    return 0;
  }

  std::string_view line_;
  bool is_whole_;
  bool spans_count_;
  Breaks breaks_;
  bool saw_angle_ = false;
  bool has_open_ = false;
};

// A list's item that begins with a fence: where that ends is not to be told from its lines alone.
bool begins_item_with_fence(std::string_view line) {
  const std::size_t fence = std::min(line.find("```"), line.find("~~~"));
  if (fence == std::string_view::npos) return false;
  const std::string_view before = line.substr(0, fence);
  return trimmed(before).size() > 0 &&
         before.find_first_not_of(" \t0123456789.)-*+>") == std::string_view::npos;
}

}  // namespace

std::string guarded(std::string_view text, bool ended, Breaks breaks) {
  std::string out;
  out.reserve(text.size() + 16);
  std::optional<Fence> open;
  // In doubt, nothing counts as code.
  bool in_doubt = false;
  bool span_is_open = false;  // of the lines before
  for (std::size_t i = 0; i < text.size();) {
    const Line line = line_at(text, i);
    const bool is_whole = line.has_end || ended;
    i += line.size;
    const std::size_t indent = std::min(line.text.find_first_not_of(' '), line.text.size());
    if (open && !in_doubt) {
      // A fence in a list's item ends with the item.
      in_doubt = indent < open->indent && indent < line.text.size() && !closes(*open, line.text);
      if (!in_doubt) {
        out += text.substr(i - line.size, line.size);
        if (is_whole && closes(*open, line.text)) open.reset();
        continue;
      }
    }
    if (!in_doubt) {
      in_doubt = begins_item_with_fence(line.text);
      if (const auto fence = opened_by(line.text); fence && fence->indent <= 3) open = fence;
    }
    if (indent == line.text.size()) span_is_open = false;
    GuardedLine guarded_line(line.text, is_whole, !in_doubt && !span_is_open, breaks);
    if (!guarded_line.append_to(out)) return out;
    span_is_open = span_is_open || guarded_line.has_open();
    if (line.has_end) out += '\n';
  }
  return out;
}

}  // namespace viaduct::chat
