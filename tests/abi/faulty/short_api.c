/* The instance table says that it is 16 bytes long. */
#define API_SIZE 16
#include "backend.h"
