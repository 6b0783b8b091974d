// Secrets at rest: sealed with AES-256-GCM and a key that lies in a file of its own, which only its
// owner may read. On any thread.
#pragma once

#include <array>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::slack {

class Sealer {
 public:
  // Reads the key, or makes one where there is no file. The error is in words: it names the file.
  static std::expected<Sealer, std::string> open(const std::filesystem::path& key_file);

  // Base64. `about` must be the same when it is opened: it binds a secret to its place. nullopt:
  // the system gives no random bytes, or no cipher.
  std::optional<std::string> seal(std::string_view secret, std::string_view about) const;
  // nullopt: another key, another place, or it was changed.
  std::optional<std::string> unseal(std::string_view sealed, std::string_view about) const;

 private:
  static constexpr std::size_t kKey = 32;
  explicit Sealer(const std::array<unsigned char, kKey>& key) : key_(key) {}
  std::array<unsigned char, kKey> key_;
};

}  // namespace viaduct::slack
