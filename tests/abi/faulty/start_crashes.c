/* Crashes in start. */
#define START start_crashes
#include "backend.h"
static void start_crashes(viaduct_instance* self, uint64_t call) {
  (void)self;
  (void)call;
  abort();
}
