// How answers look on the wire. Pure functions; any thread.
#pragma once

#include "host/http/server.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace viaduct::http {

// {"error": message}, or a plain page for a person's browser.
Response error_response(unsigned status, std::string_view message, bool as_page = false);

enum class Framing {
  length,       // Content-Length
  chunked,      // Transfer-Encoding: chunked
  until_close,  // HTTP/1.0
  none          // 1xx, 204, 304
};
enum class Persistence { implied, keep_alive, close };

struct HeadOptions {
  Framing framing = Framing::length;
  std::size_t length = 0;
  Persistence persistence = Persistence::implied;
  std::string_view date;
  std::string_view request_id;
};

// Appends status line and headers, the host's own ones last, up to the empty line. Headers that
// are the host's, or that are no valid header, are left out; answers how many of the latter.
std::size_t append_head(std::string& out, unsigned status, const std::vector<Header>& headers,
                        const HeadOptions& options);

// One chunk of the chunked encoding; nothing for an empty piece, which would end the answer.
void append_chunk(std::string& out, std::string_view piece);

std::string_view security_headers();
std::string http_date(std::time_t now);

// "" at the end where an answer has no body by its status.
bool has_no_body(unsigned status);

}  // namespace viaduct::http
