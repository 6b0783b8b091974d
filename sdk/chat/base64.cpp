#include <viaduct/chat/base64.hpp>

#include <openssl/evp.h>

namespace viaduct::chat {
namespace {

unsigned char* raw(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  out.resize(static_cast<std::size_t>(
      EVP_EncodeBlock(raw(out), raw(bytes), static_cast<int>(bytes.size()))));
  return out;
}

std::optional<std::string> unbase64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string out(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(raw(out), raw(text), static_cast<int>(text.size())) < 0) return std::nullopt;
  out.resize(out.size() - (text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0));
  return out;
}

}  // namespace viaduct::chat
