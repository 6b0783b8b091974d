#include <cstddef>
#include <cstdint>

#include "tests/fuzz/teams_feed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  viaduct::teams::feed_html({reinterpret_cast<const char*>(data), size});
  return 0;
}
