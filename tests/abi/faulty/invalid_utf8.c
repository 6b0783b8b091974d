/* Text that is not UTF-8. */
#define PROMPT prompt_bytes
#include "backend.h"
static void prompt_bytes(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  say(self, what->session, what->turn, str("caf\xe9 \xed\xa0\x80 \xff"));
  prompt(self, call, what);
}
