/* Start is never answered. */
#define START start_never
#include "backend.h"
static void start_never(viaduct_instance* self, uint64_t call) {
  (void)self;
  (void)call;
}
