#include "tests/fuzz/acp_feed.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  viaduct::acp::feed({reinterpret_cast<const char*>(data), size});
  return 0;
}
