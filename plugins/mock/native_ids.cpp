#include "plugins/mock/native_ids.hpp"

#include <utility>

namespace viaduct::mock {

std::string NativeIds::make() {
  std::uint64_t bits[2] = {random_(), random_()};
  bits[0] = (bits[0] & ~0xF000ULL) | 0x4000ULL;                  // version 4
  bits[1] = (bits[1] & ~(0xC000ULL << 48)) | (0x8000ULL << 48);  // variant 1
  std::string id = "mock-";
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) id += '-';
    id += "0123456789abcdef"[(bits[nibble / 16] >> (60 - nibble % 16 * 4)) & 15];
  }
  return id;
}

void NativeIds::put(const std::string& id, std::string last_message) {
  kept_[id] = Kept{std::move(last_message), ++order_};
  by_age_.emplace_back(order_, id);
  while (by_age_.size() > kMax) {
    const auto& [order, oldest] = by_age_.front();
    const auto found = kept_.find(oldest);
    if (found != kept_.end() && found->second.order == order) kept_.erase(found);
    by_age_.pop_front();
  }
}

std::optional<std::string> NativeIds::take(const std::string& id) {
  const auto found = kept_.find(id);
  if (found == kept_.end()) return std::nullopt;
  std::string last_message = std::move(found->second.last_message);
  kept_.erase(found);
  return last_message;
}

}  // namespace viaduct::mock
