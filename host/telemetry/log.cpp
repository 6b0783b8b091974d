#include "host/telemetry/log.hpp"

#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

namespace viaduct {

namespace {

constexpr std::size_t kLongestMessage = 16 << 10;
constexpr int kPatience = 100;        // milliseconds that a line waits for a reader of the log
constexpr std::size_t kPiece = 4096;  // PIPE_BUF: what poll() promises to take without blocking

std::string_view level_name(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "error";
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

// One code point of UTF-8 at the front of `text`, and its length; length 0 where it is not UTF-8.
std::pair<char32_t, std::size_t> decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {0, 0};
  char32_t code = lead & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    code = (code << 6) | (byte(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {0, 0};
  return {code, size};
}

// What could end a line, steer a terminal, or turn the reading direction around.
bool is_unsafe(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
         (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

void append_escaped(std::string& out, std::string_view text, bool json) {
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, size] = decode(text.substr(at));
    if (size == 0) {
      if (json)
        out += "\\ufffd";
      else
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[at]));
      ++at;
      continue;
    }
    if (code == '\n')
      out += "\\n";
    else if (code == '\r')
      out += "\\r";
    else if (code == '\t')
      out += "\\t";
    else if (is_unsafe(code))
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(code));
    else if (json && (code == '"' || code == '\\'))
      (out += '\\') += static_cast<char>(code);
    else
      out += text.substr(at, size);
    at += size;
  }
}

struct Field {
  std::string key;
  std::string value;
};

bool is_key_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The length of "key=" at `at`, which begins a word; 0 if there is none.
std::size_t key_length(std::string_view text, std::size_t at) {
  if (at > 0 && text[at - 1] != ' ') return 0;
  std::size_t end = at;
  while (end < text.size() && is_key_byte(text[end])) ++end;
  if (end == at || (text[at] >= '0' && text[at] <= '9')) return 0;
  return end < text.size() && text[end] == '=' ? end + 1 - at : 0;
}

// "fixed phrase key=value key="two words" key=also two words" → the phrase and its fields.
std::string_view split(std::string_view message, std::vector<Field>& fields) {
  std::size_t at = 0;
  while (at < message.size() && key_length(message, at) == 0) ++at;
  std::string_view phrase = message.substr(0, at);
  while (phrase.ends_with(' ')) phrase.remove_suffix(1);
  while (at < message.size()) {
    const std::size_t length = key_length(message, at);
    Field field{std::string(message.substr(at, length - 1)), {}};
    at += length;
    bool closed = false;
    if (at < message.size() && message[at] == '"') {
      std::size_t i = at + 1;
      for (; i < message.size() && message[i] != '"'; ++i) {
        if (message[i] == '\\' && i + 1 < message.size()) ++i;
        field.value += message[i];
      }
      const std::size_t next = i + 1;
      closed = next == message.size() ||
               (next < message.size() && message[next] == ' ' && key_length(message, next + 1) > 0);
      if (closed) at = next + 1;
    }
    if (!closed) {  // to the next key
      std::size_t end = at;
      while (end < message.size() && key_length(message, end) == 0) ++end;
      std::string_view value = message.substr(at, end - at);
      while (value.ends_with(' ')) value.remove_suffix(1);
      field.value = value;
      at = end;
    }
    fields.push_back(std::move(field));
  }
  return phrase;
}

// Ids stay text even when one happens to have digits only.
bool is_number(const Field& field) {
  if (field.key == "request" || field.key == "session" || field.key == "turn" ||
      field.key == "user" || field.key == "id" || field.key.ends_with("_id"))
    return false;
  std::string_view text = field.value;
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text.size() > 15) return false;
  if (text.size() > 1 && text[0] == '0' && text[1] != '.') return false;
  const auto dot = text.find('.');
  if (dot == 0 || dot == text.size() - 1) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '.' || (c >= '0' && c <= '9'); }) &&
         std::count(text.begin(), text.end(), '.') <= 1;
}

