/* The good surface that posts, with hooks as in surface.h: SEND is a file's own function. */
#define INTERFACE sender_interface
#include "surface.h"

#ifdef NO_SEND
#define SEND NULL
#elif defined SEND
static void SEND(viaduct_instance* self, uint64_t call, const viaduct_parcel* parcel);
#else
#define SEND send_parcel
static void send_parcel(viaduct_instance* self, uint64_t call, const viaduct_parcel* parcel) {
  if (is_object(parcel->payload_json))
    complete(self->host, call, VIADUCT_OK, "", "{\"place\":1}");
  else
    complete(self->host, call, VIADUCT_E_INVALID_ARGUMENT, "no object", "");
}
#endif

static void reconcile(viaduct_instance* self, uint64_t call, const viaduct_parcel* parcel) {
  (void)parcel;
  complete(self->host, call, VIADUCT_E_NOT_FOUND, "it is not there", "");
}

static void undelivered(viaduct_instance* self, const viaduct_parcel* parcel, viaduct_str state,
                        const viaduct_status* why) {
  (void)self;
  (void)parcel;
  (void)state;
  (void)why;
}

static const viaduct_sender sender = {
    .struct_size = sizeof sender, .send = SEND, .reconcile = reconcile, .undelivered = undelivered};

static const void* sender_interface(viaduct_instance* self, const char* id) {
  return strcmp(id, VIADUCT_SENDER) == 0 ? &sender : good_interface(self, id);
}
