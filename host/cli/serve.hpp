// `viaduct serve`: builds the host from its parts, runs it until it is told to stop, and takes it
// down in order.
#pragma once

#include <string>

namespace viaduct::cli {

struct ServeOptions {
  std::string config;  // as given; empty: where it usually lies
};

// Blocks until the host has stopped. 0: stopped as asked; 1: it could not start; 2: the
// configuration is wrong.
int serve(const ServeOptions& options);

}  // namespace viaduct::cli
