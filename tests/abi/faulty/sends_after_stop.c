/* Answers stop while parcels are being sent, and those after it. */
#define SEND send_slowly
#define STOP stop_hasty
#include "sender.h"
static uint64_t open_calls[64];
static size_t open_count = 0;
static void send_slowly(viaduct_instance* self, uint64_t call, const viaduct_parcel* parcel) {
  (void)self;
  (void)parcel;
  if (open_count < 64) open_calls[open_count++] = call;
}
static void stop_hasty(viaduct_instance* self, uint64_t call) {
  stop(self, call);
  while (open_count > 0) complete(self->host, open_calls[--open_count], VIADUCT_OK, "", "{}");
}
