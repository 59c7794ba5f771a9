#!/bin/sh
# Fuzz the config reader: tests/fuzz/run.sh [SECONDS], from the root of the repository; needs clang and its libFuzzer.
# Starts from tests/fuzz/corpus and leaves nothing behind, except crash-* here if it finds something. Silent if all is
# well.
set -eu
seconds=${1:-10}
root=$(pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r tests/fuzz/corpus "$folder/corpus"
# shellcheck disable=SC2046 # flags are words
clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -D_GNU_SOURCE -DOMPI_SKIP_MPICXX \
  -Ilibcore -Itests tests/fuzz/fuzz_config.c libcore/base/err.c libcore/base/file.c libcore/base/mem.c \
  libcore/base/text.c libcore/comm/comm.c libcore/config/*.c $(pkg-config --cflags --libs ompi-c yaml-0.1) -lm \
  -o "$folder/fuzz"
cd "$folder"
if ! ./fuzz -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=8192 -artifact_prefix="$root/" corpus \
  >log 2>&1; then
  tail -n 60 log
  exit 1
fi
if [ -n "${FUZZ_KEEP:-}" ]; then
  cp log "$FUZZ_KEEP"
fi
