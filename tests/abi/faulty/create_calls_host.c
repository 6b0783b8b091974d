/* Logs in create. */
#define CREATE create_chatty
#include "backend.h"
static viaduct_instance* create_chatty(const viaduct_host* host, viaduct_str config) {
  write_log(host, "here I come");
  return create(host, config);
}
