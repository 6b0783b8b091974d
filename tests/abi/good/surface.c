/* A surface in plain C: pages, a streamed answer, a WebSocket that shows a session. */
#include "surface_functions.h"

static const viaduct_surface surface = {.struct_size = sizeof surface};
static const viaduct_http_handler handler = {.struct_size = sizeof handler,
                                             .request = request,
                                             .message = message,
                                             .writable = writable,
                                             .closed = closed};
static const viaduct_subscriber subscriber = {
    .struct_size = sizeof subscriber, .change = change, .unsubscribed = unsubscribed};

static const void* interface(viaduct_instance* self, const char* id) {
  (void)self;
  if (strcmp(id, VIADUCT_SURFACE) == 0) return &surface;
  if (strcmp(id, VIADUCT_HTTP_HANDLER) == 0) return &handler;
  if (strcmp(id, VIADUCT_SUBSCRIBER) == 0) return &subscriber;
  return NULL;
}

static const viaduct_instance_api api = {.struct_size = sizeof api,
                                         .start = start,
                                         .stop = stop,
                                         .destroy = destroy,
                                         .interface = interface,
                                         .completed = completed};

EXPORT extern const viaduct_plugin viaduct_plugin_v1;
const viaduct_plugin viaduct_plugin_v1 = {
    .struct_size = sizeof viaduct_plugin_v1,
    .abi_major = VIADUCT_ABI_MAJOR,
    .abi_minor = VIADUCT_ABI_MINOR,
    .kind = VIADUCT_KIND_SURFACE,
    .id = "com.example.pages",
    .version = "1.0.0",
    .summary = "A few pages and a socket",
    .config_schema = "{\"type\":\"object\"}",
    .config_example = "{}",
    .api = &api,
    .create = create,
};
