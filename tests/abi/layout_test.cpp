// The layout of released headers, which never changes: compiled against the present header (what
// was released is still there, in its place) and against the frozen one (the record is right).
#ifndef VIADUCT_ABI_HEADER
#define VIADUCT_ABI_HEADER <viaduct/abi.h>
#endif
#include VIADUCT_ABI_HEADER

#include <cstddef>
#include <type_traits>

#define VIADUCT_FIELD(name, member, offset, ...)     \
  static_assert(offsetof(name, member) == (offset)); \
  static_assert(std::is_same_v<decltype(name::member), __VA_ARGS__>);
#define VIADUCT_NUMBER(name, value) static_assert((name) == (value));
// A struct that grows takes a new minor version.
#define VIADUCT_STRUCT(name, size) \
  static_assert(VIADUCT_ABI_MINOR == 0 ? sizeof(name) == (size) : sizeof(name) >= (size));
#include "layout_1_0.inc"
#undef VIADUCT_STRUCT

static_assert(VIADUCT_ABI_MAJOR == 1);
static_assert(std::is_same_v<viaduct_code, int32_t> && std::is_same_v<viaduct_flow, int32_t>);
static_assert(VIADUCT_VERSION_ANY == UINT64_MAX);

// What comes in arrays or by value can never grow.
static_assert(sizeof(viaduct_str) == 16 && sizeof(viaduct_pair) == 32);
static_assert(sizeof(viaduct_file) == 72 && sizeof(viaduct_cursor) == 16);
