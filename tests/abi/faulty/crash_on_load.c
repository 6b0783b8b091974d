/* Crashes in a static constructor. */
#include "backend.h"
__attribute__((constructor)) static void crash(void) {
  abort();
}
