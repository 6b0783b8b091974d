// The driver `llm`: each session is a conversation that is sent, whole, to an HTTP model server
// with every turn. It is kept in memory: the host's log is the truth, and after a restart
// the host injects it.
#pragma once

#include "plugins/bridge/config.hpp"
#include "plugins/bridge/driver.hpp"
#include "plugins/bridge/transcripts.hpp"

#include <memory>
#include <viaduct/net/loop.hpp>

namespace viaduct::bridge {

// `loop` and `transcripts` outlive it.
std::unique_ptr<Driver> make_llm_driver(const sdk::Host& host, net::Loop& loop,
                                        const Config& config, Transcripts& transcripts);

}  // namespace viaduct::bridge
