/* Its example configuration breaks its own schema. */
#define SCHEMA                                                             \
  "{\"type\":\"object\",\"properties\":{\"token\":{\"type\":\"string\"}}," \
  "\"required\":[\"token\"]}"
#include "backend.h"
