/* Answers a purge twice. */
#define PURGE purge_twice
#include "backend.h"
static void purge_twice(viaduct_instance* self, uint64_t call, const viaduct_open* open) {
  purge(self, call, open);
  purge(self, call, open);
}
