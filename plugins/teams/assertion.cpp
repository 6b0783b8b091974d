#include "plugins/teams/assertion.hpp"

#include "plugins/teams/jose.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

namespace viaduct::teams {
namespace {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using File = std::unique_ptr<BIO, Free<&BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<&X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Free<&EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Free<&BN_clear_free>>;
using Bytes = std::vector<std::uint8_t>;

constexpr int kFewestBits = 2048;

// OpenSSL would ask at the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

std::expected<Certificate, std::string> read_certificate(const std::string& path) {
  const File file(BIO_new_file(path.c_str(), "re"));
  if (!file) return std::unexpected(path + ": cannot be read: " + std::strerror(errno));
  Certificate certificate(PEM_read_bio_X509(file.get(), nullptr, &no_password, nullptr));
  if (!certificate)
    return std::unexpected(path + ": has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  return certificate;
}

std::expected<PrivateKey, std::string> read_key(const std::string& path) {
  const File file(BIO_new_file(path.c_str(), "re"));
  if (!file) return std::unexpected(path + ": cannot be read: " + std::strerror(errno));
  PrivateKey key(PEM_read_bio_PrivateKey(file.get(), nullptr, &no_password, nullptr));
  if (!key) return std::unexpected(path + ": has no private key in PEM without a password");
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key.get()) < kFewestBits)
    return std::unexpected(path + ": is no RSA key of at least 2048 bits");
  return key;
}

Bytes member(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return {};
  const Number number(raw);
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), bytes.data());
  return bytes;
}

Jwk jwk_of(const EVP_PKEY* key) {
  // In the order of cjose_jwk_rsa_keyspec.
  std::array<Bytes, 8> parts = {
      member(key, OSSL_PKEY_PARAM_RSA_E),         member(key, OSSL_PKEY_PARAM_RSA_N),
      member(key, OSSL_PKEY_PARAM_RSA_D),         member(key, OSSL_PKEY_PARAM_RSA_FACTOR1),
      member(key, OSSL_PKEY_PARAM_RSA_FACTOR2),   member(key, OSSL_PKEY_PARAM_RSA_EXPONENT1),
      member(key, OSSL_PKEY_PARAM_RSA_EXPONENT2), member(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1)};
  auto& [e, n, d, p, q, dp, dq, qi] = parts;
  const cjose_jwk_rsa_keyspec spec = {
      e.data(), e.size(), n.data(),  n.size(),  d.data(),  d.size(),  p.data(),  p.size(),
      q.data(), q.size(), dp.data(), dp.size(), dq.data(), dq.size(), qi.data(), qi.size()};
  Jwk jwk(cjose_jwk_create_RSA_spec(&spec, nullptr));
  for (Bytes& part : parts) OPENSSL_cleanse(part.data(), part.size());
  return jwk;
}

std::string hash_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), hash.data(), &size) != 1) return {};
  return base64url({reinterpret_cast<const char*>(hash.data()), size});
}

std::string random_id() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
  return base64url({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

std::expected<std::string, std::string> make_assertion(const AssertionOf& of, std::int64_t now) {
  const CleanErrors clean;
  const auto certificate = read_certificate(of.certificate_file);
  if (!certificate) return std::unexpected(certificate.error());
  const auto key = read_key(of.key_file);
  if (!key) return std::unexpected(key.error());
  if (X509_check_private_key(certificate->get(), key->get()) != 1)
    return std::unexpected(of.key_file + ": is not the key of the certificate in " +
                           of.certificate_file);
  std::time_t time = now;
  if (X509_cmp_time(X509_get0_notAfter(certificate->get()), &time) < 0)
    return std::unexpected(of.certificate_file + ": the certificate has expired");

  const JoseHeader header(cjose_header_new(nullptr));
  const Jwk jwk = jwk_of(key->get());
  const std::string id = random_id();
  const std::string hash = hash_of(certificate->get());
  const bool is_ready =
      header && jwk && !id.empty() && !hash.empty() &&
      cjose_header_set(header.get(), CJOSE_HDR_ALG, CJOSE_HDR_ALG_PS256, nullptr) &&
      cjose_header_set(header.get(), "typ", "JWT", nullptr) &&
      cjose_header_set(header.get(), "x5t#S256", hash.c_str(), nullptr);
  if (!is_ready) return std::unexpected("no assertion can be made of the certificate");
  const std::string claims = assertion_claims(of, id, now);
  const Jws jws(cjose_jws_sign(jwk.get(), header.get(),
                               reinterpret_cast<const std::uint8_t*>(claims.data()), claims.size(),
                               nullptr));
  const char* text = nullptr;  // its own
  if (!jws || !cjose_jws_export(jws.get(), &text, nullptr))
    return std::unexpected(of.key_file + ": nothing can be signed with this key");
  return std::string(text);
}

}  // namespace viaduct::teams
