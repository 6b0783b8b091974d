/* Starts a thread that never ends. */
#include <pthread.h>
#include <unistd.h>
#define START start_thread
#include "backend.h"
static void* sleeper(void* argument) {
  (void)argument;
  for (;;) pause();
  return NULL;
}
static void start_thread(viaduct_instance* self, uint64_t call) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, sleeper, NULL) == 0) pthread_detach(thread);
  start(self, call);
}
