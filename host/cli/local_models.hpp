// Model servers on this machine: who answers GET /v1/models on which port, and with what. Any
// thread; blocks.
#pragma once

#include "host/cli/init.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::cli {

// Asks all ports of 127.0.0.1 at once, each within `limit`; in the order of the ports. Says of each
// server whether somebody else runs it: anybody may listen on a port, and be told all that is said.
std::vector<LocalServer> find_model_servers(const std::vector<std::uint16_t>& ports,
                                            std::chrono::milliseconds limit);

// Whose socket listens on this port of 127.0.0.1, by what /proc/net/tcp and tcp6 say; nullopt: none
// is there, or it cannot be known.
std::optional<std::uint32_t> listener(std::string_view tcp, std::string_view tcp6,
                                      std::uint16_t port);

// local_models_json.cpp: the models of an answer; nullopt when it is none of a model server. Names
// that would not do in a line of text are left out.
std::optional<std::vector<std::string>> parse_models(std::string_view body);

}  // namespace viaduct::cli
