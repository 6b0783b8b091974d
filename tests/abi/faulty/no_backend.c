/* A backend that does not offer viaduct.backend/1. */
#define INTERFACE nothing
#include "backend.h"
static const void* nothing(viaduct_instance* self, const char* id) {
  (void)self;
  (void)id;
  return NULL;
}
