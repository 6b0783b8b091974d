/* Goes on sending on a WebSocket that was closed. */
#define CLOSED closed_chatty
#include "surface.h"
static void closed_chatty(viaduct_instance* self, uint64_t exchange, uint16_t code,
                          viaduct_str reason) {
  int i;
  closed(self, exchange, code, reason);
  for (i = 0; i < 10000; ++i) self->http->send(self->host, exchange, str("hello?"));
}
