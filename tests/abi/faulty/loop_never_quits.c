/* Its loop does not heed quit. */
#define WITH_LOOP
#define LOOP_QUIT quit_ignored
#include "backend.h"
static void quit_ignored(viaduct_instance* self) {
  (void)self;
}
