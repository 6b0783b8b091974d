// Reads a plugin's configuration, which the host passes to `create` as JSON: typed fields by name,
// and a complaint about all others. Plain values; any thread.
//
// What is wrong is said with the field's name and what it may hold, never with what it holds: a key
// may have got into the wrong field. Inside, the first thing that is wrong is thrown; read_config()
// makes a value of it, so that no exception leaves the plugin's reader.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::net {

inline constexpr std::chrono::milliseconds kYear = std::chrono::hours(24 * 365);

// "500ms", "3s", "30m", "24h", "7d"; nullopt: none of these, or longer than `most`.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text,
                                                        std::chrono::milliseconds most = kYear);
// "512B", "64KiB", "1MB", "1GiB"; nullopt: none of these, or more than `most`.
std::optional<std::size_t> parse_size(std::string_view text, std::size_t most);

// "must be one of low, high", and which of them `given` comes near to.
std::string must_be_one_of(std::string_view given, const std::vector<std::string>& known);

// "retry.attempts: must be …"
struct BadConfig {
  std::string what;
};

// One object of a configuration. Everything of it is its own copy. A field that is null counts as
// not given. Each reading function throws BadConfig where the field holds something else.
class Fields {
 public:
  // `where`: the path of this object, for the messages; empty: the whole configuration.
  explicit Fields(std::string_view json, std::string where = "");
  ~Fields();
  Fields(Fields&&) noexcept;
  Fields& operator=(Fields&&) noexcept;

  [[noreturn]] void fail(const std::string& name, const std::string& what) const;
  std::string path(const std::string& name) const;  // "resume.attempts"

  // Every name that is asked for is known to finish().
  bool has(const std::string& name);
  bool is_text(const std::string& name);

  std::string text(const std::string& name, std::string otherwise = "");   // without zero bytes
  std::string named(const std::string& name, std::string otherwise = "");  // not empty if given
  std::string required(const std::string& name);                           // given, and not empty
  std::string one_of(const std::string& name, const std::vector<std::string>& known,
                     std::string otherwise);
  std::optional<std::int64_t> integer(const std::string& name, std::int64_t least,
                                      std::int64_t most);
  std::uint32_t count(const std::string& name, std::uint32_t most);  // 1 to most; 0: not given
  std::optional<double> number(const std::string& name, double least, double most);
  bool flag(const std::string& name, bool otherwise);
  std::chrono::milliseconds duration(const std::string& name, std::chrono::milliseconds otherwise,
                                     std::chrono::milliseconds most = kYear);
  // As duration(), of something that must take its time.
  std::chrono::milliseconds wait(const std::string& name, std::chrono::milliseconds otherwise,
                                 std::chrono::milliseconds most = kYear);
  std::size_t size(const std::string& name, std::size_t otherwise, std::size_t least,
                   std::size_t most);
  std::vector<std::string> texts(const std::string& name);
  // Names, which are neither empty nor contain "=", and texts.
  std::vector<std::pair<std::string, std::string>> map(const std::string& name);
  std::optional<Fields> object(const std::string& name);
  std::vector<Fields> objects(const std::string& name);  // a list of such
  // For what the plugin reads by itself: an object, and each item of a list, as JSON; empty: not
  // given.
  std::string object_json(const std::string& name);
  std::vector<std::string> items_json(const std::string& name);

  // Throws if there is a field that nobody has asked for.
  void finish() const;

 private:
  struct Object;
  std::unique_ptr<Object> object_;
};

// parse(Fields&) → Config, then finish(); what is wrong, in words.
template <class Parse>
auto read_config(std::string_view json, Parse parse)
    -> std::expected<decltype(parse(std::declval<Fields&>())), std::string> {
  try {
    Fields fields(json);
    auto config = parse(fields);
    fields.finish();
    return config;
  } catch (const BadConfig& bad) {
    return std::unexpected(bad.what);
  }
}

}  // namespace viaduct::net
