#include "host/http/exchanges.hpp"

namespace viaduct::http {

void Exchanges::add(ExchangeId id, Connection& connection) {
  Shard& place = shard(id);
  const std::lock_guard lock(place.mutex);
  place.entries.emplace(id, Entry{&connection});
}

Connection* Exchanges::find(ExchangeId id) const {
  const Shard& place = shard(id);
  const std::lock_guard lock(place.mutex);
  const auto entry = place.entries.find(id);
  return entry == place.entries.end() ? nullptr : entry->second.connection;
}

std::optional<Exchanges::Stage> Exchanges::remove(ExchangeId id) {
  Shard& place = shard(id);
  const std::lock_guard lock(place.mutex);
  const auto entry = place.entries.find(id);
  if (entry == place.entries.end()) return std::nullopt;
  const Stage stage = entry->second.stage;
  place.entries.erase(entry);
  return stage;
}

bool Exchanges::advance(ExchangeId id, Stage from, Stage to) {
  Shard& place = shard(id);
  const std::lock_guard lock(place.mutex);
  const auto entry = place.entries.find(id);
  if (entry == place.entries.end() || entry->second.stage != from) return false;
  entry->second.stage = to;
  return true;
}

Flow Exchanges::reserve(ExchangeId id, Stage stage, std::size_t bytes) {
  Shard& place = shard(id);
  const std::lock_guard lock(place.mutex);
  const auto found = place.entries.find(id);
  if (found == place.entries.end() || found->second.stage != stage) return Flow::gone;
  Entry& entry = found->second;
  if (entry.queued > 0 && entry.queued + bytes > limit_) {
    entry.refused = bytes;
    return Flow::busy;
  }
  entry.queued += bytes;
  return Flow::ok;
}

bool Exchanges::release(ExchangeId id, std::size_t bytes) {
  Shard& place = shard(id);
  const std::lock_guard lock(place.mutex);
  const auto found = place.entries.find(id);
  if (found == place.entries.end()) return false;
  Entry& entry = found->second;
  entry.queued -= std::min(bytes, entry.queued);
  const bool room =
      entry.queued == 0 || (entry.queued <= limit_ / 2 && entry.queued + entry.refused <= limit_);
  if (entry.refused == 0 || !room || entry.stage == Stage::ended) return false;
  entry.refused = 0;
  return true;
}

}  // namespace viaduct::http
