#include "host/store/inbox.hpp"

#include "host/store/mail_sql.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace viaduct::store {
namespace {

constexpr int kRowsAtOnce = 512;

class SipHash {
 public:
  void add(std::string_view text) {
    for (const char c : text) {
      block_ |= std::uint64_t{static_cast<unsigned char>(c)} << (8 * (size_ % 8));
      if (++size_ % 8 == 0) take();
    }
  }
  std::uint64_t finish() {
    block_ |= std::uint64_t{size_ & 0xFF} << 56;
    take();
    c_ ^= 0xFF;
    for (int i = 0; i < 4; ++i) round();
    return a_ ^ b_ ^ c_ ^ d_;
  }

 private:
  void take() {
    d_ ^= block_;
    round();
    round();
    a_ ^= block_;
    block_ = 0;
  }
  void round() {
    a_ += b_;
    b_ = std::rotl(b_, 13) ^ a_;
    a_ = std::rotl(a_, 32);
    c_ += d_;
    d_ = std::rotl(d_, 16) ^ c_;
    a_ += d_;
    d_ = std::rotl(d_, 21) ^ a_;
    c_ += b_;
    b_ = std::rotl(b_, 17) ^ c_;
    c_ = std::rotl(c_, 32);
  }
  // Of a key that is the same for ever: the hashes are on disk.
  std::uint64_t a_ = 0x736f6d6570736575, b_ = 0x646f72616e646f6d;
  std::uint64_t c_ = 0x6c7967656e657261, d_ = 0x7465646279746573;
  std::uint64_t block_ = 0;
  std::size_t size_ = 0;
};

Result<> none(const Result<std::int64_t>& changed) {
  if (!changed) return std::unexpected(changed.error());
  return {};
}

}  // namespace

std::int64_t key_hash(std::string_view space, std::string_view key) {
  SipHash hash;
  hash.add(space);
  hash.add({"\0", 1});
  hash.add(key);
  return static_cast<std::int64_t>(hash.finish());
}

Result<> Inbox::begin() {
  if (auto made = database_.script(sql::kMakeRecent); !made) return made;
  Query last(database_, sql::kLastOfInbox);
  if (last.next()) {
    last_number_ = last.integer(0);
    last_key_ = last.integer(1);
  }
  return last.status();
}

Result<std::int64_t> Inbox::event_with(std::int64_t hash) {
  for (const char* sql : {sql::kRecentKey, sql::kKnownKey}) {
    Query found(database_, sql, hash);
    if (found.next()) return found.integer(0);
    if (auto status = found.status(); !status) return std::unexpected(status.error());
  }
  return 0;
}

Result<> Inbox::remember(std::int64_t hash, std::int64_t number) {
  ++last_key_;
  if (auto logged = database_.execute(sql::kLogKey, last_key_, hash, number); !logged)
    return none(logged);
  return none(database_.execute(sql::kAddRecent, hash, number, last_key_));
}

Result<bool> Inbox::receive(const std::string& space, const std::vector<std::string>& keys,
                            const std::string& payload, Micros at) {
  std::vector<std::int64_t> missing;
  std::int64_t number = 0;
  for (const std::string& key : keys) {
    const std::int64_t hash = key_hash(space, key);
    const auto found = event_with(hash);
    if (!found) return std::unexpected(found.error());
    if (*found != 0)
      number = *found;
    else if (std::ranges::find(missing, hash) == missing.end())
      missing.push_back(hash);
  }
  const bool fresh = number == 0;
  if (fresh) {
    number = last_number_ = std::max(at, last_number_ + 1);
    auto added = database_.execute(sql::kAddEvent, number, space, keys.front(), payload, at);
    if (!added) return std::unexpected(added.error());
  }
  for (const std::int64_t hash : missing)
    if (auto remembered = remember(hash, number); !remembered)
      return std::unexpected(remembered.error());
  return fresh;
}

Result<> Inbox::handled(const std::string& space, const std::string& key) {
  const auto number = event_with(key_hash(space, key));
  if (!number) return std::unexpected(number.error());
  if (*number == 0) return fail(Errc::not_found, "no event with this key was received");
  return none(database_.execute(sql::kRemoveEvent, *number));
}

Result<std::int64_t> Inbox::keys_in_log() {
  Query count(database_, sql::kKeysInLog);
  if (count.next()) return count.integer(0);
  if (auto status = count.status(); !status) return std::unexpected(status.error());
  return 0;
}

Result<> Inbox::sort_in(int step, std::int64_t newest, Micros since) {
  using Limits = std::numeric_limits<std::int64_t>;
  // Unsigned: from the least number on, it wraps around where it should.
  constexpr std::uint64_t kWidth = (std::uint64_t{1} << 63) / (kSteps / 2);
  const auto from = static_cast<std::int64_t>(static_cast<std::uint64_t>(Limits::min()) +
                                              static_cast<std::uint64_t>(step) * kWidth);
  const std::int64_t to =
      step + 1 == kSteps ? Limits::max() : from + static_cast<std::int64_t>(kWidth - 1);
  if (auto forgotten = database_.execute(sql::kForgetKeys, from, to, since); !forgotten)
    return none(forgotten);
  if (auto sorted = database_.execute(sql::kSortInKeys, from, to, newest); !sorted)
    return none(sorted);
  return none(database_.execute(sql::kForgetRecent, from, to, newest));
}

Result<bool> Inbox::shorten_log(std::int64_t newest) {
  auto gone = database_.execute(sql::kShortenLog, newest, kRowsAtOnce);
  if (!gone) return std::unexpected(gone.error());
  return *gone > kRowsAtOnce;
}

Result<InboxPage> unhandled(Database& database, const std::string& space, std::uint64_t after,
                            std::uint32_t limit, std::size_t max_bytes) {
  InboxPage page;
  std::size_t bytes = 0;
  Query rows(database, sql::kUnhandled, space, after);
  while (rows.next()) {
    bytes += rows.view(2).size();
    if (page.events.size() == limit || (bytes > max_bytes && !page.events.empty())) {
      page.more = true;
      break;
    }
    page.events.push_back({rows.number(0), rows.text(1), rows.text(2), rows.integer(3)});
  }
  if (auto status = rows.status(); !status) return std::unexpected(status.error());
  return page;
}

}  // namespace viaduct::store
