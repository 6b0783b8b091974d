// The record of calls: one JSON line for each, appended to a file. Any thread.
#pragma once

#include <expected>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace viaduct::mock {

class Calls {
 public:
  Calls() = default;
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;
  ~Calls();

  // Appends to the file at `path` from now on; an empty path: to none.
  std::expected<void, std::string> open(const std::string& path);
  void close();

  using Field = std::pair<std::string_view, std::string_view>;
  // The line is in the file when this returns.
  void add(std::string_view method, std::string_view session_id,
           std::initializer_list<Field> fields);

 private:
  std::mutex mutex_;
  int file_ = -1;
};

}  // namespace viaduct::mock
