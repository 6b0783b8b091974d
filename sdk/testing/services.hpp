// The tables that the fake host hands to a plugin. Internal.
#pragma once

#include <viaduct/abi.h>

namespace viaduct::testing {

struct Core;

viaduct_host host_table();
// The service by this id, or null.
const void* service_table(Core& core, const char* id);

}  // namespace viaduct::testing
