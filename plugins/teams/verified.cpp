#include "plugins/teams/verified.hpp"

#include <openssl/sha.h>

#include <utility>

namespace viaduct::teams {

VerifiedTokens::Hash VerifiedTokens::hash_of(std::string_view token) {
  Hash hash{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash.data());
  return hash;
}

const VerifiedTokens::Entry* VerifiedTokens::find(const Hash& hash) const {
  const auto found = entries_.find(hash);
  return found == entries_.end() ? nullptr : &found->second;
}

void VerifiedTokens::keep(const Hash& hash, Entry entry) {
  if (entries_.insert_or_assign(hash, std::move(entry)).second) order_.push_back(hash);
  while (entries_.size() > kMost) {
    entries_.erase(order_.front());
    order_.pop_front();
  }
}

void VerifiedTokens::drop(const Hash& hash) {
  if (entries_.erase(hash) != 0) std::erase(order_, hash);
}

}  // namespace viaduct::teams
