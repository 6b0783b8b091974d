// The driver `llm`: each session is a conversation that is sent, whole, to an HTTP model server
// with every turn. Nothing is kept but in memory: the host's log is the truth, and after a restart
// the host injects it.
#pragma once

#include "plugins/bridge/config.hpp"
#include "plugins/bridge/driver.hpp"

#include <memory>
#include <viaduct/net/loop.hpp>

namespace viaduct::bridge {

// `loop` outlives it.
std::unique_ptr<Driver> make_llm_driver(const sdk::Host& host, net::Loop& loop,
                                        const Config& config);

}  // namespace viaduct::bridge
