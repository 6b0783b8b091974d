/* The descriptor has no create. */
#define CREATE_IN_DESCRIPTOR NULL
#include "backend.h"
