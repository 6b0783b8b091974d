/* The descriptor has no id. */
#define ID NULL
#include "backend.h"
