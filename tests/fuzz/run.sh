#!/bin/sh
# Fuzz what reads files: tests/fuzz/run.sh [SECONDS [TARGET...]], from the root of the repository; needs clang with its
# libFuzzer, and a build (BUILD, build). Each target (config, files, state, ledger) runs so many seconds (10). Leaves
# nothing behind, except crash-* here if it finds something. Silent if all is well.
set -eu
[ -e "$(clang -print-file-name=libclang_rt.fuzzer-"$(uname -m)".a 2>/dev/null)" ] ||
  { echo "SKIPPED: NO FUZZING: clang or its libFuzzer is missing" && exit 77; }
seconds=${1:-10}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- config files state ledger
root=$(pwd)
build=${BUILD:-$root/build}
[ ! -d /dev/shm ] || export TMPDIR=/dev/shm # where syncing costs nothing
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_opal_signal=10 # signals are libFuzzer's
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1                           # leaks of MPI; our own are counted
packages="ompi-c yaml-0.1 libxxhash jansson hdf5-openmpi PETSc scalapack-openmpi cmocka"
# shellcheck disable=SC2086 # words
libraries="$(pkg-config --libs $packages) -lhdf5_openmpi_hl -lpthread -ldl -lm"
# shellcheck disable=SC2086
flags="-std=c11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -D_GNU_SOURCE -DOMPI_SKIP_MPICXX -Wno-psabi \
  -Wno-format-zero-length -Ilibcore -Iphysics -Itests $(pkg-config --cflags $packages)"

# Readers, and what they stand on, are instrumented; all else is taken from the build.
readers="libcore/base/*.c libcore/comm/comm.c libcore/config/*.c libcore/io/angle16.c libcore/io/h5*.c libcore/io/pieces.c
  libcore/data/*.c libcore/ad/params.c libcore/learn/checkpoint.c libcore/sim/making.c libcore/sim/mc_*.c
  libcore/sim/generate.c libcore/sim/simulate.c libcore/sim/chains.c libcore/report/analysis_file.c
  libcore/report/sampling.c libcore/report/sizes.c libcore/sweep/ledger.c libcore/sweep/past.c libcore/sweep/rungs.c"
mkdir "$folder/objects"
# shellcheck disable=SC2086,SC2016 # words; $0 and $@ are of the inner shell
echo $readers | tr ' ' '\n' | xargs -P "$(nproc)" -I{} sh -c \
  'clang '"$flags"' -fsanitize=fuzzer-no-link -c {} -o "$0/$(echo {} | tr / .).o"' "$folder/objects"
ar rcs "$folder/readers.a" "$folder"/objects/*.o

# Good files, by the programs: whole data sets of chains and of rows, an analysis, and states of unfinished ones.
cat >"$folder/xy.yaml" <<'YAML'
run: {physics: xy, dir: xy, seed: 3}
xy: {L: 4, T: [0.6, 1]}
generate: {chains: 3, samples: 40, burn_in: 16, trial: 64, pilot: 64, validation_chains: 1, test_chains: 1}
YAML
cat >"$folder/rounds.yaml" <<'YAML' # of so many samples that they come in two rounds
run: {physics: xy, dir: rounds, seed: 3}
xy: {L: 32, T: [1.4]}
generate: {chains: 3, samples: 80, burn_in: 16, trial: 64, pilot: 64, validation_chains: 1, test_chains: 1}
YAML
cat >"$folder/rows.yaml" <<'YAML'
run: {physics: pendulum, dir: rows, seed: 3}
simulate: {training: 20, validation: 4, test: 4}
YAML
# stopped_until FOLDER CONFIG CONDITION: a state, by starts that are told to stop at once
stopped_until() {
  mkdir "$1"
  until eval "$3"; do
    touch "$1/stop"
    "$build/bin/greybox-generate" "$2.yaml" run.dir="$1" >log 2>&1 || [ $? = 75 ] || { cat log && exit 1; }
    [ ! -e "$1/dataset.h5" ] || { echo "$1: no state is left" && exit 1; }
  done
}
make_good() {
  cd "$folder"
  for config in xy rounds rows; do "$build/bin/greybox-generate" $config.yaml >log 2>&1 || { cat log && exit 1; }; done
  "$build/bin/greybox-analyze" xy.yaml "analyze.latent=[0, 2]" "analyze.beta=[0.5, 1]" "analyze.alpha=[0.3]" "analyze.noise=[0, 0.2]" \
    analyze.components=2 analyze.levels=5 >log 2>&1 || { cat log && exit 1; }
  stopped_until trial xy '[ -e trial/generate.state.h5 ] && h5dump -d /series trial/generate.state.h5 >/dev/null 2>&1'
  stopped_until sampled rounds '[ -e sampled/dataset.h5.part ]'
  stopped_until begun rows '[ -e begun/generate.state.h5 ]'
}
(make_good)
export FUZZ_GOOD="$folder"

for target in "$@"; do
  mkdir -p "$folder/corpus.$target"
  [ ! -d "tests/fuzz/corpus.$target" ] || cp -r "tests/fuzz/corpus.$target/." "$folder/corpus.$target"
  # shellcheck disable=SC2086 # words
  clang $flags -fsanitize=fuzzer "tests/fuzz/fuzz_$target.c" "$folder/readers.a" "$build/physics/libphysics.a" \
    "$build/libcore/libcore.a" $libraries -o "$folder/fuzz_$target"
  case $target in files | state) longest=200 ;; *) longest=8192 ;; esac
  if ! (cd "$folder" && "./fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len="$longest" -len_control=0 \
    -artifact_prefix="$root/" "corpus.$target") >"$folder/log" 2>&1; then
    tail -n 60 "$folder/log"
    exit 1
  fi
  [ -z "${FUZZ_KEEP:-}" ] || cp "$folder/log" "$FUZZ_KEEP.$target"
done
