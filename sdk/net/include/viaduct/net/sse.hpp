// Server-sent events, as the WHATWG's HTML standard has them (section 9.2). A pure class: bytes in,
// events out, however the bytes are cut. Any thread, one at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::net {

struct SseEvent {
  std::string type = "message";
  std::string data;  // without the last line's end
  std::string id;    // the last that the stream named, maybe in an earlier event
};

class SseParser {
 public:
  // `max_event`: bytes of one event's data, and of one line.
  explicit SseParser(std::size_t max_event = 16 << 20) : max_event_(max_event) {}

  // Calls `event` for each that is complete. False: one is too long, and nothing is read any more.
  // What is incomplete when the stream ends is, as the standard says, no event.
  bool feed(std::string_view bytes, const std::function<void(SseEvent)>& event);

  const std::string& last_event_id() const { return last_id_; }
  // What the server wants a client to wait before it reconnects.
  std::optional<std::chrono::milliseconds> retry() const { return retry_; }

 private:
  bool line(std::string_view text, const std::function<void(SseEvent)>& event);

  const std::size_t max_event_;
  std::string partial_;  // of a line
  bool skip_newline_ = false;
  bool at_start_ = true;
  bool broken_ = false;
  std::string type_, data_, last_id_;
  std::optional<std::chrono::milliseconds> retry_;
};

}  // namespace viaduct::net
