#include "host/http/uri.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace viaduct::http {
namespace {

constexpr std::string_view kScheme = "http://";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Lower case without going through the locale.
std::string lowered(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

bool host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

Result<std::string> decoded(std::string_view raw) {
  std::string path;
  path.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const int high = i + 2 < raw.size() ? hex(raw[i + 1]) : -1;
      const int low = i + 2 < raw.size() ? hex(raw[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(Errc::invalid_argument, "the path has a malformed percent-encoding");
      c = static_cast<char>(high * 16 + low);
      // An encoded separator would mean one thing here and another to whoever splits the path.
      if (c == '/') return fail(Errc::invalid_argument, "the path has an encoded slash");
      i += 2;
    }
    if (c == '\\') return fail(Errc::invalid_argument, "the path has a backslash");
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return fail(Errc::invalid_argument, "the path has a control character");
    path += c;
  }
  if (!valid_utf8(path)) return fail(Errc::invalid_argument, "the path is not UTF-8");
  return path;
}

// RFC 3986 section 5.2.4, but climbing above the root is an error.
Result<std::string> without_dots(std::string path) {
  if (path.find("/.") == std::string::npos) return path;
  std::vector<std::string_view> kept;
  const std::string_view all = path;
  bool folder = false;
  for (std::size_t at = 1; at <= all.size();) {
    const std::size_t end = std::min(all.find('/', at), all.size());
    const std::string_view segment = all.substr(at, end - at);
    folder = segment == "." || segment == "..";
    if (segment == "..") {
      if (kept.empty()) return fail(Errc::invalid_argument, "the path climbs above the root");
      kept.pop_back();
    } else if (segment != ".") {
      kept.push_back(segment);
    }
    at = end + 1;
  }
  std::string result;
  for (const std::string_view segment : kept) result.append("/").append(segment);
  if (folder || result.empty()) result += '/';
  return result;
}

}  // namespace

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (same_ignoring_case(trimmed(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::optional<Authority> parse_authority(std::string_view text) {
  Authority result;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    in6_addr address;
    if (inet_pton(AF_INET6, std::string(text.substr(1, end - 1)).c_str(), &address) != 1)
      return std::nullopt;
    char canonical[INET6_ADDRSTRLEN];
    if (!inet_ntop(AF_INET6, &address, canonical, sizeof canonical)) return std::nullopt;
    result.host = "[" + std::string(canonical) + "]";
    rest = text.substr(end + 1);
  } else {
    const std::size_t end = std::min(text.find(':'), text.size());
    result.host = lowered(text.substr(0, end));
    if (result.host.empty() || !std::ranges::all_of(result.host, host_character))
      return std::nullopt;
    rest = text.substr(end);
  }
  if (rest.empty()) return result;
  if (rest.front() != ':') return std::nullopt;
  const char* first = rest.data() + 1;
  const char* last = rest.data() + rest.size();
  const auto [end, error] = std::from_chars(first, last, result.port);
  if (error != std::errc{} || end != last) return std::nullopt;
  return result;
}

std::optional<Authority> parse_origin(std::string_view text) {
  if (text.size() <= kScheme.size() || !same_ignoring_case(text.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  return parse_authority(text.substr(kScheme.size()));
}

Result<Target> parse_target(std::string_view raw) {
  Target target;
  if (raw.size() >= kScheme.size() && same_ignoring_case(raw.substr(0, kScheme.size()), kScheme)) {
    raw.remove_prefix(kScheme.size());
    const std::size_t end = std::min(raw.find_first_of("/?"), raw.size());
    target.authority = parse_authority(raw.substr(0, end));
    if (!target.authority)
      return fail(Errc::invalid_argument, "the request target names no valid host");
    raw.remove_prefix(end);
    if (raw.empty() || raw.front() == '?') {
      target.path = "/";
      if (!raw.empty()) target.query = raw.substr(1);
      return target;
    }
  }
  if (!raw.starts_with('/'))
    return fail(Errc::invalid_argument, "the request target does not begin with a slash");
  // A fragment never belongs into a request; whoever sends one reads URIs otherwise than we do.
  if (raw.find('#') != std::string_view::npos)
    return fail(Errc::invalid_argument, "the request target has a fragment");
  const std::size_t mark = std::min(raw.find('?'), raw.size());
  if (mark < raw.size()) target.query = raw.substr(mark + 1);
  if (!valid_utf8(target.query)) return fail(Errc::invalid_argument, "the query is not UTF-8");
  auto path = decoded(raw.substr(0, mark));
  if (!path) return std::unexpected(path.error());
  path = without_dots(std::move(*path));
  if (!path) return std::unexpected(path.error());
  target.path = std::move(*path);
  return target;
}

bool valid_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = p + text.size();
  const auto follows = [&](int count) {
    if (end - p <= count) return false;
    for (int i = 1; i <= count; ++i)
      if ((p[i] & 0xc0) != 0x80) return false;
    return true;
  };
  while (p < end) {
    if (*p < 0x80) {
      ++p;
    } else if (*p >= 0xc2 && *p <= 0xdf) {
      if (!follows(1)) return false;
      p += 2;
    } else if (*p >= 0xe0 && *p <= 0xef) {
      if (!follows(2)) return false;
      if (*p == 0xe0 && p[1] < 0xa0) return false;  // overlong
      if (*p == 0xed && p[1] > 0x9f) return false;  // surrogate
      p += 3;
    } else if (*p >= 0xf0 && *p <= 0xf4) {
      if (!follows(3)) return false;
      if (*p == 0xf0 && p[1] < 0x90) return false;  // overlong
      if (*p == 0xf4 && p[1] > 0x8f) return false;  // beyond U+10FFFF
      p += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace viaduct::http
