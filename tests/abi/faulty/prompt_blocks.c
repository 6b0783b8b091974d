/* A prompt blocks the thread for ever. */
#include <unistd.h>
#define PROMPT prompt_blocks
#include "backend.h"
static void prompt_blocks(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  (void)self;
  (void)call;
  (void)what;
  for (;;) pause();
}
