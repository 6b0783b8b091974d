/* Registers the same route twice. */
#define START start_twice
#include "surface.h"
static void start_twice(viaduct_instance* self, uint64_t call) {
  self->http->route(self->host, str("GET"), str("/hello"), 0, kHello);
  start(self, call);
}
