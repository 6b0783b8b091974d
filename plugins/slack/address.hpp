// Which addresses are Slack's own: only there do tokens and files go, and only there are files
// fetched from, redirects included, so that nobody makes this host call somewhere inside. Any
// thread.
#pragma once

#include <string>
#include <string_view>

namespace viaduct::slack {

// https to a host of Slack's on its usual port, or whatever has the very scheme, host and port of
// `base_url`, that is, a stand-in for tests. User names, odd characters and addresses of networks
// are never Slack's.
bool is_slack_address(std::string_view url, std::string_view base_url);

// Where `location` leads from `url`; empty: nowhere that can be told.
std::string resolved(std::string_view url, std::string_view location);

}  // namespace viaduct::slack
