// What the mock remembers of conversations that are not held at present, by native id; in memory
// only, so that after a restart nothing can be restored. One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

namespace viaduct::mock {

class NativeIds {
 public:
  // The oldest are forgotten beyond this many.
  static constexpr std::size_t kMax = 10'000;

  // "mock-" and a random UUID.
  std::string make();

  void put(const std::string& id, std::string last_message);
  // What was put; it is no longer there.
  std::optional<std::string> take(const std::string& id);

 private:
  struct Kept {
    std::string last_message;
    std::uint64_t order;
  };
  std::mt19937_64 random_{std::random_device{}()};
  std::unordered_map<std::string, Kept> kept_;
  std::deque<std::pair<std::uint64_t, std::string>> by_age_;
  std::uint64_t order_ = 0;
};

}  // namespace viaduct::mock
