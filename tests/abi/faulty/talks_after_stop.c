/* Logs after stop was answered. */
#define STOP stop_chatty
#include "backend.h"
static void stop_chatty(viaduct_instance* self, uint64_t call) {
  const viaduct_log* log = self->host->service(self->host, VIADUCT_LOG);
  stop(self, call);
  log->write(self->host, VIADUCT_LOG_INFO, str("and another thing"));
}
