/* Its loop does not heed wake. */
#define WITH_LOOP
#define LOOP_WAKE wake_ignored
#include "backend.h"
static void wake_ignored(viaduct_instance* self) {
  (void)self;
}
