/* Goes on speaking in a turn that it has ended. */
#define PROMPT prompt_chatty
#include "backend.h"
static void prompt_chatty(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  prompt(self, call, what);
  say(self, what->session, what->turn, str("and another thing"));
}
