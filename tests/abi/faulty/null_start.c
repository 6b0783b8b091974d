/* Start is null. */
#define START_IN_API NULL
#include "backend.h"
