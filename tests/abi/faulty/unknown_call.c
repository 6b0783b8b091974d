/* Answers a call that nobody made. */
#define START start_confused
#include "backend.h"
static void start_confused(viaduct_instance* self, uint64_t call) {
  complete(self->host, UINT64_MAX - 1, VIADUCT_OK, "", "");
  complete(self->host, call, VIADUCT_OK, "", "");
}
