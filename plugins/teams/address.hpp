// Addresses of the service and of Microsoft's logins: taken apart by libcurl, which connects to
// them, compared, and held against the hosts that are trusted. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::teams {

struct Address {
  bool is_secure = false;    // https
  bool is_loopback = false;  // localhost, 127.0.0.0/8 or ::1, written out
  std::string host;          // in lower case; [::1] with its brackets
  std::string port;          // empty: the scheme's own
  std::string path;          // begins with a slash

  std::string origin() const;  // scheme://host[:port]
};

// Nothing: no http or https, a user name, query or fragment in it, or a host that could be read in
// two ways.
std::optional<Address> parse_address(std::string_view url);

// Whether it leads to this computer itself.
bool is_loopback_url(std::string_view url);
// The same of what a Host header says: a host, and a port or none.
bool is_loopback_authority(std::string_view host);

// Whether two service URLs are the same: scheme, host in any case, port and path; one slash at the
// end is of no matter.
bool same_service(std::string_view one, std::string_view other);

// Names of hosts: "smba.trafficmanager.net" is that one and no other, "*.botframework.com" is every
// name below botframework.com, but not that itself.
class Hosts {
 public:
  Hosts() = default;
  explicit Hosts(std::vector<std::string> patterns);

  bool has(std::string_view host) const;
  // https to one of the hosts, on the usual port; or any scheme and port where the host is of this
  // computer and is on the list.
  bool trusts(std::string_view url) const;

 private:
  std::vector<std::string> patterns_;  // in lower case
};

}  // namespace viaduct::teams
