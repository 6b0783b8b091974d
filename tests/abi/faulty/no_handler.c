/* Has routes, but no viaduct.http-handler/1. */
#define INTERFACE without_handler
#include "surface.h"
static const void* without_handler(viaduct_instance* self, const char* id) {
  return strcmp(id, VIADUCT_HTTP_HANDLER) == 0 ? NULL : good_interface(self, id);
}
