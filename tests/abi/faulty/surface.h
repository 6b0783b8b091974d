/* The good surface with hooks: a file of this folder names its own function in a macro, includes
 * this, and defines it. */
#include "../good/common.h"
#include "../good/surface_functions.h"

static const void* good_interface(viaduct_instance* self, const char* id);

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
#ifdef INTERFACE
static const void* INTERFACE(viaduct_instance* self, const char* id);
#else
#define INTERFACE good_interface
#endif
#ifdef COMPLETED
static void COMPLETED(viaduct_instance* self, uint64_t call, const viaduct_status* status,
                      viaduct_str result);
#else
#define COMPLETED completed
#endif
#ifdef REQUEST
static void REQUEST(viaduct_instance* self, uint64_t exchange, const viaduct_http_request* what);
#else
#define REQUEST request
#endif
#ifdef CLOSED
static void CLOSED(viaduct_instance* self, uint64_t exchange, uint16_t code, viaduct_str reason);
#else
#define CLOSED closed
#endif

static const viaduct_surface surface = {.struct_size = sizeof surface};
static const viaduct_http_handler handler = {.struct_size = sizeof handler,
                                             .request = REQUEST,
                                             .message = message,
                                             .writable = writable,
                                             .closed = CLOSED};
static const viaduct_subscriber subscriber = {
    .struct_size = sizeof subscriber, .change = change, .unsubscribed = unsubscribed};

static const void* good_interface(viaduct_instance* self, const char* id) {
  (void)self;
  if (strcmp(id, VIADUCT_SURFACE) == 0) return &surface;
  if (strcmp(id, VIADUCT_HTTP_HANDLER) == 0) return &handler;
  if (strcmp(id, VIADUCT_SUBSCRIBER) == 0) return &subscriber;
  return NULL;
}

static const viaduct_instance_api api = {.struct_size = sizeof api,
                                         .start = START,
                                         .stop = STOP,
                                         .destroy = destroy,
                                         .interface = INTERFACE,
                                         .completed = COMPLETED};

EXPORT extern const viaduct_plugin viaduct_plugin_v1;
const viaduct_plugin viaduct_plugin_v1 = {
    .struct_size = sizeof viaduct_plugin_v1,
    .abi_major = VIADUCT_ABI_MAJOR,
    .abi_minor = VIADUCT_ABI_MINOR,
    .kind = VIADUCT_KIND_SURFACE,
    .id = "com.example.faulty",
    .version = "1.0.0",
    .summary = "Has one fault",
    .config_schema = "{\"type\":\"object\"}",
    .config_example = "{}",
    .api = &api,
    .create = create,
};
