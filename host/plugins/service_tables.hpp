// The service tables that have a file of their own. The same for every instance; any thread.
#pragma once

#include <viaduct/abi.h>

namespace viaduct::plugins {

const viaduct_http& http_table();
const viaduct_sessions& sessions_table();
const viaduct_sink& sink_table();
const viaduct_delivery& delivery_table();

}  // namespace viaduct::plugins
