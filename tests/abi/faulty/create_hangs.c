/* Create never returns. */
#include <unistd.h>
#define CREATE create_hangs
#include "backend.h"
static viaduct_instance* create_hangs(const viaduct_host* host, viaduct_str config) {
  (void)host;
  (void)config;
  for (;;) pause();
  return NULL;
}
