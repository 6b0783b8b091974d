/* Close does not answer the open turn. */
#define CLOSE close_hasty
#include "backend.h"
static void close_hasty(viaduct_instance* self, uint64_t call, uint64_t handle, uint32_t ended) {
  session* of = find(self, handle);
  if (of != NULL) of->prompt = 0;
  close_session(self, call, handle, ended);
}
