/* Exports a symbol of the kind that keeps libraries from being told apart (STB_GNU_UNIQUE). */
#include "backend.h"
__asm__(
    ".pushsection .data\n"
    ".globl viaduct_unique\n"
    ".type viaduct_unique, @gnu_unique_object\n"
    ".size viaduct_unique, 4\n"
    "viaduct_unique: .long 1\n"
    ".popsection\n");
