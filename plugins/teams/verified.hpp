// Tokens that have been verified lately, since the service uses one for an hour: by their hash,
// each as long as its key is the one it was verified with. At most 1024; the oldest goes first. One
// thread; owned by InboundAuth.
#pragma once

#include "plugins/teams/jwt.hpp"
#include "plugins/teams/key_rules.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string_view>

namespace viaduct::teams {

class VerifiedTokens {
 public:
  static constexpr std::size_t kMost = 1024;
  using Hash = std::array<unsigned char, 32>;
  struct Entry {
    Claims claims;
    std::shared_ptr<const SigningKey> key;
    bool is_entra = false;
  };

  static Hash hash_of(std::string_view token);
  // Valid until the next keep(); null: not known.
  const Entry* find(const Hash& hash) const;
  void keep(const Hash& hash, Entry entry);
  void drop(const Hash& hash);
  std::size_t count() const { return entries_.size(); }

 private:
  std::map<Hash, Entry> entries_;
  std::deque<Hash> order_;
};

}  // namespace viaduct::teams
