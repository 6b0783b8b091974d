/* Never answers a request. */
#define REQUEST request_never
#include "surface.h"
static void request_never(viaduct_instance* self, uint64_t exchange,
                          const viaduct_http_request* what) {
  (void)self;
  (void)exchange;
  (void)what;
}
