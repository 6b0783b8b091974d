/* Keeps what was said before without copying it. */
#define PROMPT prompt_keeping
#define CAN (VIADUCT_CAN_RESTORE | VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM)
#include "backend.h"
static viaduct_str kept;
static void prompt_keeping(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  viaduct_prompt late = *what;
  late.restored = kept;
  kept = what->restored;
  prompt(self, call, &late);
}
