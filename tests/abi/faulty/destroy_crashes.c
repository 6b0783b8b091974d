/* Crashes in destroy. */
#define DESTROY destroy_crashes
#include "backend.h"
static void destroy_crashes(viaduct_instance* self) {
  destroy(self);
  abort();
}
