// The simulator's page at /simulator/ below the mount, and its live connection to the StandIn. For
// this computer only. On the loop's thread; owned by the plugin.
#pragma once

#include "plugins/slack/simulator/stand_in.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include <viaduct/sdk/http.hpp>

namespace viaduct::slack::simulator {

class Simulator {
 public:
  Simulator(const sdk::Host& host, std::string command);

  const std::shared_ptr<StandIn>& stand_in() const { return stand_in_; }
  // Makes the routes.
  void begin();
  // Until then nothing that people do is taken.
  void open() { is_open_ = true; }
  // Says so to the pages.
  void close();

 private:
  class Page;
  struct Watching {
    sdk::WebSocket socket;
    bool is_behind = false;
  };

  void watch(const sdk::Request& request, sdk::Exchange exchange);
  void act(const sdk::Request& request, sdk::Exchange exchange);
  void tell(const std::string& change);
  void catch_up(std::uint64_t page);

  sdk::Http http_;
  const std::string name_;  // of the surface
  const std::shared_ptr<StandIn> stand_in_;
  std::vector<std::string> paths_;  // of the files, which the host does not copy
  std::map<std::uint64_t, Watching> pages_;
  bool is_open_ = false;
};

}  // namespace viaduct::slack::simulator
