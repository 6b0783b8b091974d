/* Answers with a code that does not exist. */
#define START start_odd
#include "backend.h"
static void start_odd(viaduct_instance* self, uint64_t call) {
  complete(self->host, call, 4711, "odd", "");
}
