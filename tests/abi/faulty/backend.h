/* The good backend with hooks: a file of this folder names its own function in a macro, includes
 * this, and defines it. */
#include "../good/backend_functions.h"
#include "../good/common.h"

static const void* good_interface(viaduct_instance* self, const char* id);

#ifdef CREATE
static viaduct_instance* CREATE(const viaduct_host* host, viaduct_str config);
#else
#define CREATE create
#endif
#ifdef START
static void START(viaduct_instance* self, uint64_t call);
#else
#define START start
#endif
#ifdef STOP
static void STOP(viaduct_instance* self, uint64_t call);
#else
#define STOP stop
#endif
#ifdef DESTROY
static void DESTROY(viaduct_instance* self);
#else
#define DESTROY destroy
#endif
#ifdef INTERFACE
static const void* INTERFACE(viaduct_instance* self, const char* id);
#else
#define INTERFACE good_interface
#endif
#ifdef OPEN
static void OPEN(viaduct_instance* self, uint64_t call, const viaduct_open* open);
#else
#define OPEN open_session
#endif
#ifdef PROMPT
static void PROMPT(viaduct_instance* self, uint64_t call, const viaduct_prompt* what);
#else
#define PROMPT prompt
#endif
#ifdef CANCEL
static void CANCEL(viaduct_instance* self, uint64_t call, uint64_t handle, uint64_t turn);
#else
#define CANCEL cancel
#endif
#ifdef CLOSE
static void CLOSE(viaduct_instance* self, uint64_t call, uint64_t handle, uint32_t ended);
#else
#define CLOSE close_session
#endif
#ifdef WRITABLE
static void WRITABLE(viaduct_instance* self, uint64_t handle);
#else
#define WRITABLE writable
#endif
#ifdef READ
static void READ(viaduct_instance* self, uint64_t call, viaduct_str native_id);
#else
#define READ read_session
#endif
#ifdef PURGE
static void PURGE(viaduct_instance* self, uint64_t call, const viaduct_open* open);
#else
#define PURGE purge
#endif
#ifdef LOOP_RUN
static void LOOP_RUN(viaduct_instance* self);
#else
#define LOOP_RUN loop_run
#endif
#ifdef LOOP_WAKE
static void LOOP_WAKE(viaduct_instance* self);
#else
#define LOOP_WAKE loop_wake
#endif
#ifdef LOOP_QUIT
static void LOOP_QUIT(viaduct_instance* self);
#else
#define LOOP_QUIT loop_quit
#endif
#ifndef CAN
#define CAN                                                                             \
  (VIADUCT_CAN_RESTORE | VIADUCT_CAN_INJECT | VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM | \
   VIADUCT_CAN_DISCOVER)
#endif
#ifndef DESCRIPTOR_SIZE
#define DESCRIPTOR_SIZE sizeof(viaduct_plugin)
#endif
#ifndef MAJOR
#define MAJOR VIADUCT_ABI_MAJOR
#endif
#ifndef KIND
#define KIND VIADUCT_KIND_BACKEND
#endif
#ifndef ID
#define ID "com.example.faulty"
#endif
#ifndef SCHEMA
#define SCHEMA "{\"type\":\"object\"}"
#endif
#ifndef EXAMPLE
#define EXAMPLE "{}"
#endif
#ifndef API_SIZE
#define API_SIZE sizeof(viaduct_instance_api)
#endif
#ifndef API
#define API &api
#endif
#ifndef CREATE_IN_DESCRIPTOR
#define CREATE_IN_DESCRIPTOR CREATE
#endif
#ifndef START_IN_API
#define START_IN_API START
#endif

static const viaduct_backend backend = {
    .struct_size = sizeof backend,
    .can = CAN,
    .agent_type = {"echo", 4},
    .open = OPEN,
    .restore = restore,
    .inject = OPEN,
    .prompt = PROMPT,
    .cancel = CANCEL,
    .answer = answer_request,
    .close = CLOSE,
    .writable = WRITABLE,
    .discover = discover,
    .read = READ,
    .purge = PURGE,
};

#ifdef WITH_LOOP
static const viaduct_loop loop = {
    .struct_size = sizeof loop, .run = LOOP_RUN, .wake = LOOP_WAKE, .quit = LOOP_QUIT};
#endif

static const void* good_interface(viaduct_instance* self, const char* id) {
  (void)self;
#ifdef WITH_LOOP
  if (strcmp(id, VIADUCT_LOOP) == 0) return &loop;
#endif
  return strcmp(id, VIADUCT_BACKEND) == 0 ? &backend : NULL;
}

static const viaduct_instance_api api = {
    .struct_size = API_SIZE,
    .start = START_IN_API,
    .stop = STOP,
    .destroy = DESTROY,
    .interface = INTERFACE,
    .completed = completed,
};

EXPORT extern const viaduct_plugin viaduct_plugin_v1;
const viaduct_plugin viaduct_plugin_v1 = {
    .struct_size = DESCRIPTOR_SIZE,
    .abi_major = MAJOR,
    .abi_minor = VIADUCT_ABI_MINOR,
    .kind = KIND,
    .id = ID,
    .version = "1.0.0",
    .summary = "Has one fault",
    .config_schema = SCHEMA,
    .config_example = EXAMPLE,
    .api = API,
    .create = CREATE_IN_DESCRIPTOR,
};

/* Says something of a session. */
static inline viaduct_flow say(viaduct_instance* self, uint64_t handle, uint64_t turn,
                               viaduct_str text) {
  viaduct_event event;
  memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  event.kind = VIADUCT_EVENT_TEXT;
  event.turn = turn;
  event.text = text;
  return self->sink->emit(self->host, handle, &event);
}

static inline void write_log(const viaduct_host* host, const char* line) {
  const viaduct_log* log = host->service(host, VIADUCT_LOG);
  if (VIADUCT_HAS(log, write)) log->write(host, VIADUCT_LOG_INFO, str(line));
}
