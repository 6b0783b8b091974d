/* Start always fails, and says why. */
#define START start_fails
#include "backend.h"
static void start_fails(viaduct_instance* self, uint64_t call) {
  complete(self->host, call, VIADUCT_E_UNAVAILABLE, "the agent does not answer", "");
}
