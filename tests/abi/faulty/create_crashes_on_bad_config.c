/* Crashes in create when the configuration is not what it expects. */
#define CREATE create_careless
#include "backend.h"
static viaduct_instance* create_careless(const viaduct_host* host, viaduct_str config) {
  if (!is_object(config)) abort();
  return create(host, config);
}
