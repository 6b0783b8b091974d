/* The backend of this folder with a loop of its own. */
#define WITH_LOOP
#include "backend.c"
