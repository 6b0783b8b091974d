/* Create always fails, and says why. */
#define CREATE create_fails
#include "backend.h"
static viaduct_instance* create_fails(const viaduct_host* host, viaduct_str config) {
  (void)config;
  fail(host, VIADUCT_E_FAILED_PRECONDITION, "the agent is not installed");
  return NULL;
}
