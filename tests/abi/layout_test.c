/* The same record, as a C compiler sees it. */
#ifndef VIADUCT_ABI_HEADER
#define VIADUCT_ABI_HEADER <viaduct/abi.h>
#endif
#include VIADUCT_ABI_HEADER

#define VIADUCT_STRUCT(name, size) _Static_assert(sizeof(name) >= size, #name);
#define VIADUCT_FIELD(name, member, offset, ...) \
  _Static_assert(offsetof(name, member) == (offset), #name "." #member);
#define VIADUCT_NUMBER(name, value) _Static_assert((name) == (value), #name);
#include "layout_1_0.inc"

int main(void) {
  return 0;
}
