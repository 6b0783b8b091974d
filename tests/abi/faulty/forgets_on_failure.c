/* Leaves a request unanswered when the sessions service fails. */
#define COMPLETED completed_hopeful
#include "surface.h"
static void completed_hopeful(viaduct_instance* self, uint64_t call, const viaduct_status* status,
                              viaduct_str result) {
  if (status->code == VIADUCT_OK) completed(self, call, status, result);
}
