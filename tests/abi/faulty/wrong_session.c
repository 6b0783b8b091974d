/* Says everything twice, the second time in the session before. */
#define PROMPT prompt_crossed
#include "backend.h"
static void prompt_crossed(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  if (find(self, what->session - 1) != NULL) say(self, what->session - 1, 0, what->text);
  prompt(self, call, what);
}
