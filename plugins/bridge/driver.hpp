// One kind of thing that answers: what the plugin asks of it. All on the plugin's thread, which is
// the loop's; the plugin owns its one driver.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>
#include <viaduct/sdk/backend.hpp>

namespace viaduct::bridge {

// What `viaduct doctor` shows: whether something that is needed is there, and if not, what to do.
struct Check {
  std::string name;
  bool ok = true;
  std::string message;
  sdk::Code code = sdk::Code::kOk;  // of what is not ok
};

class Driver {
 public:
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  // As sdk::Backend has them.
  virtual sdk::Abilities abilities() const = 0;
  virtual void open(const sdk::Open& open, sdk::Reply reply) = 0;
  virtual void restore(const sdk::Open& open, sdk::Reply reply) = 0;
  virtual void resumed(const sdk::Open& /*open*/, sdk::Reply reply) { reply.ok(); }
  virtual void inject(const sdk::Open& open, sdk::Reply reply) = 0;
  virtual void prompt(const sdk::Prompt& prompt, sdk::Turn turn) = 0;
  virtual void cancel(std::uint64_t session, std::uint64_t turn, sdk::Reply reply) = 0;
  virtual void compact(std::uint64_t session, sdk::Reply reply) = 0;
  virtual void close(std::uint64_t session, bool ended, sdk::Reply reply) = 0;
  virtual void writable(std::uint64_t session) = 0;

  // Answers once, within seconds.
  virtual void check(std::function<void(std::vector<Check>)> done) = 0;
  // The part of it that may be asked for often.
  virtual void health(std::function<void(std::vector<Check>)> done) { check(std::move(done)); }
  // Ends what is open; nothing but the destructor comes after that.
  virtual void stop(sdk::Reply reply) = 0;
};

}  // namespace viaduct::bridge
