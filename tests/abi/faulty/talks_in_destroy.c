/* Logs in destroy, after stop was answered. */
#define DESTROY destroy_chatty
#include "backend.h"
static void destroy_chatty(viaduct_instance* self) {
  write_log(self->host, "farewell");
  destroy(self);
}
