/* Stop is answered only if it was started. */
#define START start_noting
#define STOP stop_noting
#include "backend.h"
static void start_noting(viaduct_instance* self, uint64_t call) {
  self->stopped = 1; /* started */
  complete(self->host, call, VIADUCT_OK, "", "");
}
static void stop_noting(viaduct_instance* self, uint64_t call) {
  if (self->stopped) stop(self, call);
}
