/* A backend for scripts/bench: to "stream RATE SECONDS" it answers with RATE texts a second, each
 * the CLOCK_MONOTONIC time in nanoseconds at which it was said, 20 digits and a space. Anything
 * else it answers with "ready". One thread of its own talks in all sessions, a lock guards what it
 * talks from. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <viaduct/abi.h>

enum { MOST = 1024 };

/* A turn that streams. */
struct talk {
  uint64_t call, session, turn;
  int64_t due, end, period; /* nanoseconds */
  int cancelled;
};

struct viaduct_instance {
  const viaduct_host* host;
  const viaduct_sink* sink;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  pthread_t thread;
  int running, stopping;
  uint64_t begun;
  size_t count;
  struct talk talks[MOST];
};

static viaduct_str str(const char* text) {
  viaduct_str s = {text, strlen(text)};
  return s;
}

static void complete(viaduct_instance* self, uint64_t call, viaduct_code code, const char* message,
                     const char* result) {
  viaduct_status status = {sizeof status, code, str(message)};
  self->host->complete(self->host, call, &status, str(result));
}

static int64_t now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static viaduct_flow say(viaduct_instance* self, uint64_t session, uint64_t turn, const char* text) {
  viaduct_event event = {sizeof event, VIADUCT_EVENT_TEXT, turn, str(""), str(text), str("")};
  return self->sink->emit(self->host, session, &event);
}

static void end_turn(viaduct_instance* self, const struct talk* talk) {
  complete(self, talk->call, VIADUCT_OK, "",
           talk->cancelled ? "{\"stop_reason\":\"cancelled\"}" : "{\"stop_reason\":\"end_turn\"}");
}

/* One word of the talk at `at`, or its end; the lock is not held while the host is called. */
static void step(viaduct_instance* self, size_t at, int64_t time) {
  struct talk talk = self->talks[at];
  if (talk.cancelled || time >= talk.end) {
    self->talks[at] = self->talks[--self->count];
    pthread_mutex_unlock(&self->lock);
    end_turn(self, &talk);
  } else {
    char text[32];
    self->talks[at].due += talk.period;
    pthread_mutex_unlock(&self->lock);
    snprintf(text, sizeof text, "%020lld ", (long long)now());
    say(self, talk.session, talk.turn, text); /* one that is not taken is missing in the count */
  }
  pthread_mutex_lock(&self->lock);
}

