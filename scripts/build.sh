# Sourced by the other scripts: build PRESET [TARGET …] configures build/PRESET where needed and builds it.
# shellcheck shell=bash
export CCACHE_SLOPPINESS=pch_defines,time_macros
# A clone elsewhere finds what another one has compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true
# Node of Debian and the machine's certificates: npm looks only at its own otherwise.
if [[ -z ${NODE_EXTRA_CA_CERTS:-} && -e /etc/ssl/certs/ca-certificates.crt ]]; then
  export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
fi

build() {
  local preset=$1
  shift
  local launcher=()
  command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  if [[ ! -e build/$preset/build.ninja ]]; then
    cmake --preset "$preset" "${launcher[@]}" >&2
  fi
  cmake --build "build/$preset" ${1:+--target "$@"} >&2
}
