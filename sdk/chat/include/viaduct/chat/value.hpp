// A look into JSON that somebody else wrote: a field that is missing, or of another type than asked
// for, is empty. Cheap to copy; what it looks at lives as long as any copy. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viaduct::chat {

class Value {
 public:
  Value() = default;  // nothing
  // Nothing, if the text is no JSON, or is nested without end. Half a surrogate pair, which is left
  // where a text was cut, becomes U+FFFD and spoils nothing else.
  static Value parsed(std::string_view json);

  Value at(std::string_view name) const;
  std::vector<Value> items() const;                            // of a list
  std::vector<std::pair<std::string, Value>> members() const;  // of an object

  std::string text() const;
  std::string text(std::string_view name) const { return at(name).text(); }
  std::uint64_t number() const;  // whole and not negative, else 0
  std::uint64_t number(std::string_view name) const { return at(name).number(); }
  bool yes(std::string_view name) const;
  std::string json() const;  // of it; empty: nothing
  bool is_object() const;
  bool is_list() const;

 private:
  Value(std::shared_ptr<const void> document, const void* node)
      : document_(std::move(document)), node_(node) {}
  std::shared_ptr<const void> document_;
  const void* node_ = nullptr;  // inside of it
};

}  // namespace viaduct::chat