// The rest of a JSON line, after time and level.
std::string json_payload(std::string_view area, std::string_view message) {
  std::vector<Field> fields;
  const std::string_view phrase = split(message, fields);
  std::string out = "\"area\":\"";
  append_escaped(out, area, true);
  out += "\",\"message\":\"";
  append_escaped(out, phrase, true);
  out += '"';
  std::vector<std::string> seen{"time", "level", "area", "message"};
  for (const Field& field : fields) {
    std::string key = field.key;
    while (std::find(seen.begin(), seen.end(), key) != seen.end()) key += '_';
    seen.push_back(key);
    out += ",\"" + key + "\":";
    if (is_number(field)) {
      out += field.value;
    } else {
      out += '"';
      append_escaped(out, field.value, true);
      out += '"';
    }
  }
  return out;
}

// What follows the time of a line.
std::string payload(LogFormat format, Level level, std::string_view area, std::string_view text) {
  if (format == LogFormat::json)
    return fmt::format("\"level\":\"{}\",{}", level_name(level), json_payload(area, text));
  std::string line = fmt::format("{:<5} ", level_name(level));
  append_escaped(line, area, false);
  line += ": ";
  append_escaped(line, text, false);
  return line;
}

// Standard error, but never for long: when nobody reads it, lines are dropped and counted.
class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit StandardError(LogFormat format) : format_(format) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (dropped_ > 0 && !rest_of_line_) {
      const std::string text =
          payload(format_, Level::warn, "log", fmt::format("lines dropped count={}", dropped_));
      spdlog::details::log_msg note = message;
      note.payload = spdlog::string_view_t(text.data(), text.size());
      spdlog::memory_buf_t note_line;
      formatter_->format(note, note_line);
      if (!write({note_line.data(), note_line.size()})) {
        ++dropped_;
        return;
      }
      dropped_ = 0;
    }
    if (!write({line.data(), line.size()})) ++dropped_;
  }
  void flush_() override {}

 private:
  bool write(std::string_view text) {
    if (rest_of_line_) {  // the end of the line that was cut
      if (!put("\n")) return false;
      rest_of_line_ = false;
    }
    const std::size_t size = text.size();
    while (!text.empty()) {
      const std::size_t written = put(text.substr(0, kPiece));
      if (written == 0) {
        rest_of_line_ = text.size() < size;
        return false;
      }
      text.remove_prefix(written);
    }
    return true;
  }

  // How much was taken; 0: nobody reads.
  std::size_t put(std::string_view piece) {
    for (;;) {
      pollfd ready{STDERR_FILENO, POLLOUT, 0};
      const int polled = ::poll(&ready, 1, stalled_ ? 0 : kPatience);
      if (polled < 0 && errno == EINTR) continue;
      stalled_ = polled == 0;
      if (polled <= 0) return 0;
      const ssize_t written = ::write(STDERR_FILENO, piece.data(), piece.size());
      if (written < 0 && errno == EINTR) continue;
      return written > 0 ? static_cast<std::size_t>(written) : 0;
    }
  }

  LogFormat format_;
  std::size_t dropped_ = 0;
  bool rest_of_line_ = false;
  bool stalled_ = false;
};

class SpdlogSink final : public LogSink {
 public:
  SpdlogSink(LogOptions options, const Redactor& redactor)
      : options_(options),
        redactor_(redactor),
        logger_("viaduct", std::make_shared<StandardError>(options.format)) {
    logger_.set_level(to_spdlog(options.level));
    const char* pattern = options.format == LogFormat::json
                              ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})"
                              : "%Y-%m-%dT%H:%M:%S.%eZ %v";
    logger_.set_formatter(
        std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  }

  void write(Level level, std::string_view area, std::string_view message) override {
    if (!enabled(level)) return;
    std::string text = redactor_.apply(message);
    if (text.size() > kLongestMessage) {  // after redaction: half a secret is not recognised
      const std::size_t cut = text.size() - kLongestMessage;
      text.resize(kLongestMessage);
      fmt::format_to(std::back_inserter(text), "… ({} bytes more)", cut);
    }
    const std::string line = payload(options_.format, level, area, text);
    logger_.log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
  }

  bool enabled(Level level) const override { return level >= options_.level; }

 private:
  LogOptions options_;
  const Redactor& redactor_;
  spdlog::logger logger_;
};

}  // namespace

std::unique_ptr<LogSink> make_log_sink(LogOptions options, const Redactor& redactor) {
  return std::make_unique<SpdlogSink>(options, redactor);
}

}  // namespace viaduct
