// Log lines for the operator, as text or JSON, with known secrets replaced by ***. Any thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace viaduct {

enum class Level { debug = 1, info = 2, warn = 3, error = 4 };

// Replaces secrets in text. Values of fewer than 6 bytes are not kept: they would blank out
// ordinary words. [any-thread]
class Redactor {
 public:
  Redactor();
  ~Redactor();
  void add(std::string_view secret);
  std::string apply(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where lines go. One for the process, passed to whoever makes loggers.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(Level level, std::string_view area, std::string_view message) = 0;
  virtual bool enabled(Level level) const = 0;
};

enum class LogFormat { text, json };
struct LogOptions {
  Level level = Level::info;
  LogFormat format = LogFormat::text;
};
// Writes to standard error, one line each. In JSON, `key=value` pairs of the message become fields
// of their own beside "message".
std::unique_ptr<LogSink> make_log_sink(LogOptions options, const Redactor& redactor);

// One area's logger: log.info("turn finished turn={} ms={}", …). A message is a fixed phrase and
// key=value pairs. Copyable, cheap.
class Logger {
 public:
  Logger(LogSink& sink, std::string area) : sink_(&sink), area_(std::move(area)) {}

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    log(Level::debug, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    log(Level::info, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    log(Level::warn, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    log(Level::error, format, std::forward<Args>(args)...);
  }

  template <class... Args>
  void log(Level level, fmt::format_string<Args...> format, Args&&... args) const {
    if (sink_->enabled(level))
      sink_->write(level, area_, fmt::format(format, std::forward<Args>(args)...));
  }
  LogSink& sink() const { return *sink_; }

 private:
  LogSink* sink_;
  std::string area_;
};

}  // namespace viaduct
