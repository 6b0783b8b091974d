/* Stop is never answered. */
#define STOP stop_never
#include "backend.h"
static void stop_never(viaduct_instance* self, uint64_t call) {
  (void)self;
  (void)call;
}
