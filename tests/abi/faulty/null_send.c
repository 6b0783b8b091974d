/* Offers viaduct.sender/1 without its function send. */
#define NO_SEND
#include "sender.h"
