/* Crashes in prompt. */
#define PROMPT prompt_crashes
#include "backend.h"
static void prompt_crashes(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  (void)self;
  (void)call;
  (void)what;
  abort();
}
