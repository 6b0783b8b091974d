// The driver `cli`: each turn is one start of an agent program, which keeps the conversation itself
// and tells the id to go on with. The id may change with every turn and every compaction: the
// newest is told to the host at once and is the only one that is used.
#pragma once

#include "plugins/bridge/config.hpp"
#include "plugins/bridge/driver.hpp"
#include "plugins/bridge/transcripts.hpp"

#include <memory>
#include <viaduct/net/loop.hpp>

namespace viaduct::bridge {

// `loop` and `transcripts` outlive it. Throws sdk::Error when the preset cannot be read.
std::unique_ptr<Driver> make_cli_driver(const sdk::Host& host, net::Loop& loop,
                                        const Config& config, Transcripts& transcripts);

}  // namespace viaduct::bridge
