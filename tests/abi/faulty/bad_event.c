/* A tool call without JSON, and one without its id. */
#define PROMPT prompt_odd
#include "backend.h"
static void prompt_odd(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  viaduct_event event;
  memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  event.kind = VIADUCT_EVENT_TOOL_CALL;
  event.turn = what->turn;
  event.json = str("{\"title\":");
  self->sink->emit(self->host, what->session, &event);
  event.item = str("t1");
  self->sink->emit(self->host, what->session, &event);
  prompt(self, call, what);
}
