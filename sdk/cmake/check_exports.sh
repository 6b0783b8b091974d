#!/bin/sh
# check_exports.sh FILE.so [NM]: succeeds if the plugin exports the data symbol viaduct_plugin_v1, and nothing else.
set -eu
case "${1:---help}" in
  -h | --help) sed -n '2s/^# //p' "$0"; exit 0 ;;
esac
file=$1
nm=${2:-nm}

# R, D: constant data. Functions, and the unique symbols (u) that are shared between plugins, count as others.
exports=$("$nm" -D --defined-only "$file")
if [ "$(printf '%s\n' "$exports" | grep -Ec '^[0-9a-f]+ [RD] viaduct_plugin_v1$')" = 1 ] &&
  [ "$(printf '%s\n' "$exports" | wc -l)" = 1 ]; then
  exit 0
fi
echo "$file: there must be one export, the constant viaduct_plugin_v1; there is:" >&2
printf '%s\n' "${exports:-nothing}" | head -n 20 >&2
exit 1