static void* run(void* instance) {
  viaduct_instance* self = instance;
  pthread_mutex_lock(&self->lock);
  while (!self->stopping) {
    size_t next = MOST;
    for (size_t i = 0; i < self->count; ++i)
      if (next == MOST || self->talks[i].due < self->talks[next].due) next = i;
    if (next == MOST) {
      pthread_cond_wait(&self->wake, &self->lock);
      continue;
    }
    const int64_t due = self->talks[next].due;
    const int64_t time = now();
    if (time >= due) {
      step(self, next, time);
      continue;
    }
    struct timespec at = {(time_t)(due / 1000000000), (long)(due % 1000000000)};
    pthread_cond_timedwait(&self->wake, &self->lock, &at);
  }
  while (self->count > 0) {
    struct talk talk = self->talks[--self->count];
    talk.cancelled = 1;
    pthread_mutex_unlock(&self->lock);
    end_turn(self, &talk);
    pthread_mutex_lock(&self->lock);
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

/* ---- the instance */

static void start(viaduct_instance* self, uint64_t call) {
  self->running = pthread_create(&self->thread, NULL, run, self) == 0;
  complete(self, call, self->running ? VIADUCT_OK : VIADUCT_E_INTERNAL,
           self->running ? "" : "no thread", "");
}

static void stop(viaduct_instance* self, uint64_t call) {
  pthread_mutex_lock(&self->lock);
  self->stopping = 1;
  pthread_cond_signal(&self->wake);
  pthread_mutex_unlock(&self->lock);
  if (self->running) pthread_join(self->thread, NULL);
  self->running = 0;
  complete(self, call, VIADUCT_OK, "", "");
}

static void destroy(viaduct_instance* self) {
  pthread_cond_destroy(&self->wake);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

static void completed(viaduct_instance* self, uint64_t call, const viaduct_status* status,
                      viaduct_str result) {
  (void)self, (void)call, (void)status, (void)result; /* it asks the host for nothing */
}

/* ---- the backend */

static void hold(viaduct_instance* self, uint64_t call, const viaduct_open* open) {
  char result[160];
  snprintf(result, sizeof result, "{\"native_id\":\"stamp-%.*s\"}",
           open->session_id.size < 100 ? (int)open->session_id.size : 100, open->session_id.data);
  complete(self, call, VIADUCT_OK, "", result);
}

static void prompt(viaduct_instance* self, uint64_t call, const viaduct_prompt* what) {
  char text[64] = {0};
  double rate = 0;
  double seconds = 0;
  memcpy(text, what->text.data, what->text.size < 63 ? what->text.size : 63);
  if (sscanf(text, "stream %lf %lf", &rate, &seconds) != 2 || rate <= 0) {
    say(self, what->session, what->turn, "ready");
    complete(self, call, VIADUCT_OK, "", "{}");
    return;
  }
  struct talk talk = {call, what->session, what->turn, now(), 0, (int64_t)(1e9 / rate), 0};
  talk.end = talk.due + (int64_t)(1e9 * seconds);
  pthread_mutex_lock(&self->lock);
  /* As people do not, sessions that begin together must not talk in chorus: the golden ratio
   * spreads them over the period. */
  const double phase = (double)self->begun++ * 0.6180339887498949;
  talk.due += (int64_t)((phase - (double)(int64_t)phase) * (double)talk.period);
  const int taken = !self->stopping && self->count < MOST;
  if (taken) self->talks[self->count++] = talk;
  pthread_cond_signal(&self->wake);
  pthread_mutex_unlock(&self->lock);
  if (!taken) complete(self, call, VIADUCT_E_UNAVAILABLE, "no more streams", "");
}

static void cancel(viaduct_instance* self, uint64_t call, uint64_t session, uint64_t turn) {
  pthread_mutex_lock(&self->lock);
  for (size_t i = 0; i < self->count; ++i)
    if (self->talks[i].session == session && self->talks[i].turn == turn) {
      self->talks[i].cancelled = 1;
      self->talks[i].due = 0;
    }
  pthread_cond_signal(&self->wake);
  pthread_mutex_unlock(&self->lock);
  complete(self, call, VIADUCT_OK, "", "{}");
}

static void let_go(viaduct_instance* self, uint64_t call, uint64_t session, uint32_t ended) {
  (void)session, (void)ended;
  complete(self, call, VIADUCT_OK, "", "{}");
}

static void writable(viaduct_instance* self, uint64_t session) {
  (void)self, (void)session;
}

static const viaduct_backend BACKEND = {
    .struct_size = sizeof BACKEND,
    .can = VIADUCT_CAN_RESTORE | VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM,
    .agent_type = {"stamp", 5},
    .open = hold,
    .restore = hold,
    .prompt = prompt,
    .cancel = cancel,
    .close = let_go,
    .writable = writable};

static const void* interface(viaduct_instance* self, const char* id) {
  (void)self;
  return strcmp(id, VIADUCT_BACKEND) == 0 ? &BACKEND : NULL;
}

static viaduct_instance* create(const viaduct_host* host, viaduct_str config_json) {
  (void)config_json;
  viaduct_instance* self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->host = host;
  self->sink = host->service(host, VIADUCT_SINK);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&self->wake, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pthread_mutex_init(&self->lock, NULL);
  return self;
}

static const viaduct_instance_api API = {.struct_size = sizeof API,
                                         .start = start,
                                         .stop = stop,
                                         .destroy = destroy,
                                         .interface = interface,
                                         .completed = completed};

__attribute__((visibility("default"))) const viaduct_plugin viaduct_plugin_v1 = {
    .struct_size = sizeof viaduct_plugin_v1,
    .abi_major = VIADUCT_ABI_MAJOR,
    .abi_minor = VIADUCT_ABI_MINOR,
    .kind = VIADUCT_KIND_BACKEND,
    .id = "org.viaduct.bench.stamp",
    .version = "0.1.0",
    .summary = "Says what time it is",
    .config_schema = "{\"type\":\"object\",\"additionalProperties\":false}",
    .config_example = "{}",
    .api = &API,
    .create = create,
};
