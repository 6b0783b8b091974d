/* Goes on thinking in a turn that it has ended. */
#define PROMPT prompt_chatty
#include "backend.h"
static void prompt_chatty(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  viaduct_event event;
  memset(&event, 0, sizeof event);
  prompt(self, call, what);
  event.struct_size = sizeof event;
  event.kind = VIADUCT_EVENT_THOUGHT;
  event.turn = what->turn;
  event.text = str("and another thing");
  self->sink->emit(self->host, what->session, &event);
}
