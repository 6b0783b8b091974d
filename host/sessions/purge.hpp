// One round through what nobody used for long: deletes it for good, or only says what it would
// delete. Loop only; kept alive by what it asks.
#pragma once

#include "host/sessions/conversation.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace viaduct::sessions {

class Purge : public std::enable_shared_from_this<Purge> {
 public:
  struct Access {
    // Nothing is going on in it, and it was not active since.
    std::function<bool(const std::string& id, store::Micros inactive_since)> may_go;
    // Let go of by its backend, and for nobody to be had until `let_in`, which tells its viewers if
    // it is deleted.
    std::function<void(const std::string& id)> keep_out;
    std::function<void(const std::string& id, bool deleted)> let_in;
  };
  // `shared` outlives it.
  Purge(std::shared_ptr<Shared> shared, Access access, PurgeQuery query, Done<PurgeAnswer> done);
  void begin();

 private:
  void next_page();
  void next();
  void take(store::Session record, std::uint64_t bytes);
  void remove(store::Session record, std::uint64_t bytes);
  void purged(const store::Session& record, std::uint64_t bytes);
  void failed(const store::Session& record, Error error);
  void finish(Result<> result);

  const std::shared_ptr<Shared> shared_;
  const Access access_;
  const PurgeQuery query_;
  Done<PurgeAnswer> done_;
  PurgeAnswer answer_;
  std::vector<store::Session> page_;  // from the back
  std::string cursor_;
};

}  // namespace viaduct::sessions
