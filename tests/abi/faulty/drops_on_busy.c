/* Throws away what the host could not take. */
#define PROMPT prompt_careless
#include "backend.h"
static void prompt_careless(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  size_t i;
  for (i = 0; i < what->text.size; ++i) {
    const viaduct_str letter = {what->text.data + i, 1};
    say(self, what->session, what->turn, letter);
  }
  answer(self, call, what->session, "end_turn");
}
