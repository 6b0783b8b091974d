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
