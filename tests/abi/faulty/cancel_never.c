/* Cancel is never answered. */
#define CANCEL cancel_never
#include "backend.h"
static void cancel_never(viaduct_instance* self, uint64_t call, uint64_t handle, uint64_t turn) {
  (void)self;
  (void)call;
  (void)handle;
  (void)turn;
}
