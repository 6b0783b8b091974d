// Between the C data of the ABI and the host's own. Text of a plugin is never trusted to be UTF-8.
// Any thread.
#pragma once

#include "host/error.hpp"

#include <viaduct/abi.h>

#include <cstddef>
#include <string>
#include <string_view>

// The size of `type` up to and with `member`: what a reader may count on when struct_size says so.
#define VIADUCT_SIZE_WITH(type, member) (offsetof(type, member) + sizeof(type::member))

namespace viaduct::plugins {

inline std::string_view view(viaduct_str text) {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}
inline viaduct_str str(std::string_view text) {
  return {text.data(), text.size()};
}

bool valid_utf8(std::string_view text);
// The text with every invalid sequence replaced by U+FFFD.
std::string repaired_utf8(std::string_view text);

// What a status of a plugin says: nullopt-like success, or the error with a repaired message. A
// null or short status and an unknown code are errors.
Result<> from_abi(const viaduct_status* status);

// Says by its name, which function of the plugin an exception left, and with which text. Only while
// it is being handled.
Error exception_error(std::string_view function);

// A function of the plugin by a type without noexcept: the contract forbids it to throw, but what
// it throws all the same has to get to where it is caught.
template <class R, class... A>
auto may_throw(R (*function)(A...) noexcept) -> R (*)(A...) {
  return function;
}

// An error as the ABI wants it; borrows `error`.
inline viaduct_status to_abi(const Error& error) {
  return {.struct_size = sizeof(viaduct_status),
          .code = static_cast<viaduct_code>(error.code),
          .message = str(error.message)};
}
inline viaduct_status ok_status() {
  return {.struct_size = sizeof(viaduct_status), .code = VIADUCT_OK, .message = {nullptr, 0}};
}

}  // namespace viaduct::plugins
