#!/bin/sh
# Fuzz what reads files: tests/fuzz/run.sh [SECONDS [config|files]], from the root of the repository; needs clang and its
# libFuzzer. Each target runs so many seconds (10). Leaves nothing behind, except crash-* here if it finds something.
# Silent if all is well.
set -eu
[ -e "$(clang -print-file-name=libclang_rt.fuzzer-"$(uname -m)".a 2>/dev/null)" ] ||
  { echo "SKIPPED: NO FUZZING: clang or its libFuzzer is missing" && exit 77; }
seconds=${1:-10}
root=$(pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_opal_signal=10 # signals are libFuzzer's
flags="-std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -D_GNU_SOURCE -DOMPI_SKIP_MPICXX
  -Wno-psabi -Wno-format-zero-length -Ilibcore -Itests"

# fuzz TARGET SOURCES AND LIBRARIES...: build and run
fuzz() {
  target=$1
  shift
  mkdir -p "$folder/$target"
  [ ! -d "tests/fuzz/corpus.$target" ] || cp -r "tests/fuzz/corpus.$target/." "$folder/$target"
  # shellcheck disable=SC2086 # words
  clang $flags "tests/fuzz/fuzz_$target.c" "$@" -lm -o "$folder/fuzz_$target"
  if ! (cd "$folder" && "./fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
    -artifact_prefix="$root/" "$target") >"$folder/log" 2>&1; then
    tail -n 60 "$folder/log"
    exit 1
  fi
  [ -z "${FUZZ_KEEP:-}" ] || cp "$folder/log" "$FUZZ_KEEP.$target"
}

# shellcheck disable=SC2046 # flags are words
for target in ${2:-config files}; do
  case $target in
  config)
    fuzz config libcore/base/err.c libcore/base/file.c libcore/base/hash.c libcore/base/mem.c libcore/base/text.c \
      libcore/comm/comm.c libcore/config/*.c $(pkg-config --cflags --libs ompi-c yaml-0.1 libxxhash)
    ;;
  files)
    ASAN_OPTIONS=detect_leaks=0 # those of MPI; our own are counted
    export ASAN_OPTIONS
    fuzz files libcore/base/*.c libcore/comm/*.c libcore/config/*.c libcore/io/angle16.c libcore/io/h5*.c \
      libcore/io/pieces.c libcore/data/*.c libcore/ad/params.c libcore/learn/checkpoint.c \
      $(pkg-config --cflags --libs ompi-c yaml-0.1 libxxhash cmocka hdf5-openmpi) -lhdf5_openmpi_hl -lpthread
    ;;
  esac
done
