// The public keys that sign what the service sends: fetched when the plugin starts and kept fresh
// on the plugin's loop, so that no request has to wait for them. On the loop's thread; owned by the
// plugin; what it has begun may outlive it, but not the Loop.
//
// A request that proves nothing must not make this host call out. There is one exception: a token
// whose key is not known, while everything else that is written in it is as it should be (issuer,
// audience, expiry), makes it fetch the keys, once in 60 seconds, so that a rotation of the keys
// loses no message. InboundAuth asks for it, and nobody else does.
#pragma once

#include "plugins/teams/key_rules.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <viaduct/net/loop.hpp>

namespace viaduct::teams {

class Keys {
 public:
  // One fetch that is over, for log, metrics and doctor.
  struct Report {
    bool ok = false;
    std::string message;   // what failed, or what was refused of the set; may be empty
    std::size_t keys = 0;  // in use now
    std::string date;      // of the answer's head, as it came
  };
  using Reporter = std::function<void(const Report&)>;

  // `metadata_url`: https, or http on this computer. Redirects are not followed.
  Keys(net::Loop& loop, std::string metadata_url, Reporter reporter);
  ~Keys();
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // Fetches them now, and from now on when it is due.
  void start();
  void stop();

  std::shared_ptr<const SigningKey> find(std::string_view id) const;
  std::size_t count() const;

  // For a key that is not known: waits for the fetch that runs, or begins one if the rules allow
  // it. False: there is none to wait for. At most 256 wait at once.
  net::Task<bool> ask();
  // Fetches them whatever the rules say: for doctor.
  net::Task<Report> fetch();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace viaduct::teams
