/* A prompt is never answered, not even after cancel. */
#define PROMPT prompt_never
#include "backend.h"
static void prompt_never(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  (void)self;
  (void)call;
  (void)what;
}
