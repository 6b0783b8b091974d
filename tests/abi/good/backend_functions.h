/* What the backend of this folder does. "wait" is answered only when it is cancelled, "count N"
 * with N numbers, one event each. With WITH_LOOP it has a loop of its own. */
#include "common.h"
#ifdef WITH_LOOP
#include <semaphore.h>
#include <stdatomic.h>
#endif

typedef struct session {
  struct session* next;
  uint64_t handle;
  uint64_t prompt; /* the open call; 0: none */
  uint64_t turn;
  char* text; /* what is still to be said */
  unsigned long counted, count;
  int waits;
} session;

struct viaduct_instance {
  const viaduct_host* host;
  const viaduct_sink* sink;
  session* sessions;
  int stopped;
#ifdef WITH_LOOP
  sem_t something; /* to do, or to quit for */
  atomic_int quits;
#endif
};

static session* find(viaduct_instance* self, uint64_t handle) {
  session* at = self->sessions;
  while (at != NULL && at->handle != handle) at = at->next;
  return at;
}

static void answer(viaduct_instance* self, uint64_t call, uint64_t handle,
                   const char* stop_reason) {
  char result[128];
  snprintf(result, sizeof result, "{\"native_id\":\"echo-%llu\"%s%s%s}", (unsigned long long)handle,
           stop_reason == NULL ? "" : ",\"stop_reason\":\"", stop_reason == NULL ? "" : stop_reason,
           stop_reason == NULL ? "" : "\"");
  complete(self->host, call, VIADUCT_OK, "", result);
}

static void end_turn(viaduct_instance* self, session* of, const char* stop_reason) {
  uint64_t call = of->prompt;
  free(of->text);
  of->text = NULL;
  of->prompt = 0;
  of->waits = 0;
  of->count = of->counted = 0;
  if (call != 0) answer(self, call, of->handle, stop_reason);
}

/* Says on, until all is said or the host is busy. */
static void go_on(viaduct_instance* self, session* of) {
  viaduct_event event;
  memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  event.kind = VIADUCT_EVENT_TEXT;
  event.turn = of->turn;
  while (of->counted < of->count) {
    char number[24];
    snprintf(number, sizeof number, "%lu ", of->counted + 1);
    event.text = str(number);
    switch (self->sink->emit(self->host, of->handle, &event)) {
      case VIADUCT_FLOW_OK: ++of->counted; break;
      case VIADUCT_FLOW_BUSY: return;
      default: end_turn(self, of, "cancelled"); return;
    }
  }
  if (of->text != NULL) {
    event.text = str(of->text);
    switch (self->sink->emit(self->host, of->handle, &event)) {
      case VIADUCT_FLOW_OK: break;
      case VIADUCT_FLOW_BUSY: return;
      default: end_turn(self, of, "cancelled"); return;
    }
  }
  end_turn(self, of, "end_turn");
}

static void hold(viaduct_instance* self, uint64_t handle) {
  if (find(self, handle) == NULL) {
    session* fresh = calloc(1, sizeof *fresh);
    fresh->handle = handle;
    fresh->next = self->sessions;
    self->sessions = fresh;
  }
}

static void open_session(viaduct_instance* self, uint64_t call, const viaduct_open* open) {
  hold(self, open->session);
  answer(self, call, open->session, NULL);
}
static void restore(viaduct_instance* self, uint64_t call, const viaduct_open* open) {
  if (!begins(open->native_id, "echo-")) {
    complete(self->host, call, VIADUCT_E_NOT_FOUND, "no such native session", "");
    return;
  }
  open_session(self, call, open);
}

static void prompt(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  session* of = find(self, what->session);
  if (of == NULL) {
    complete(self->host, call, VIADUCT_E_NOT_FOUND, "no such session", "");
    return;
  }
  if (of->prompt != 0) {
    complete(self->host, call, VIADUCT_E_BUSY, "a turn is running", "");
    return;
  }
  of->prompt = call;
  of->turn = what->turn;
  if (what->restored.size > 0) {
    viaduct_event thought;
    memset(&thought, 0, sizeof thought);
    thought.struct_size = sizeof thought;
    thought.kind = VIADUCT_EVENT_THOUGHT;
    thought.turn = what->turn;
    thought.text = what->restored;
    self->sink->emit(self->host, of->handle, &thought);
  }
  if (equals(what->text, "wait")) {
    of->waits = 1;
    return;
  }
  if (begins(what->text, "count ")) {
    char* number = copy(what->text);
    of->count = strtoul(number + 6, NULL, 10);
    free(number);
  } else {
    of->text = copy(what->text);
  }
  go_on(self, of);
}

static void cancel(viaduct_instance* self, uint64_t call, uint64_t handle, uint64_t turn) {
  session* of = find(self, handle);
  if (of != NULL && of->prompt != 0 && of->turn == turn) end_turn(self, of, "cancelled");
  answer(self, call, handle, NULL);
}

