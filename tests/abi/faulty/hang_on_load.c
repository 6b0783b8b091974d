/* Never comes back from a static constructor. */
#include <unistd.h>
#include "backend.h"
__attribute__((constructor)) static void hang(void) {
  for (;;) pause();
}
