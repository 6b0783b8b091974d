/* Never answers a send. */
#define SEND send_never
#include "sender.h"
static void send_never(viaduct_instance* self, uint64_t call, const viaduct_parcel* parcel) {
  (void)self;
  (void)call;
  (void)parcel;
}
