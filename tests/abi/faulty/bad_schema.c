/* The schema of its configuration is no JSON. */
#define SCHEMA "{\"type\":"
#include "backend.h"
