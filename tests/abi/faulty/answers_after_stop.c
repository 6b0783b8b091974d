/* Answers stop first and then the open turn. */
#define STOP stop_first
#include "backend.h"
static void stop_first(viaduct_instance* self, uint64_t call) {
  session* at;
  complete(self->host, call, VIADUCT_OK, "", "");
  for (at = self->sessions; at != NULL; at = at->next) end_turn(self, at, "end_turn");
}
