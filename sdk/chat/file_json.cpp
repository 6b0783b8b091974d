#include <viaduct/chat/base64.hpp>
#include <viaduct/chat/file.hpp>
#include <viaduct/chat/text.hpp>
#include <viaduct/chat/value.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <viaduct/net/text.hpp>

namespace viaduct::chat {
namespace {

constexpr std::size_t kLongestName = 120;  // bytes
constexpr std::size_t kLongestExtension = 12;
constexpr std::size_t kLongestAlt = 300;

struct Extension {
  std::string_view type;
  std::string_view name;
};
constexpr auto kExtensions = std::to_array<Extension>({
    {"image/png", "png"},         {"image/jpeg", "jpg"},        {"image/gif", "gif"},
    {"image/webp", "webp"},       {"image/svg+xml", "svg"},     {"image/bmp", "bmp"},
    {"image/tiff", "tiff"},       {"audio/wav", "wav"},         {"audio/x-wav", "wav"},
    {"audio/mpeg", "mp3"},        {"audio/ogg", "ogg"},         {"audio/mp4", "m4a"},
    {"audio/flac", "flac"},       {"audio/webm", "weba"},       {"text/plain", "txt"},
    {"text/markdown", "md"},      {"text/html", "html"},        {"text/csv", "csv"},
    {"application/json", "json"}, {"application/pdf", "pdf"},   {"application/zip", "zip"},
    {"application/xml", "xml"},   {"application/yaml", "yaml"},
});

std::string extension_of(std::string_view type) {
  for (const Extension& one : kExtensions)
    if (one.type == type) return std::string(one.name);
  // x-python, vnd.ms-excel and their like say nothing that a computer knows a file by.
  return type.starts_with("text/") ? "txt" : "bin";
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += is_escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (is_escape) i += 2;
  }
  return out;
}

// U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069: would show "gpj.exe" as "exe.jpg".
bool turns(std::string_view character) {
  if (character.size() != 3 || !character.starts_with("\xE2")) return false;
  const auto second = static_cast<unsigned char>(character[1]);
  const auto third = static_cast<unsigned char>(character[2]);
  return (second == 0x80 && (third == 0x8E || third == 0x8F || (third >= 0xAA && third <= 0xAE))) ||
         (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

// What some system does not have in a name.
std::string safe(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size();) {
    const std::size_t size = character_size(name.substr(i));
    const std::string_view character = name.substr(i, size);
    const auto first = static_cast<unsigned char>(character[0]);
    i += size;
    if (turns(character)) continue;
    const bool is_bad =
        first < 0x20 || first == 0x7F ||
        (first == 0xC2 && size == 2 && static_cast<unsigned char>(character[1]) < 0xA0) ||
        std::string_view("/\\:*?\"<>|").find(character[0]) != std::string_view::npos;
    out += is_bad ? std::string_view("_") : character;
  }
  std::string_view rest = trimmed(out);
  while (rest.starts_with('.')) rest.remove_prefix(1);
  while (rest.ends_with('.') || rest.ends_with(' ')) rest.remove_suffix(1);
  return std::string(rest);
}

// Without the brackets that such words come in.
std::string plain(std::string_view words) {
  if (words.starts_with('[') && words.ends_with(']')) words = words.substr(1, words.size() - 2);
  return net::one_line(words, kLongestAlt);
}

}  // namespace

std::string file_name(std::string_view uri, std::string_view type) {
  const std::string extension = extension_of(type);
  const std::string otherwise = (type.starts_with("image/")   ? "image."
                                 : type.starts_with("audio/") ? "audio."
                                                              : "file.") +
                                extension;
  if (uri.starts_with("data:")) return otherwise;
  uri = uri.substr(0, uri.find_first_of("?#"));
  const std::size_t scheme = uri.find("://");
  // Of https://example.org the last part is no file.
  const std::size_t path = scheme == uri.npos ? 0 : uri.find('/', scheme + 3);
  if (path == uri.npos) return otherwise;
  std::string last = percent_decoded(uri.substr(path));
  last.erase(0, last.find_last_of("/\\") + 1);
  const std::string name = safe(valid_utf8(last));
  if (name.empty()) return otherwise;
  const std::size_t dot = name.rfind('.');
  const bool has_extension =
      dot != name.npos && dot > 0 && name.size() - dot - 1 <= kLongestExtension;
  const std::string end = has_extension ? name.substr(dot) : "." + extension;
  const std::string_view stem(name.data(), has_extension ? dot : name.size());
  return std::string(net::prefix(stem, kLongestName - end.size())) + end;
}

std::optional<File> parse_file(std::string_view entries_json, std::uint64_t entry) {
  const Value page = Value::parsed(entries_json);
  for (const Value& one : page.at("entries").items()) {
    if (one.number("entry") != entry || one.text("type") != "content") continue;
    const Value block = one.at("data");
    const bool is_resource = block.text("type") == "resource";
    const Value from = is_resource ? block.at("resource") : block;
    File file;
    file.type = lower(from.text("mimeType"));
    if (file.type.empty()) file.type = "application/octet-stream";
    file.name = file_name(from.text("uri"), file.type);
    file.alt = plain(one.text("text"));
    if (is_resource) file.bytes = from.text("text");
    if (file.bytes.empty()) {
      auto bytes = unbase64(from.text(is_resource ? "blob" : "data"));
      if (!bytes) return std::nullopt;
      file.bytes = *std::move(bytes);
    }
    return file;
  }
  return std::nullopt;
}

std::string size_words(std::size_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  const bool is_large = bytes >= 1'000'000;
  const std::size_t tenths =
      (bytes * 10 + (is_large ? 500'000 : 500)) / (is_large ? 1'000'000 : 1000);
  std::string number = std::to_string(tenths / 10);
  if (tenths < 1000 && tenths % 10 != 0) number += "." + std::to_string(tenths % 10);
  return number + (is_large ? " MB" : " kB");
}

}  // namespace viaduct::chat
