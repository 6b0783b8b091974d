/* Compiled by every supported language and compiler: the header needs nothing else. */
#include <viaduct/abi.h>

int probe(const viaduct_host* host, const viaduct_sink* sink, const viaduct_open* open);
int probe(const viaduct_host* host, const viaduct_sink* sink, const viaduct_open* open) {
  return VIADUCT_HAS(host, complete) && VIADUCT_HAS(sink, emit) && VIADUCT_HAS(open, session);
}
