#!/bin/sh
# Builds the program four times, from which determinism_test.py takes its traces: gcc and clang, without
# optimisation and with asserts, and optimised without them.
#
#     tests/determinism/four_builds.sh BUILD_ROOT [JOBS]
set -eu

if [ $# -lt 1 ]; then
  echo "usage: $0 BUILD_ROOT [JOBS]" >&2
  exit 2
fi
source=$(cd "$(dirname "$0")/../.." && pwd)
root=$1
jobs=${2:-$(nproc)}

build() {  # NAME CXX CC FLAGS
  cmake -S "$source" -B "$root/$1" -DCMAKE_CXX_COMPILER="$2" -DCMAKE_C_COMPILER="$3" \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS="$4" -DIRQFAB_TESTS=OFF
  cmake --build "$root/$1" --target irqfab --parallel "$jobs"
}

build gcc-O0 g++ gcc "-O0"
build gcc-O3 g++ gcc "-O3 -DNDEBUG"
build clang-O0 clang++ clang "-O0"
build clang-O3 clang++ clang "-O3 -DNDEBUG"
