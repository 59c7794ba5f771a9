#!/bin/sh
# Install what the tests need, build with warnings as errors, run all tests, cheapest first; then the unit tests once more
# under AddressSanitizer and UBSan. Usage: tests/run.sh [ctest options]
set -eu
cd "$(dirname "$0")/.."
jobs=$(nproc)

# build FOLDER TARGET OPTIONS...
build() {
  folder=$1
  target=$2
  shift 2
  cmake -S . -B "$folder" -DCMAKE_C_FLAGS=-Werror "$@" >/dev/null
  cmake --build "$folder" -j "$jobs" --target "$target" >"$folder/build.log" 2>&1 || {
    cat "$folder/build.log"
    exit 1
  }
}

jobs/install.sh test
echo "--- build"
build build-check all
for label in lint unit mpi physics regression "slurm|fuzz" faults; do # Slurm mostly waits: fuzzing goes on beside it
  echo "--- $label"
  ctest --test-dir build-check -L "$label" --output-on-failure --no-tests=error -j "$jobs" "$@"
  grep -a "^SKIPPED" build-check/Testing/Temporary/LastTest.log || true
done
echo "--- unit, sanitized"
build build-sanitize unit_tests -DGREYBOX_SANITIZE=ON
ctest --test-dir build-sanitize -L unit --output-on-failure --no-tests=error -j "$jobs" "$@"
