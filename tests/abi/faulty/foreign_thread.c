/* None: it answers from a thread of its own, which is allowed. */
#include <pthread.h>
#define PROMPT prompt_elsewhere
#include "backend.h"
typedef struct work {
  viaduct_instance* self;
  uint64_t call, handle, turn;
  char* text;
} work;
static void* run(void* argument) {
  work* one = argument;
  while (say(one->self, one->handle, one->turn, str(one->text)) == VIADUCT_FLOW_BUSY) {
  }
  answer(one->self, one->call, one->handle, "end_turn");
  free(one->text);
  free(one);
  return NULL;
}
static void prompt_elsewhere(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  pthread_t thread;
  work* one = malloc(sizeof *one);
  one->self = self;
  one->call = call;
  one->handle = what->session;
  one->turn = what->turn;
  one->text = copy(what->text);
  if (pthread_create(&thread, NULL, run, one) != 0) abort();
  pthread_detach(thread);
}
