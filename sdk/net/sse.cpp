#include "viaduct/net/sse.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace viaduct::net {

bool SseParser::feed(std::string_view bytes, const std::function<void(SseEvent)>& event) {
  while (!broken_ && !bytes.empty()) {
    if (std::exchange(skip_newline_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > max_event_) {
      broken_ = true;
      break;
    }
    if (end == bytes.npos) {
      partial_ += piece;
      break;
    }
    skip_newline_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (partial_.empty()) {
      broken_ = !line(piece, event);
    } else {
      partial_ += piece;
      broken_ = !line(std::exchange(partial_, {}), event);
    }
  }
  return !broken_;
}

bool SseParser::line(std::string_view text, const std::function<void(SseEvent)>& event) {
  if (std::exchange(at_start_, false) && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.empty()) {
    std::string type = std::exchange(type_, {});
    std::string data = std::exchange(data_, {});
    if (data.empty()) return true;
    data.pop_back();  // the last line's end
    event(SseEvent{type.empty() ? "message" : std::move(type), std::move(data), last_id_});
    return true;
  }
  const std::size_t colon = text.find(':');
  const std::string_view field = text.substr(0, colon);  // empty: a comment
  std::string_view value = colon == text.npos ? std::string_view() : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (data_.size() + value.size() + 1 > max_event_) return false;
    data_ += value;
    data_ += '\n';
  } else if (field == "event") {
    type_ = value;
  } else if (field == "id") {
    if (value.find('\0') == value.npos) last_id_ = value;
  } else if (field == "retry") {
    const bool digits = !value.empty() && std::all_of(value.begin(), value.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
    std::int64_t number = 0;
    if (digits &&
        std::from_chars(value.data(), value.data() + value.size(), number).ec == std::errc())
      retry_ = std::chrono::milliseconds(number);
  }
  return true;
}

}  // namespace viaduct::net
