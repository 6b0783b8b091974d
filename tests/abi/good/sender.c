/* A surface in plain C that posts. */
#include "../faulty/sender.h"
