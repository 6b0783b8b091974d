#include "host/cli/local_models.hpp"

#include "host/http/local_get.hpp"

#include <pwd.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace viaduct::cli {
namespace {

constexpr std::uint32_t kSystemAccounts = 1000;  // below: made by the administrator, for services

std::string read_file(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Empty: this user, root, or the account that the server's own installer made for it.
std::string stranger(std::uint16_t port, const std::string& tcp, const std::string& tcp6) {
  const auto owner = listener(tcp, tcp6, port);
  if (!owner) return "somebody who cannot be found out";
  if (*owner == 0 || *owner == ::geteuid()) return {};
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(16384, '\0');
  ::getpwuid_r(*owner, &entry, buffer.data(), buffer.size(), &found);
  const std::string name = found != nullptr ? entry.pw_name : std::to_string(*owner);
  if (*owner < kSystemAccounts && name == "ollama") return {};
  return "the user " + name;
}

}  // namespace

std::optional<std::uint32_t> listener(std::string_view tcp, std::string_view tcp6,
                                      std::uint16_t port) {
  // Addresses as the kernel prints them, on a machine whose bytes go the usual way; the most exact
  // one is who is talked to.
  struct Place {
    std::string_view table, address;
  };
  for (const Place& place : {Place{tcp, "0100007F"}, Place{tcp, "00000000"},
                             Place{tcp6, "0000000000000000FFFF00000100007F"},
                             Place{tcp6, "00000000000000000000000000000000"}}) {
    std::istringstream lines{std::string(place.table)};
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string number, local, remote, state, queues, timer, retransmits;
      std::uint32_t user = 0;
      if (!(words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user))
        continue;
      const std::size_t colon = local.find(':');
      if (colon == std::string::npos || state != "0A") continue;
      if (local.substr(0, colon) == place.address &&
          std::strtoul(local.c_str() + colon + 1, nullptr, 16) == port)
        return user;
    }
  }
  return std::nullopt;
}

std::vector<LocalServer> find_model_servers(const std::vector<std::uint16_t>& ports,
                                            std::chrono::milliseconds limit) {
  const auto bodies = http::local_get(ports, "/v1/models", limit);
  const std::string tcp = read_file("/proc/net/tcp"), tcp6 = read_file("/proc/net/tcp6");
  std::vector<LocalServer> servers;
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (auto models = bodies[i] ? parse_models(*bodies[i]) : std::nullopt)
      servers.push_back({ports[i], std::move(*models), stranger(ports[i], tcp, tcp6)});
  return servers;
}

}  // namespace viaduct::cli
