// Every open exchange by its id: what plugins' threads may know of it, so that they get their
// answer without waiting for the loop. Any thread, unless a function says otherwise.
#pragma once

#include "host/http/server.hpp"

#include <array>
#include <cstddef>
#include <mutex>
#include <unordered_map>

namespace viaduct::http {

class Connection;

class Exchanges {
 public:
  enum class Stage : std::uint8_t {
    waiting,    // for respond, begin or accept
    streaming,  // begun
    websocket,  // accepted
    ended,      // respond, finish or close was called
  };

  explicit Exchanges(std::size_t queue_limit) : limit_(queue_limit) {}

  // The connection is only ever touched on the loop.
  void add(ExchangeId id, Connection& connection);
  // On the loop. Null when the exchange is over.
  Connection* find(ExchangeId id) const;
  // Forgets it; answers its last stage, or nullopt when it was not there.
  std::optional<Stage> remove(ExchangeId id);

  // Goes on to the next stage if it is in the right one.
  bool advance(ExchangeId id, Stage from, Stage to);
  // Room for `bytes` of something to be sent. A single one larger than the queue is taken when
  // nothing else waits.
  Flow reserve(ExchangeId id, Stage stage, std::size_t bytes);
  // Those bytes have left. True when `writable` is due.
  bool release(ExchangeId id, std::size_t bytes);

 private:
  struct Entry {
    Connection* connection;
    std::size_t queued = 0;
    std::size_t refused = 0;  // size of what was refused as busy since the last `writable`
    Stage stage = Stage::waiting;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<ExchangeId, Entry> entries;
  };
  Shard& shard(ExchangeId id) { return shards_[id % shards_.size()]; }
  const Shard& shard(ExchangeId id) const { return shards_[id % shards_.size()]; }

  std::size_t limit_;
  std::array<Shard, 16> shards_;
};

}  // namespace viaduct::http
