/* None: it speaks and answers from a thread of its own, which is allowed. */
#include <pthread.h>
#define PROMPT prompt_elsewhere
#include "backend.h"
typedef struct work {
  viaduct_instance* self;
  uint64_t call;
  const viaduct_prompt* what;
} work;
static void* run(void* argument) {
  const work* one = argument;
  prompt(one->self, one->call, one->what);
  return NULL;
}
static void prompt_elsewhere(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  pthread_t thread;
  work one = {self, call, what};
  if (pthread_create(&thread, NULL, run, &one) != 0) abort();
  pthread_join(thread, NULL);
}
