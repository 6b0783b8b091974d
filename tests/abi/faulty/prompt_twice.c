/* A prompt is answered twice. */
#define PROMPT prompt_twice
#include "backend.h"
static void prompt_twice(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  prompt(self, call, what);
  complete(self->host, call, VIADUCT_E_UNAVAILABLE, "again", "");
}
