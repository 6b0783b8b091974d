// A small JSON value, so that the fake host and the tests of a plugin need no library. Not fast.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace viaduct::testing {

class Json {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };
  using Array = std::vector<Json>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(const char* text) : type_(Type::kString), text_(text) {}
  Json(std::string_view text) : type_(Type::kString), text_(text) {}
  Json(std::string text) : type_(Type::kString), text_(std::move(text)) {}
  template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Json(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      type_ = Type::kBool;
      bool_ = value;
    } else if constexpr (std::is_integral_v<T>) {
      type_ = Type::kNumber;
      text_ = std::to_string(value);
    } else {
      set_double(static_cast<double>(value));
    }
  }
  static Json array(Array items = {});
  static Json object(std::initializer_list<std::pair<std::string, Json>> members = {});

  // Strict RFC 8259, UTF-8 checked, at most 256 levels deep.
  static std::optional<Json> parse(std::string_view text);
  std::string dump() const;

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_number() const { return type_ == Type::kNumber; }
  bool is_integer() const;
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }

  // The value, or a zero of the type when it is another.
  bool as_bool() const { return is_bool() && bool_; }
  std::int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  // Of an array, or the values of an object; `keys` are theirs, in the order of the text.
  const Array& items() const { return array_; }
  const std::vector<std::string>& keys() const { return keys_; }

  // A member, or null when there is none.
  const Json& operator[](std::string_view key) const;
  const Json& operator[](std::size_t index) const;
  bool contains(std::string_view key) const;
  std::size_t size() const { return array_.size(); }
  void set(std::string_view key, Json value);
  void push_back(Json value);

 private:
  friend class JsonParser;
  void set_double(double value);
  void dump_to(std::string& out) const;

  Type type_ = Type::kNull;
  bool bool_ = false;
  std::string text_;  // of a string, or the digits of a number
  Array array_;
  std::vector<std::string> keys_;
};

bool is_utf8(std::string_view text);

}  // namespace viaduct::testing
