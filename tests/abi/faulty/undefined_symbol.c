/* Needs a function that nobody has. */
int viaduct_no_such_function(void);
#define START start_undefined
#include "backend.h"
static void start_undefined(viaduct_instance* self, uint64_t call) {
  complete(self->host, call, viaduct_no_such_function(), "", "");
}
