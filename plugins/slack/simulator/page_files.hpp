// The web page, embedded: what cmake/EmbedPage.cmake makes of page/, or nothing when the build is
// without web pages (VIADUCT_WEB=OFF). Any thread.
#pragma once

#include <span>
#include <string_view>

namespace viaduct::slack::simulator {

struct PageFile {
  std::string_view path;  // below the mount, begins with '/'; "/" is the page itself
  std::string_view content_type;
  std::string_view data;
  std::string_view gzip;  // the same compressed; may be empty
  bool immutable;         // the path has a hash of the content
};

// The memory is the library's own and stays.
std::span<const PageFile> page_files();

}  // namespace viaduct::slack::simulator