static void answer_request(viaduct_instance* self, uint64_t call, uint64_t handle, viaduct_str item,
                           viaduct_str option_id) {
  (void)item;
  (void)option_id;
  answer(self, call, handle, NULL);
}

static void close_session(viaduct_instance* self, uint64_t call, uint64_t handle, uint32_t ended) {
  session** at = &self->sessions;
  (void)ended;
  while (*at != NULL && (*at)->handle != handle) at = &(*at)->next;
  if (*at != NULL) {
    session* closed = *at;
    end_turn(self, closed, "cancelled");
    *at = closed->next;
    free(closed);
  }
  complete(self->host, call, VIADUCT_OK, "", "{}");
}

/* One session of another program. */
static void discover(viaduct_instance* self, uint64_t call, viaduct_str folder) {
  complete(self->host, call, VIADUCT_OK, "",
           folder.size != 0 && !equals(folder, "/left")
               ? "{\"sessions\":[]}"
               : "{\"sessions\":[{\"native_id\":\"left-1\",\"working_dir\":\"/left\","
                 "\"title\":\"Left behind\",\"updated_at\":\"2026-01-31T12:00:00.000001Z\"}]}");
}
static void read_session(viaduct_instance* self, uint64_t call, viaduct_str native_id) {
  if (!equals(native_id, "left-1")) {
    complete(self->host, call, VIADUCT_E_NOT_FOUND, "no such session was left", "");
    return;
  }
  complete(self->host, call, VIADUCT_OK, "",
           "{\"working_dir\":\"/left\",\"title\":\"Left behind\",\"entries\":["
           "{\"type\":\"user_message\",\"at\":\"2026-01-31T12:00:00.000001Z\",\"text\":\"hi\"},"
           "{\"type\":\"text\",\"at\":\"2026-01-31T12:00:01.000001Z\",\"text\":\"hello\"}]}");
}
static void purge(viaduct_instance* self, uint64_t call, const viaduct_open* open) {
  (void)open;
  complete(self->host, call, VIADUCT_OK, "", "{}");
}

static void writable(viaduct_instance* self, uint64_t handle) {
  session* of = find(self, handle);
  if (of != NULL && of->prompt != 0 && !of->waits) go_on(self, of);
}

static viaduct_instance* create(const viaduct_host* host, viaduct_str config) {
  viaduct_instance* self;
  const viaduct_sink* sink = host->service(host, VIADUCT_SINK);
  if (!is_object(config)) {
    fail(host, VIADUCT_E_INVALID_ARGUMENT, "the configuration is no JSON object");
    return NULL;
  }
  if (!VIADUCT_HAS(sink, emit)) {
    fail(host, VIADUCT_E_FAILED_PRECONDITION, "this host has no " VIADUCT_SINK);
    return NULL;
  }
#ifdef VIADUCT_TEST_FUTURE /* built with a header that has more than this host */
  if (VIADUCT_HAS(host, future) || VIADUCT_HAS(sink, future)) {
    fail(host, VIADUCT_E_INTERNAL, "this host claims to have what it cannot know");
    return NULL;
  }
#endif
#ifdef WITH_LOOP
  if (!VIADUCT_HAS(host, drain)) {
    fail(host, VIADUCT_E_FAILED_PRECONDITION, "this host is older than 0.2");
    return NULL;
  }
#endif
  self = calloc(1, sizeof *self);
  self->host = host;
  self->sink = sink;
#ifdef WITH_LOOP
  sem_init(&self->something, 0, 0);
#endif
  return self;
}

static void start(viaduct_instance* self, uint64_t call) {
  complete(self->host, call, VIADUCT_OK, "", "");
}

static void stop(viaduct_instance* self, uint64_t call) {
  session* at;
  for (at = self->sessions; at != NULL; at = at->next) {
    if (at->prompt != 0) {
      uint64_t open = at->prompt;
      at->prompt = 0;
      complete(self->host, open, VIADUCT_E_CANCELLED, "the backend stops", "");
    }
  }
  complete(self->host, call, VIADUCT_OK, "", "");
}

static void destroy(viaduct_instance* self) {
  while (self->sessions != NULL) {
    session* next = self->sessions->next;
    free(self->sessions->text);
    free(self->sessions);
    self->sessions = next;
  }
  free(self);
}

static void completed(viaduct_instance* self, uint64_t call, const viaduct_status* status,
                      viaduct_str result) {
  (void)self;
  (void)call;
  (void)status;
  (void)result;
}

#ifdef WITH_LOOP
#define UNUSED __attribute__((unused)) /* by those that have one of their own */
UNUSED static void loop_run(viaduct_instance* self) {
  for (;;) {
    while (sem_wait(&self->something) != 0) {
    }
    if (self->quits) return;
    self->host->drain(self->host);
  }
}
UNUSED static void loop_wake(viaduct_instance* self) {
  sem_post(&self->something);
}
UNUSED static void loop_quit(viaduct_instance* self) {
  self->quits = 1;
  sem_post(&self->something);
}
#endif
