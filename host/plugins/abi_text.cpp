#include "host/plugins/abi_text.hpp"

#include <fmt/format.h>

#include <cstring>

namespace viaduct::plugins {
namespace {

constexpr std::size_t kMaxMessage = 4096;

// The length of the well-formed sequence at `at` (RFC 3629), or 0. `wrong` is then how many bytes
// to replace by one U+FFFD.
std::size_t sequence(std::string_view text, std::size_t at, std::size_t& wrong) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  wrong = 1;
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first == 0xE0) low = 0xA0;   // overlong
  if (first == 0xED) high = 0x9F;  // surrogates
  if (first == 0xF0) low = 0x90;   // overlong
  if (first == 0xF4) high = 0x8F;  // above U+10FFFF
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= text.size() || byte(i) < low || byte(i) > high) {
      wrong = i;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

// Where the text stops being well-formed; its size if nowhere.
std::size_t first_invalid(std::string_view text, std::size_t at) {
  std::size_t wrong = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (text.size() - at >= sizeof eight) {  // most text is ASCII
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = sequence(text, at, wrong);
    if (length == 0) return at;
    at += length;
  }
  return text.size();
}

}  // namespace

bool valid_utf8(std::string_view text) {
  return first_invalid(text, 0) == text.size();
}

std::string repaired_utf8(std::string_view text) {
  std::string result;
  std::size_t from = 0;
  for (;;) {
    const std::size_t bad = first_invalid(text, from);
    result.append(text.substr(from, bad - from));
    if (bad == text.size()) return result;
    std::size_t wrong = 0;
    sequence(text, bad, wrong);
    result += "\xEF\xBF\xBD";
    from = bad + wrong;
  }
}

Result<> from_abi(const viaduct_status* status) {
  if (status == nullptr || status->struct_size < VIADUCT_SIZE_WITH(viaduct_status, message))
    return fail(Errc::internal, "the plugin answered without a status");
  if (status->code == VIADUCT_OK) return {};
  std::string message = repaired_utf8(view(status->message).substr(0, kMaxMessage));
  if (status->code < VIADUCT_OK || status->code > VIADUCT_E_INTERNAL)
    return fail(Errc::internal, fmt::format("unknown status code {}: {}", status->code, message));
  const auto code = static_cast<Errc>(status->code);
  if (message.empty()) message = name(code);
  return fail(code, std::move(message));
}

Error exception_error(std::string_view function) {
  std::string text = "something that is no std::exception";
  try {
    throw;
  } catch (const std::exception& error) {
    text = repaired_utf8(error.what());
  } catch (...) {
  }
  return {Errc::internal, fmt::format("an exception left {}: {}", function, text)};
}

}  // namespace viaduct::plugins
