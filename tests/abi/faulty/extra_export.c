/* Exports a second symbol. */
#include "backend.h"
EXPORT int viaduct_leaked;
int viaduct_leaked = 1;
