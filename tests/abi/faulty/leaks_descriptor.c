/* Opens a file that it never closes. */
#include <fcntl.h>
#define START start_open
#include "backend.h"
static void start_open(viaduct_instance* self, uint64_t call) {
  if (open("/dev/null", O_RDONLY) < 0) abort();
  start(self, call);
}
