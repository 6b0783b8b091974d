// Tokens and keys as the service and Entra make them, and as those make them who would like to be
// taken for them. RSA keys are made when they are first used.
#pragma once

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <ctime>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

inline std::string url64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  out.resize(static_cast<std::size_t>(EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(out.data()),
      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()))));
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

// Members of a JSON object, in order: names, and values as JSON.
class Object {
 public:
  Object& set(const std::string& name, std::string json) {
    for (auto& [known, value] : members_)
      if (known == name) {
        value = std::move(json);
        return *this;
      }
    members_.emplace_back(name, std::move(json));
    return *this;
  }
  Object& text(const std::string& name, const std::string& value) {
    return set(name, '"' + value + '"');
  }
  Object& number(const std::string& name, std::int64_t value) {
    return set(name, std::to_string(value));
  }
  Object& drop(const std::string& name) {
    std::erase_if(members_, [&](const auto& one) { return one.first == name; });
    return *this;
  }
  std::string json() const {
    std::string out;
    for (const auto& [name, value] : members_)
      out += (out.empty() ? "{\"" : ",\"") + name + "\":" + value;
    return out.empty() ? "{}" : out + "}";
  }

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

class Signer {
 public:
  explicit Signer(int bits = 2048) : key_(EVP_RSA_gen(static_cast<unsigned>(bits))) {}
  ~Signer() { EVP_PKEY_free(key_); }
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  EVP_PKEY* key() const { return key_; }

  std::string sign(const std::string& input, bool pss = false,
                   const EVP_MD* hash = EVP_sha256()) const {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* options = nullptr;
    EXPECT_EQ(EVP_DigestSignInit(context, &options, hash, nullptr, key_), 1);
    if (pss) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    std::size_t size = 0;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(input.data());
    EVP_DigestSign(context, nullptr, &size, bytes, input.size());
    std::string out(size, '\0');
    EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size, bytes,
                             input.size()),
              1);
    out.resize(size);
    EVP_MD_CTX_free(context);
    return out;
  }
  bool verify_pss(const std::string& input, const std::string& signature) const {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestVerifyInit(context, &options, EVP_sha256(), nullptr, key_);
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    const int good = EVP_DigestVerify(
        context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
        reinterpret_cast<const unsigned char*>(input.data()), input.size());
    EVP_MD_CTX_free(context);
    return good == 1;
  }

  // RS256, whatever the header says.
  std::string token(const Object& header, const Object& claims) const {
    const std::string input = url64(header.json()) + '.' + url64(claims.json());
    return input + '.' + url64(sign(input));
  }

  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_, name, &value);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(value);
    return bytes;
  }
  // For a JWKS. `endorsements` as JSON; empty: none.
  Object jwk(const std::string& id, const std::string& endorsements = R"(["msteams"])") const {
    Object key;
    key.text("kty", "RSA").text("use", "sig").text("kid", id).text("x5t", id);
    key.text("n", url64(number(OSSL_PKEY_PARAM_RSA_N)));
    key.text("e", url64(number(OSSL_PKEY_PARAM_RSA_E)));
    if (!endorsements.empty()) key.set("endorsements", endorsements);
    return key;
  }
  std::string public_pem() const {
    BIO* const memory = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(memory, key_);
    return taken(memory);
  }
  std::string private_pem() const {
    BIO* const memory = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(memory, key_, nullptr, nullptr, 0, nullptr, nullptr);
    return taken(memory);
  }
  struct Certificate {
    std::string pem;
    std::string hash;  // SHA-256
  };
  Certificate certificate(long lives_seconds = 3600) const {
    X509* const made = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -7200);
    X509_gmtime_adj(X509_getm_notAfter(made), lives_seconds);
    X509_set_pubkey(made, key_);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("bot"), -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    X509_sign(made, key_, EVP_sha256());
    BIO* const memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(memory, made);
    std::array<unsigned char, 32> hash{};
    unsigned int size = 0;
    X509_digest(made, EVP_sha256(), hash.data(), &size);
    X509_free(made);
    return {taken(memory), std::string(reinterpret_cast<const char*>(hash.data()), size)};
  }

 private:
  static std::string taken(BIO* memory) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(memory, &bytes);
    std::string out(bytes, static_cast<std::size_t>(size));
    BIO_free(memory);
    return out;
  }
  EVP_PKEY* key_;
};

// Two keys of the process.
inline const Signer& teams_signer() {
  static const Signer kSigner;
  return kSigner;
}
inline const Signer& other_signer() {
  static const Signer kSigner;
  return kSigner;
}

inline std::string hmac256(std::string_view secret, const std::string& input) {
  std::array<unsigned char, 32> hash{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), hash.data(), &size);
  return {reinterpret_cast<const char*>(hash.data()), size};
}

inline std::string jwks(const std::vector<Object>& keys) {
  std::string out;
  for (const Object& key : keys) out += (out.empty() ? "" : ",") + key.json();
  return R"({"keys":[)" + out + "]}";
}

}  // namespace viaduct::teams
