// `viaduct init`: looks around on this machine, asks, and writes the first configuration. Blocks;
// main's thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace viaduct::cli {

struct InitOptions {
  std::string output;                // empty: ~/.config/viaduct/viaduct.yaml
  bool yes = false;                  // do not ask, also on a terminal
  bool ask = false;                  // ask, also without one
  bool force = false;                // replace the file; the old one is kept beside it
  std::vector<std::uint16_t> ports;  // to look for model servers on; empty: the usual ones
};

// The file is there, whole and without errors, or not at all (and what was there before is).
int init(const InitOptions& options);

}  // namespace viaduct::cli
