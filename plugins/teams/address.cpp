#include "plugins/teams/address.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <viaduct/chat/text.hpp>

namespace viaduct::teams {
namespace {

using chat::lower;

struct CurlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
};
using Url = std::unique_ptr<CURLU, CurlFree>;

// Empty: it has none.
std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  const std::unique_ptr<char, CurlFree> owned(text);
  return text;
}

bool is_loopback_host(const std::string& host) {
  std::array<unsigned char, 4> address{};
  if (inet_pton(AF_INET, host.c_str(), address.data()) == 1) return address[0] == 127;
  return host == "localhost" || host == "[::1]";
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

std::optional<Address> parse_address(std::string_view text) {
  constexpr std::size_t kLongest = 2048;
  const bool is_plain =
      text.size() <= kLongest && std::ranges::all_of(text, [](char c) {
        return c > ' ' && c < 0x7F &&
               std::string_view("\\\"<>^`{|}?#").find(c) == std::string_view::npos;
      });
  const Url url(is_plain ? curl_url() : nullptr);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK)
    return std::nullopt;
  const std::string scheme = part(url.get(), CURLUPART_SCHEME);
  if (scheme != "https" && scheme != "http") return std::nullopt;
  Address address;
  address.is_secure = scheme == "https";
  address.host = lower(part(url.get(), CURLUPART_HOST));
  address.port = part(url.get(), CURLUPART_PORT);
  address.path = part(url.get(), CURLUPART_PATH);
  address.is_loopback = is_loopback_host(address.host);
  // What is written is what is meant: no user name, no %2e, no 0x7f.1 and no missing slash.
  const std::string meant =
      address.host + (address.port.empty() ? std::string() : ":" + address.port);
  const std::size_t begin = scheme.size() + 3;
  const std::size_t end = std::min(text.find('/', begin), text.size());
  const bool is_as_written = text.size() > begin && text.substr(scheme.size(), 3) == "://" &&
                             lower(text.substr(begin, end - begin)) == meant;
  const bool is_name =
      address.host.starts_with('[') || std::ranges::all_of(address.host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
      });
  if (address.host.empty() || !is_as_written || !is_name || address.port == "0")
    return std::nullopt;
  return address;
}

bool is_loopback_url(std::string_view url) {
  const auto address = parse_address(url);
  return address && address->is_loopback;
}

bool is_loopback_authority(std::string_view host) {
  const auto address = parse_address("http://" + std::string(host));
  return address && address->is_loopback && host.find('/') == host.npos;
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
