/* The descriptor says that it is 8 bytes long. */
#define DESCRIPTOR_SIZE 8
#include "backend.h"
