#include "tests/fuzz/slack_feed.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  viaduct::slack::feed_markdown({reinterpret_cast<const char*>(data), size});
  return 0;
}
