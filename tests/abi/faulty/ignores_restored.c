/* Does not look at what was said before. */
#define PROMPT prompt_forgetful
#define CAN (VIADUCT_CAN_RESTORE | VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM)
#include "backend.h"
static void prompt_forgetful(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  viaduct_prompt rest = *what;
  rest.restored = str("");
  prompt(self, call, &rest);
}
