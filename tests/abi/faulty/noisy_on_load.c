/* Writes to standard output while it is loaded. */
#include "backend.h"
__attribute__((constructor)) static void shout(void) {
  puts("ok loaded");
  fflush(stdout);
}
