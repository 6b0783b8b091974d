/* A prompt is answered with what is no JSON. */
#define PROMPT prompt_words
#include "backend.h"
static void prompt_words(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  (void)what;
  complete(self->host, call, VIADUCT_OK, "", "all done");
}
