/* A backend that says back what it is told: the whole contract in plain C. */
#include "backend_functions.h"

static const viaduct_backend backend = {
    .struct_size = sizeof backend,
#if defined(KEEPS_NOTHING)
    .can = VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM,
#else
    .can = VIADUCT_CAN_RESTORE | VIADUCT_CAN_INJECT | VIADUCT_CAN_CANCEL | VIADUCT_CAN_STREAM |
           VIADUCT_CAN_DISCOVER,
#endif
    .discover = discover,
    .read = read_session,
    .purge = purge,
    .agent_type = {"echo", 4},
    .open = open_session,
    .restore = restore,
    .inject = open_session,
    .prompt = prompt,
    .cancel = cancel,
    .answer = answer_request,
    .close = close_session,
    .writable = writable,
};

#ifdef WITH_LOOP
static const viaduct_loop loop = {
    .struct_size = sizeof loop, .run = loop_run, .wake = loop_wake, .quit = loop_quit};
#endif

static const void* interface(viaduct_instance* self, const char* id) {
  (void)self;
#ifdef WITH_LOOP
  if (strcmp(id, VIADUCT_LOOP) == 0) return &loop;
#endif
  return strcmp(id, VIADUCT_BACKEND) == 0 ? &backend : NULL;
}

static const viaduct_instance_api api = {
    .struct_size = sizeof api,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .interface = interface,
    .completed = completed,
};

EXPORT extern const viaduct_plugin viaduct_plugin_v1;
const viaduct_plugin viaduct_plugin_v1 = {
    .struct_size = sizeof viaduct_plugin_v1,
    .abi_major = VIADUCT_ABI_MAJOR,
    .abi_minor = VIADUCT_ABI_MINOR,
    .kind = VIADUCT_KIND_BACKEND,
    .id = "com.example.echo",
    .version = "1.0.0",
    .summary = "Says back what it is told",
    .config_schema = "{\"type\":\"object\"}",
    .config_example = "{}",
    .api = &api,
    .create = create,
};
