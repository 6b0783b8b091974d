// The web page, embedded: what the build makes of page/ (cmake/EmbedPage.cmake), or fallback_page.cpp
// when it is built without web pages. Any thread.
#pragma once

#include <span>
#include <string_view>

namespace viaduct::page {

struct PageFile {
  std::string_view path;  // below the mount, begins with '/'; "/" is the page itself
  std::string_view content_type;
  std::string_view data;
  std::string_view gzip;  // the same compressed; may be empty
  bool immutable;         // the path has a hash of the content
};

// The memory is the library's own and stays.
std::span<const PageFile> page_files();

}  // namespace viaduct::page
