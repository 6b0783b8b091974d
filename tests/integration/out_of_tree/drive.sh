#!/bin/sh
# drive.sh VIADUCT PLUGINS WORK: checks the plugins echo.so and ask.so of the folder PLUGINS with the validator, then runs
# both in a host and asks a question. WORK is a scratch folder, made anew.
set -eu
case "${1:---help}" in
  -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
esac
viaduct=$1
plugins=$2
work=$3
host=

fail() {
  echo "$1" >&2
  [ ! -f "$work/log" ] || cat "$work/log" >&2
  exit 1
}
finish() {
  [ -z "$host" ] || kill "$host" 2>/dev/null || true
  [ -z "$host" ] || wait "$host" || true
}
trap finish EXIT

rm -rf "$work"
mkdir -p "$work"

"$viaduct" plugin check "$plugins/echo.so" || fail "the validator refuses echo.so"
"$viaduct" plugin check "$plugins/ask.so" || fail "the validator refuses ask.so"

cat >"$work/viaduct.yaml" <<YAML
server: { listen: "127.0.0.1:0" }
plugins: { path: [ "$plugins" ] }
store: { driver: sqlite, path: "$work/viaduct.db" }
backends:
  echo: { plugin: echo }
surfaces:
  ask: { plugin: ask, backend: echo }
YAML

VIADUCT_HOME="$work" "$viaduct" serve --config "$work/viaduct.yaml" >"$work/log" 2>&1 &
host=$!

# The host says where it listens; port 0 is any.
address=
tries=0
while [ -z "$address" ]; do
  address=$(grep -Eo '127\.0\.0\.1:[1-9][0-9]*' "$work/log" | head -n 1 || true)
  kill -0 "$host" 2>/dev/null || fail "the host ended before it listened"
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || fail "the host does not say where it listens"
  [ -n "$address" ] || sleep 0.05
done
curl -sSf --retry 100 --retry-delay 0 --retry-all-errors --max-time 30 "http://$address/readyz" >/dev/null ||
  fail "the host does not become ready"

base="http://$address/apps/ask"
curl -sSf --max-time 10 "$base/" | grep -q 'ask.js' || fail "no page"
session=$(curl -sSf --max-time 10 -X POST "$base/sessions" | sed -n 's/.*"session_id" *: *"\([^"]*\)".*/\1/p')
[ -n "$session" ] || fail "no session"
answer=$(curl -sSf --max-time 10 --data-binary 'hello out of tree' "$base/sessions/$session/ask")
case "$answer" in
  *'"hello out of tree"'*) ;;
  *) fail "a wrong answer: $answer" ;;
esac
code=$(curl -sS --max-time 10 -o /dev/null -w '%{http_code}' --data-binary 'x' "$base/sessions/s_nobody/ask")
[ "$code" = 404 ] || fail "a session that does not exist answered $code"

kill -TERM "$host"
if wait "$host"; then host=; else code=$?; host=; fail "the host ended with $code"; fi
