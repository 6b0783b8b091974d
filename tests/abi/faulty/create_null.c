/* Create returns null and does not say why. */
#define CREATE create_null
#include "backend.h"
static viaduct_instance* create_null(const viaduct_host* host, viaduct_str config) {
  (void)host;
  (void)config;
  return NULL;
}
