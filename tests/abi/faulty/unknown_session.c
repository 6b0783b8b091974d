/* Speaks of a session that was never opened. */
#define PROMPT prompt_elsewhere
#include "backend.h"
static void prompt_elsewhere(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  say(self, what->session + 1000000, 0, str("is anybody there?"));
  prompt(self, call, what);
}
