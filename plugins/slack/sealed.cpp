#include "plugins/slack/sealed.hpp"

#include <viaduct/chat/base64.hpp>

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <viaduct/net/fd.hpp>

namespace viaduct::slack {
namespace {

constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
Cipher cipher() {
  return {EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
}

unsigned char* raw(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string why(const std::filesystem::path& file) {
  return file.string() + ": " + std::strerror(errno);
}

}  // namespace

std::expected<Sealer, std::string> Sealer::open(const std::filesystem::path& key_file) {
  std::array<unsigned char, kKey> key{};
  net::Fd made(::open(key_file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made) {
    if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1)
      return std::unexpected("no random bytes are to be had");
    if (::write(made.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
        ::fsync(made.get()) != 0) {
      const std::string said = why(key_file);
      ::unlink(key_file.c_str());
      return std::unexpected(said);
    }
    return Sealer(key);
  }
  if (errno != EEXIST) return std::unexpected(why(key_file));
  const net::Fd file(::open(key_file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat facts{};
  if (!file || ::fstat(file.get(), &facts) != 0) return std::unexpected(why(key_file));
  if ((facts.st_mode & 077) != 0)
    return std::unexpected(
        key_file.string() +
        " may be read by others; say `chmod 600` of it, for it opens the tokens");
  if (facts.st_size != static_cast<off_t>(key.size()) ||
      ::read(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()))
    return std::unexpected(key_file.string() + " is no key: it must have 32 bytes");
  return Sealer(key);
}

std::optional<std::string> Sealer::seal(std::string_view secret, std::string_view about) const {
  std::string out(kNonce + secret.size() + kTag, '\0');
  // One nonce twice under the same key opens everything.
  if (RAND_bytes(raw(out), kNonce) != 1) return std::nullopt;
  const Cipher context = cipher();
  int size = 0;
  if (!context ||
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(), raw(out)) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &size, raw(about),
                        static_cast<int>(about.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), raw(out) + kNonce, &size, raw(secret),
                        static_cast<int>(secret.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), raw(out) + kNonce + secret.size(), &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag,
                          raw(out) + kNonce + secret.size()) != 1)
    return std::nullopt;
  return chat::base64(out);
}

std::optional<std::string> Sealer::unseal(std::string_view sealed, std::string_view about) const {
  auto in = chat::unbase64(sealed);
  if (!in || in->size() < kNonce + kTag) return std::nullopt;
  std::string out(in->size() - kNonce - kTag, '\0');
  const Cipher context = cipher();
  int size = 0;
  if (!context ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(), raw(*in)) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &size, raw(about),
                        static_cast<int>(about.size())) != 1 ||
      EVP_DecryptUpdate(context.get(), raw(out), &size, raw(*in) + kNonce,
                        static_cast<int>(out.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag,
                          raw(*in) + kNonce + out.size()) != 1 ||
      EVP_DecryptFinal_ex(context.get(), raw(out) + out.size(), &size) != 1)
    return std::nullopt;
  return out;
}

}  // namespace viaduct::slack
