/* Crashes in create. */
#define CREATE create_crashes
#include "backend.h"
static viaduct_instance* create_crashes(const viaduct_host* host, viaduct_str config) {
  (void)host;
  (void)config;
  abort();
}
