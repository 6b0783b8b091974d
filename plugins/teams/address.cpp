#include "plugins/teams/address.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/src.hpp>  // the library itself, in this file only

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace viaduct::teams {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

bool is_name(std::string_view host) {
  return std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

bool is_usual_port(const Address& address) {
  return address.port.empty() || address.port == (address.is_secure ? "443" : "80");
}

std::string_view without_slash(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

}  // namespace

std::string Address::origin() const {
  std::string text = is_secure ? "https://" : "http://";
  text += host;
  if (!is_usual_port(*this)) text += ":" + port;
  return text;
}

std::optional<Address> parse_address(std::string_view url) {
  namespace urls = boost::urls;
  constexpr std::size_t kLongest = 2048;
  if (url.size() > kLongest) return std::nullopt;
  const auto parsed = urls::parse_uri({url.data(), url.size()});
  if (!parsed || parsed->has_userinfo() || parsed->has_query() || parsed->has_fragment())
    return std::nullopt;
  const auto scheme = parsed->scheme_id();
  if (scheme != urls::scheme::https && scheme != urls::scheme::http) return std::nullopt;
  Address address;
  address.is_secure = scheme == urls::scheme::https;
  address.host =
      lower(std::string_view(parsed->encoded_host().data(), parsed->encoded_host().size()));
  switch (parsed->host_type()) {
    case urls::host_type::name:
      if (address.host.empty() || !is_name(address.host)) return std::nullopt;
      address.is_loopback = address.host == "localhost";
      break;
    case urls::host_type::ipv4:
      address.is_loopback = parsed->host_ipv4_address().is_loopback();
      break;
    case urls::host_type::ipv6:
      address.is_loopback = parsed->host_ipv6_address().is_loopback();
      break;
    default: return std::nullopt;
  }
  if (parsed->has_port()) {
    const std::string_view digits(parsed->port().data(), parsed->port().size());
    std::uint16_t number = 0;
    const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (wrong != std::errc() || end != digits.data() + digits.size() || number == 0)
      return std::nullopt;
    address.port = std::to_string(number);
  }
  address.path = std::string(parsed->encoded_path().data(), parsed->encoded_path().size());
  if (address.path.empty()) address.path = "/";
  // Boost 1.81 takes ".example/" in "http://127.0.0.1.example/" for the path.
  if (!address.path.starts_with('/')) return std::nullopt;
  return address;
}

bool same_service(std::string_view one, std::string_view other) {
  const auto a = parse_address(one), b = parse_address(other);
  return a && b && a->origin() == b->origin() && without_slash(a->path) == without_slash(b->path);
}

Hosts::Hosts(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {
  for (std::string& pattern : patterns_) pattern = lower(pattern);
}

bool Hosts::has(std::string_view host) const {
  const std::string name = lower(host);
  return std::ranges::any_of(patterns_, [&](const std::string& pattern) {
    if (!pattern.starts_with("*.")) return name == pattern;
    const std::string_view tail = std::string_view(pattern).substr(1);
    return name.size() > tail.size() && name.ends_with(tail) &&
           name[name.size() - tail.size() - 1] != '.';
  });
}

bool Hosts::trusts(std::string_view url) const {
  const auto address = parse_address(url);
  if (!address || !has(address->host)) return false;
  return address->is_loopback || (address->is_secure && is_usual_port(*address));
}

}  // namespace viaduct::teams
