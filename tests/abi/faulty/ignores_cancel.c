/* Answers cancel, but the turn goes on as if nothing had been said. */
#define CANCEL cancel_not
#define WRITABLE writable_not
#include "backend.h"
static void cancel_not(viaduct_instance* self, uint64_t call, uint64_t handle, uint64_t turn) {
  (void)turn;
  answer(self, call, handle, NULL);
}
static void writable_not(viaduct_instance* self, uint64_t handle) {
  session* of = find(self, handle);
  if (of != NULL && of->prompt != 0 && of->turn == 1) go_on(self, of);
}
