/* The descriptor has no instance table. */
#define API NULL
#include "backend.h"
