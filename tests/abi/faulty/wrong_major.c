/* Built for another major version of the ABI. */
#define MAJOR 7
#include "backend.h"
