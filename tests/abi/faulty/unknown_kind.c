/* Neither a surface nor a backend. */
#define KIND 9
#include "backend.h"
