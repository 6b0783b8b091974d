/* Waits for ever after the host was busy. */
#define WRITABLE writable_not
#include "backend.h"
static void writable_not(viaduct_instance* self, uint64_t handle) {
  (void)self;
  (void)handle;
}
