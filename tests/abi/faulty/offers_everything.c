/* Answers every interface id with the same table. */
#define INTERFACE everything
#include "backend.h"
static const void* everything(viaduct_instance* self, const char* id) {
  (void)self;
  (void)id;
  return &backend;
}
