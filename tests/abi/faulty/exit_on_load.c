/* Ends the process in a static constructor, with exit code 0. */
#include <unistd.h>
#include "backend.h"
__attribute__((constructor)) static void leave(void) {
  _exit(0);
}
