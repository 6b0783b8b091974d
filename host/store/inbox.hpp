// The inbox's rows, by whoever has the connection at the moment. Keys come at random, and a page of
// an index that is written for each would be most of what the disk gets to do. So new keys are
// appended to a log, and looked up in a temporary table; when there are many they go into the index
// sorted, some at a time.
#pragma once

#include "host/store/database.hpp"
#include "host/store/mail.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viaduct::store {

// The writing connection's side.
class Inbox {
 public:
  static constexpr int kSteps = 64;             // of one sorting-in
  static constexpr std::int64_t kMany = 16384;  // keys in the log

  explicit Inbox(Database& database) : database_(database) {}

  Result<> begin();
  Result<bool> receive(const std::string& space, const std::vector<std::string>& keys,
                       const std::string& payload, Micros at);
  Result<> handled(const std::string& space, const std::string& key);

  std::int64_t newest_key() const { return last_key_; }
  Result<std::int64_t> keys_in_log();
  // One of kSteps, counted from 0: what is in the log up to `newest`, and out with what is older
  // than `since`.
  Result<> sort_in(int step, std::int64_t newest, Micros since);
  // After the last of them, as often as it is true: there may be more.
  Result<bool> shorten_log(std::int64_t newest);

 private:
  Result<std::int64_t> event_with(std::int64_t hash);  // its number; 0: none
  Result<> remember(std::int64_t hash, std::int64_t number);

  Database& database_;
  std::int64_t last_number_ = 0;
  std::int64_t last_key_ = 0;
};

Result<InboxPage> unhandled(Database& database, const std::string& space, std::uint64_t after,
                            std::uint32_t limit, std::size_t max_bytes);

// 64 bits of SipHash-2-4. Of ten million keys, one that comes is taken for another one's in 1 case
// of 10^12. For tests.
std::int64_t key_hash(std::string_view space, std::string_view key);

}  // namespace viaduct::store
