/* Crashes when a body is not what it expects. */
#define REQUEST request_careless
#include "surface.h"
static void request_careless(viaduct_instance* self, uint64_t exchange,
                             const viaduct_http_request* what) {
  if (what->route == kEcho && !is_object(what->body)) abort();
  request(self, exchange, what);
}
