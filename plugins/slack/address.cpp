#include "plugins/slack/address.hpp"

#include <viaduct/chat/text.hpp>

#include <algorithm>

namespace viaduct::slack {
namespace {

constexpr std::string_view kDomains[] = {"slack.com", "slack-files.com", "slack-edge.com",
                                         "slack-gov.com"};

// scheme://host:port in lower case, as far as it is made of nothing else; empty otherwise.
std::string origin_of(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == url.npos) return {};
  const std::size_t end = std::min(url.find_first_of("/?#", colon + 3), url.size());
  const std::string_view authority = url.substr(colon + 3, end - colon - 3);
  const bool is_plain = !authority.empty() && std::ranges::all_of(authority, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".-:[]").contains(c);
  });
  const bool is_sane = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7F; }) &&
                       url.find('\\') == url.npos;
  return is_plain && is_sane ? chat::lower(url.substr(0, end)) : std::string();
}

bool is_domain(std::string_view host) {
  return std::ranges::any_of(kDomains, [&](std::string_view domain) {
    return host == domain || (host.size() > domain.size() && host.ends_with(domain) &&
                              host[host.size() - domain.size() - 1] == '.');
  });
}

}  // namespace

bool is_slack_address(std::string_view url, std::string_view base_url) {
  std::string origin = origin_of(url);
  if (origin.empty()) return false;
  if (origin == origin_of(base_url)) return true;
  constexpr std::string_view kSecure = "https://";
  if (!origin.starts_with(kSecure)) return false;
  std::string_view host = std::string_view(origin).substr(kSecure.size());
  if (host.ends_with(":443")) host.remove_suffix(4);
  return is_domain(host);
}

std::string resolved(std::string_view url, std::string_view location) {
  if (location.find("://") < location.find_first_of("/?#")) return std::string(location);
  const std::string origin = origin_of(url);
  if (origin.empty() || location.empty()) return {};
  if (location.starts_with("//"))
    return origin.substr(0, origin.find(':') + 1) + std::string(location);
  if (location.front() == '/') return origin + std::string(location);
  return {};
}

}  // namespace viaduct::slack
