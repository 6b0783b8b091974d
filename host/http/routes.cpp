#include "host/http/routes.hpp"

#include "host/http/uri.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>

#include <algorithm>
#include <ranges>
#include <set>

namespace viaduct::http {
namespace {

// "/a/b" → a, b; "/" → one empty segment.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    segments.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return segments;
}

bool token_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

std::string etag(std::string_view data, std::string_view suffix) {
  const boost::uuids::uuid hash = boost::uuids::name_generator_sha1(boost::uuids::uuid{})(
      static_cast<const void*>(data.data()), data.size());
  std::string text = "\"";
  for (const std::uint8_t byte : hash) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text.append(suffix).append("\"");
}

}  // namespace

Result<std::vector<RouteTable::Segment>> RouteTable::parse_pattern(std::string_view pattern) {
  const auto bad = [&](std::string_view why) {
    return fail(Errc::invalid_argument,
                "route pattern \"" + std::string(pattern) + "\": " + std::string(why));
  };
  if (!pattern.starts_with('/')) return bad("it does not begin with a slash");
  std::vector<Segment> segments;
  std::set<std::string, std::less<>> names;
  const auto parts = split(pattern);
  for (const std::string_view part : parts) {
    if (!part.starts_with('{')) {
      if (part.find_first_of("{}?#%") != std::string_view::npos || part == "." || part == "..")
        return bad("\"" + std::string(part) + "\" is no segment of a path");
      segments.push_back({Segment::Kind::literal, std::string(part)});
      continue;
    }
    if (!part.ends_with('}')) return bad("a { without its }");
    const bool rest = part.starts_with("{*");
    const std::string_view name = part.substr(rest ? 2 : 1, part.size() - (rest ? 3 : 2));
    if (name.empty() || !std::ranges::all_of(name, token_character))
      return bad("a name is made of letters, digits and _");
    if (!names.insert(std::string(name)).second)
      return bad("{" + std::string(name) + "} is there twice");
    if (rest && segments.size() + 1 != parts.size()) return bad("{*…} can only be the last");
    segments.push_back({rest ? Segment::Kind::rest : Segment::Kind::param, std::string(name)});
  }
  return segments;
}

bool RouteTable::before(const Route& a, const Route& b) {
  for (std::size_t i = 0; i < a.segments.size() && i < b.segments.size(); ++i)
    if (a.segments[i].kind != b.segments[i].kind) return a.segments[i].kind < b.segments[i].kind;
  return a.segments.size() > b.segments.size();
}

Result<> RouteTable::add(std::string method, std::string pattern, std::uint32_t flags,
                         std::uint64_t token) {
  if (method.empty() || !std::ranges::all_of(method, [](char c) { return c >= 'A' && c <= 'Z'; }))
    return fail(Errc::invalid_argument, "route method \"" + method + "\": capital letters only");
  if ((flags & VIADUCT_ROUTE_WEBSOCKET) != 0 && method != "GET")
    return fail(Errc::invalid_argument, "a WebSocket route is a GET, not a " + method);
  auto segments = parse_pattern(pattern);
  if (!segments) return std::unexpected(segments.error());
  Route route{std::move(method), std::move(*segments), flags, token};
  const auto shape_equal = [](const Segment& a, const Segment& b) {
    return a.kind == b.kind && (a.kind != Segment::Kind::literal || a.text == b.text);
  };
  for (const Route& other : routes_)
    if (other.method == route.method &&
        std::ranges::equal(other.segments, route.segments, shape_equal))
      return fail(Errc::invalid_argument, "there is a route for " + route.method + " " + pattern);
  routes_.insert(std::ranges::upper_bound(routes_, route, before), std::move(route));
  return {};
}

Result<> RouteTable::add_files(std::span<const File> files) {
  std::map<std::string, std::shared_ptr<const StaticFile>, std::less<>> added;
  for (const File& file : files) {
    if (!file.path.starts_with('/') || files_.contains(file.path) || added.contains(file.path))
      return fail(Errc::invalid_argument, "static file \"" + file.path +
                                              "\": its path begins with a slash and is there once");
    if (file.content_type.empty() ||
        !std::ranges::all_of(file.content_type, [](char c) { return c >= 0x20 && c < 0x7f; }))
      return fail(Errc::invalid_argument,
                  "static file \"" + file.path + "\": it needs a content type");
    auto served = std::make_shared<StaticFile>();
    served->content_type = file.content_type;
    served->data = file.data;
    served->gzip = file.gzip;
    served->etag = etag(file.data, "");
    if (!file.gzip.empty()) served->gzip_etag = etag(file.gzip, "-gz");
    served->immutable = file.immutable;
    added.emplace(file.path, std::move(served));
  }
  files_.merge(added);
  return {};
}

bool RouteTable::fits(const Route& route, const std::vector<std::string_view>& path) {
  for (std::size_t i = 0; i < route.segments.size(); ++i) {
    const Segment& segment = route.segments[i];
    if (i >= path.size()) return false;
    if (segment.kind == Segment::Kind::rest) return true;
    if (segment.kind == Segment::Kind::literal ? path[i] != segment.text : path[i].empty())
      return false;
  }
  return route.segments.size() == path.size();
}

RouteTable::Match RouteTable::match(std::string_view method, std::string_view path,
                                    Which which) const {
  Match result;
  std::vector<std::string_view> methods;
  const auto know = [&](std::string_view name) {
    result.path_known = true;
    if (std::ranges::find(methods, name) == methods.end()) methods.push_back(name);
  };
  if (which != Which::public_only) {
    if (const auto file = files_.find(path); file != files_.end()) {
      know("GET");
      if (method == "GET" || method == "HEAD") {
        result.found = true;
        result.file = file->second;
        return result;
      }
    }
  }
  const auto segments = split(path);
  const Route* best = nullptr;
  const Route* as_get = nullptr;
  for (const Route& route : routes_) {
    const bool is_public = (route.flags & VIADUCT_ROUTE_PUBLIC) != 0;
    if ((which == Which::public_only && !is_public) || (which == Which::private_only && is_public))
      continue;
    if (!fits(route, segments)) continue;
    if (route.method == method) {
      best = &route;
      break;
    }
    if (method == "HEAD" && route.method == "GET" && !as_get &&
        (route.flags & VIADUCT_ROUTE_WEBSOCKET) == 0)
      as_get = &route;
    know(route.method);
  }
  if (!best) best = as_get;
  if (best) {
    result.path_known = result.found = true;
    result.token = best->token;
    result.flags = best->flags;
    for (std::size_t i = 0; i < best->segments.size(); ++i) {
      const Segment& segment = best->segments[i];
      if (segment.kind == Segment::Kind::literal) continue;
      const std::string_view first = segments[i];
      const auto size = segment.kind == Segment::Kind::rest
                            ? static_cast<std::size_t>(path.data() + path.size() - first.data())
                            : first.size();
      result.params.push_back({segment.text, std::string(first.data(), size)});
    }
    return result;
  }
  if (!result.path_known) return result;
  if (std::ranges::find(methods, "GET") != methods.end()) know("HEAD");
  know("OPTIONS");
  std::ranges::sort(methods);
  for (const std::string_view name : methods)
    result.allow.append(result.allow.empty() ? "" : ", ").append(name);
  return result;
}

}  // namespace viaduct::http
