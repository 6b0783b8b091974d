#!/bin/sh
# check_exports.sh FILE.so [NM]: succeeds if the plugin exports the data symbol viaduct_plugin_v1, and nothing else.
set -eu
case "${1:---help}" in
  -h | --help) sed -n '2s/^# //p' "$0"; exit 0 ;;
esac
file=$1
nm=${2:-nm}

exports=$("$nm" -D --defined-only "$file")
count=$(printf '%s\n' "$exports" | grep -c . || true)
if [ "$count" -ne 1 ] || ! printf '%s\n' "$exports" | grep -Eq '^[0-9a-f]+ [RDBG] viaduct_plugin_v1$'; then
  echo "$file: exports $count symbols; there must be one, the constant viaduct_plugin_v1:" >&2
  printf '%s\n' "$exports" | head -n 20 >&2
  exit 1
fi

unique=$("$nm" "$file" 2>/dev/null | grep ' u ' || true)
if [ -n "$unique" ]; then
  echo "$file: has unique symbols, which are shared with other plugins (compile with -fno-gnu-unique):" >&2
  printf '%s\n' "$unique" | head -n 20 >&2
  exit 1
fi
