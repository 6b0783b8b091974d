#include <zip.h>

#include <array>
#include <memory>
#include <utility>

#include "plugins/teams/manifest.hpp"

namespace viaduct::teams {
namespace {

struct ErrorFree {
  void operator()(zip_error_t* error) const { zip_error_fini(error); }
};
struct SourceFree {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Source = std::unique_ptr<zip_source_t, SourceFree>;

std::unexpected<std::string> failure(const char* what, const std::string& why) {
  return std::unexpected(std::string("the package cannot be ") + what + ": " + why);
}

std::string bytes_of(zip_source_t* source) {
  std::string bytes;
  if (zip_source_open(source) != 0) return bytes;
  std::array<char, 16384> piece{};
  for (zip_int64_t size = 0; (size = zip_source_read(source, piece.data(), piece.size())) > 0;)
    bytes.append(piece.data(), static_cast<std::size_t>(size));
  zip_source_close(source);
  return bytes;
}

}  // namespace

std::expected<std::string, std::string> app_package(const Config& config) {
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_error_t, ErrorFree> end(&error);
  const Source buffer(zip_source_buffer_create(nullptr, 0, 0, &error));
  if (!buffer) return failure("made", zip_error_strerror(&error));
  std::unique_ptr<zip_t, Discard> archive(
      zip_open_from_source(buffer.get(), ZIP_CREATE | ZIP_TRUNCATE, &error));
  if (!archive) return failure("made", zip_error_strerror(&error));
  // The archive lets go of it when it is closed.
  zip_source_keep(buffer.get());
  const std::string manifest = manifest_json(config);
  const std::pair<const char*, std::string_view> files[] = {
      {"manifest.json", manifest}, {"color.png", color_icon()}, {"outline.png", outline_icon()}};
  for (const auto& [name, bytes] : files) {
    zip_source_t* const source = zip_source_buffer(archive.get(), bytes.data(), bytes.size(), 0);
    const zip_int64_t index =
        source == nullptr ? -1 : zip_file_add(archive.get(), name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      return failure("filled", zip_strerror(archive.get()));
    }
    // The same package from the same configuration: 1 January 1980.
    zip_file_set_dostime(archive.get(), static_cast<zip_uint64_t>(index), 0, 0x21, 0);
  }
  if (zip_close(archive.get()) != 0) return failure("written", zip_strerror(archive.get()));
  (void)archive.release();
  std::string bytes = bytes_of(buffer.get());
  if (bytes.empty()) return failure("read", "it is empty");
  return bytes;
}

}  // namespace viaduct::teams
