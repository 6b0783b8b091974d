#include "host/cli/tool_files.hpp"

#include "host/config/values.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>

namespace viaduct::cli {
namespace {

namespace fs = std::filesystem;

bool is_named(const std::string& path, const std::vector<std::string>& arguments) {
  if (path.empty()) return false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("-")) {
      if (i > 0 && arguments[i - 1].starts_with("-") && argument == path) return true;
    } else if (const auto sign = argument.find('=');
               sign != std::string::npos && argument.substr(sign + 1) == path) {
      return true;
    }
  }
  return false;
}

// Of RFC 4648 with its padding, and nothing else.
std::optional<std::string> decoded(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pads = i >= text.size() - padding;
    const std::size_t value = pads ? 0 : kAlphabet.find(text[i]);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 0xff);
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

Result<> write_file(const std::string& path, std::string_view bytes) {
  const auto failed = [&path](const std::string& why) {
    return fail(Errc::unavailable, path + " was not written: " + why);
  };
  // A link stays one; what is no file (a folder, a device) stays what it is.
  std::error_code error;
  fs::path target = path;
  const fs::file_status status = fs::status(target, error);
  if (fs::is_directory(status)) return failed("it is a folder");
  if (fs::exists(status)) {
    if (!fs::is_regular_file(status)) return failed("it is there, and no file");
    if (const fs::path real = fs::canonical(target, error); !error) target = real;
  }
  std::string beside = target.string() + ".XXXXXX";
  const int file = ::mkstemp(beside.data());
  if (file < 0) return failed(std::strerror(errno));
  bool fine = true;
  for (std::string_view rest = bytes; fine && !rest.empty();) {
    const ssize_t size = ::write(file, rest.data(), rest.size());
    if (size > 0) rest.remove_prefix(static_cast<std::size_t>(size));
    fine = size > 0 || (size < 0 && errno == EINTR);
  }
  fine = fine && ::fchmod(file, 0644) == 0 && ::fsync(file) == 0;
  int reason = errno;
  ::close(file);
  if (fine && ::rename(beside.c_str(), target.c_str()) == 0) return {};
  if (fine) reason = errno;
  ::unlink(beside.c_str());
  return failed(std::strerror(reason));
}

}  // namespace

Result<> write_files(const std::vector<ToolFile>& files,
                     const std::vector<std::string>& arguments) {
  std::vector<std::string> contents;
  for (const ToolFile& file : files) {
    if (!is_named(file.path, arguments))
      return fail(Errc::permission_denied, "the plugin wants to write " +
                                               config::in_quotes(file.path) +
                                               ", which no option names; nothing was written");
    auto bytes = decoded(file.base64);
    if (!bytes)
      return fail(Errc::internal,
                  "the plugin's file " + file.path + " is no base64; nothing was written");
    contents.push_back(*std::move(bytes));
  }
  for (std::size_t i = 0; i < files.size(); ++i)
    if (auto written = write_file(files[i].path, contents[i]); !written) return written;
  return {};
}

}  // namespace viaduct::cli
