/* Goes on and on in a session that was closed. */
#define CLOSE close_chatty
#include "backend.h"
static void close_chatty(viaduct_instance* self, uint64_t call, uint64_t handle, uint32_t ended) {
  int i;
  close_session(self, call, handle, ended);
  for (i = 0; i < 10000; ++i) say(self, handle, 0, str("hello?"));
}
