/* Answers a request twice. */
#define REQUEST request_twice
#include "surface.h"
static void request_twice(viaduct_instance* self, uint64_t exchange,
                          const viaduct_http_request* what) {
  request(self, exchange, what);
  if (what->route != kSocket) respond(self, exchange, 500, str("{}"));
}
