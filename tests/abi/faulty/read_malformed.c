/* What was said in a discovered session is no list of entries. */
#define READ read_badly
#include "backend.h"
static void read_badly(viaduct_instance* self, uint64_t call, viaduct_str native_id) {
  (void)native_id;
  complete(self->host, call, VIADUCT_OK, "", "{\"working_dir\":\"/left\",\"entries\":{}}");
}
