/* What the C plugins of this folder share. The header may be a frozen or a future one. */
#pragma once
#ifndef VIADUCT_ABI_HEADER
#define VIADUCT_ABI_HEADER <viaduct/abi.h>
#endif
#include VIADUCT_ABI_HEADER

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static inline viaduct_str str(const char* text) {
  viaduct_str result = {text, strlen(text)};
  return result;
}

static inline int equals(viaduct_str text, const char* other) {
  return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

static inline int begins(viaduct_str text, const char* other) {
  return text.size >= strlen(other) && memcmp(text.data, other, strlen(other)) == 0;
}

static inline char* copy(viaduct_str text) {
  char* result = malloc(text.size + 1);
  if (text.size > 0) memcpy(result, text.data, text.size);
  result[text.size] = 0;
  return result;
}

static inline void complete(const viaduct_host* host, uint64_t call, viaduct_code code,
                            const char* message, const char* result) {
  viaduct_status status;
  memset(&status, 0, sizeof status);
  status.struct_size = sizeof status;
  status.code = code;
  status.message = str(message);
  host->complete(host, call, &status, str(result));
}

static inline void fail(const viaduct_host* host, viaduct_code code, const char* message) {
  viaduct_status status;
  memset(&status, 0, sizeof status);
  status.struct_size = sizeof status;
  status.code = code;
  status.message = str(message);
  host->fail(host, &status);
}

/* Good enough to refuse what is no JSON object at all. */
static inline int is_object(viaduct_str json) {
  size_t begin = 0, end = json.size;
  while (begin < end && strchr(" \t\r\n", json.data[begin]) != NULL) ++begin;
  while (end > begin && strchr(" \t\r\n", json.data[end - 1]) != NULL) --end;
  return end - begin >= 2 && json.data[begin] == '{' && json.data[end - 1] == '}';
}
