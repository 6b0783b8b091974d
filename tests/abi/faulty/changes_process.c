/* Changes the working folder and a signal's handler of the whole process. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <unistd.h>
#define START start_rude
#include "backend.h"
static void start_rude(viaduct_instance* self, uint64_t call) {
  if (chdir("/") != 0) abort();
  signal(SIGUSR1, SIG_IGN);
  start(self, call);
}
