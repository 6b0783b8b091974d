#include "host/http/response.hpp"

#include "host/http/uri.hpp"

#include <boost/beast/http/status.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace viaduct::http {
namespace {

constexpr std::string_view kSecurity =
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "X-Frame-Options: DENY\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; media-src blob:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";

// Framing and security are the host's business.
constexpr std::string_view kOwn[] = {
    "connection",
    "content-length",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "keep-alive",
    "referrer-policy",
    "te",
    "trailer",
    "transfer-encoding",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
};

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool value_character(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out.append("\\").append(1, c);
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  out += '"';
}

void append_html(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
}

std::string_view reason(unsigned status) {
  const auto text = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {text.data(), text.size()};
}

}  // namespace

std::string_view security_headers() {
  return kSecurity;
}

bool has_no_body(unsigned status) {
  return status < 200 || status == 204 || status == 304;
}

Response error_response(unsigned status, std::string_view message, bool as_page) {
  Response response;
  response.status = status;
  if (as_page) {
    response.headers.push_back({"Content-Type", "text/html; charset=utf-8"});
    const std::string title = fmt::format("{} {}", status, reason(status));
    response.body =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"><title>" +
        title + "</title><link rel=\"stylesheet\" href=\"/viaduct.css\"><main><h1>" + title +
        "</h1><p>";
    append_html(response.body, message);
    response.body += "</p><p><a href=\"/\">Viaduct</a></p></main></html>\n";
  } else {
    response.headers.push_back({"Content-Type", "application/json"});
    response.body = "{\"error\":";
    append_json_string(response.body, message);
    response.body += '}';
  }
  return response;
}

std::size_t append_head(std::string& out, unsigned status, const std::vector<Header>& headers,
                        const HeadOptions& options) {
  std::size_t bad = 0;
  bool has_type = false;
  bool has_cache = false;
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason(status));
  for (const Header& header : headers) {
    if (header.name.empty() || !std::ranges::all_of(header.name, name_character) ||
        !std::ranges::all_of(header.value, value_character)) {
      ++bad;
      continue;
    }
    if (std::ranges::any_of(
            kOwn, [&](std::string_view own) { return same_ignoring_case(own, header.name); }))
      continue;
    has_type = has_type || same_ignoring_case(header.name, "content-type");
    has_cache = has_cache || same_ignoring_case(header.name, "cache-control");
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  if (!has_cache) out += "Cache-Control: no-store\r\n";
  const bool something =
      options.framing == Framing::length ? options.length > 0 : options.framing != Framing::none;
  if (!has_type && something) out += "Content-Type: text/plain; charset=utf-8\r\n";
  switch (options.framing) {
    case Framing::length:
      fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", options.length);
      break;
    case Framing::chunked: out += "Transfer-Encoding: chunked\r\n"; break;
    case Framing::until_close:
    case Framing::none: break;
  }
  if (options.persistence == Persistence::close) out += "Connection: close\r\n";
  if (options.persistence == Persistence::keep_alive) out += "Connection: keep-alive\r\n";
  out.append("Date: ").append(options.date).append("\r\n");
  if (!options.request_id.empty())
    out.append("X-Request-Id: ").append(options.request_id).append("\r\n");
  out.append(kSecurity).append("\r\n");
  return bad;
}

void append_chunk(std::string& out, std::string_view piece) {
  if (piece.empty()) return;
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", piece.size());
  out.append(piece).append("\r\n");
}

std::string http_date(std::time_t now) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                     kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace viaduct::http
