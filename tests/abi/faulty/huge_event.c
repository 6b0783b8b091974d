/* One event of 10 MB. */
#define PROMPT prompt_huge
#include "backend.h"
static void prompt_huge(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  const size_t size = (size_t)10 << 20;
  char* text = malloc(size);
  const viaduct_str all = {text, size};
  memset(text, 'x', size);
  say(self, what->session, what->turn, all);
  free(text);
  prompt(self, call, what);
}
