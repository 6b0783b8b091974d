#!/usr/bin/env bash
# The dependency rule of the layout: plugins → sdk, host → sdk/abi.h, and a part of the host only uses what is below it. Names every
# include that breaks it.
set -uo pipefail
case ${1:-} in
  --help) echo "usage: check_includes.sh [FOLDER]    FOLDER: the root of the tree, else this one"; exit 0 ;;
esac
cd "${1:-$(dirname "$0")/../..}" || exit 2
broken=0

# never WHAT FORBIDDEN PATH …: no file below the paths includes what the extended regular expression matches.
never() {
  local what=$1 forbidden=$2
  shift 2
  local found
  found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($forbidden)" --include='*.[ch]' --include='*.[ch]pp' "$@")
  case $? in
    0) broken=1; printf '%s:\n%s\n' "$what" "$found" ;;
    1) ;;
    *) broken=1; printf '%s: cannot look\n' "$what" ;;
  esac
}

never "The SDK stands on nothing of Viaduct's" 'host/|plugins/' sdk
never "The wrapper needs no library" '(boost|nlohmann|fmt|spdlog|gtest|yaml-cpp|openssl|rapidjson)/|sqlite3' sdk/include sdk/examples
never "The host includes no plugin" 'plugins/' host
never "Of the SDK, the host includes abi.h" 'viaduct/sdk/|sdk/' host
never "Only host/main.cpp includes the validator" 'viaduct/testing/' host/*/ host/[!m]*.hpp
never "The parts of the host do not include what is above them" 'host/(plugins|cli)/' host/{telemetry,store,memory,config,http,sessions}
never "The parts of the host do not include what is above them" 'host/cli/' host/plugins
for folder in plugins/*/; do
  name=$(basename "$folder")
  others=$(for other in plugins/*/; do [[ $other == "$folder" ]] || basename "$other"; done | paste -sd'|')
  never "The plugin $name includes nothing of the host or of other plugins" "host/|viaduct/testing/|plugins/($others)/|\.\./" "$folder"
done
exit $broken
