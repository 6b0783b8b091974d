/* Crashes when it is stopped a second time. */
#define STOP stop_once
#include "backend.h"
static void stop_once(viaduct_instance* self, uint64_t call) {
  if (self->stopped) abort();
  self->stopped = 1;
  stop(self, call);
}
