/* An image without its bytes, and one that is no JSON. */
#define PROMPT prompt_odd
#include "backend.h"
static void prompt_odd(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  viaduct_event event;
  memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  event.kind = VIADUCT_EVENT_CONTENT;
  event.turn = what->turn;
  event.text = str("[an image]");
  event.json = str("{\"type\":\"image\",\"data\":\"\",\"mimeType\":\"image/png\"}");
  self->sink->emit(self->host, what->session, &event);
  event.json = str("{\"type\":");
  self->sink->emit(self->host, what->session, &event);
  prompt(self, call, what);
}
