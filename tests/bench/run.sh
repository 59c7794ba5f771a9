#!/usr/bin/env bash
# Measure speed: one JSON object a line. Usage: tests/bench/run.sh [mc|farm|spread|ode|linear|train|io|allreduce|scale|hybrid ...]   (all of these if none is
# named; soak: a long training; rng: the random words under dieharder, an hour)
# What train, hybrid and scale compare with, OpenBLAS, PyTorch and SimGrid: jobs/install.sh bench. Without PyTorch, train and
# hybrid have our figures only. hybrid also times the published code where PHYSVAE_REPO and TORCHDIFFEQ_REPO name checkouts.
# Two sides are measured in alternating rounds of one run; value and other are medians, best is the best round. Not part of
# the tests: numbers belong into docs/PERFORMANCE.md, with the machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD_DIR:-build-bench}
cmake -S . -B "$build" >/dev/null
cmake --build "$build" -j "$(nproc)" --target bench greybox-generate greybox-train >/dev/null
build=$(cd "$build" && pwd)
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
dir=$(mktemp -d "${BENCH_DIR:-.}/bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
dir=$(cd "$dir" && pwd)
rounds=${ROUNDS:-5}

# OpenBLAS falls back to kernels of 2004 on processors newer than itself: then those of the instruction set, as greybox does
# for itself. PyTorch and the measured sgemm get the same.
if [ -z "${OPENBLAS_CORETYPE:-}" ] && [ -x "$build/tests/bench_gemm" ]; then
  export OPENBLAS_CORETYPE
  OPENBLAS_CORETYPE=$("$build/tests/bench_gemm" kernels)
  case $OPENBLAS_CORETYPE in
    Prescott | Core2 | Katmai | Coppermine)
      if grep -qm1 '^flags.* avx512dq.* avx512vl' /proc/cpuinfo; then
        OPENBLAS_CORETYPE=SkylakeX
      elif grep -qm1 '^flags.* fma.* avx2' /proc/cpuinfo; then
        OPENBLAS_CORETYPE=Haswell
      fi
      ;;
  esac
fi

# print NAME UNIT AGAINST GATE: standard input holds lines "ours other" (rates; other may be missing)
print() {
  awk -v name="$1" -v unit="$2" -v against="$3" -v gate="$4" '
    function median(v, n,   i, j, t) {
      for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) {t = v[j]; v[j] = v[j - 1]; v[j - 1] = t}
      return v[int((n + 1) / 2)]
    }
    {a[NR] = $1 + 0; if (NF > 1) b[++m] = $2 + 0}
    END {
      x = median(a, NR); printf "{\"name\": \"%s\", \"value\": %.6g, \"best\": %.6g, \"unit\": \"%s\", ", name, x, a[NR], unit
      if (m) {y = median(b, m); printf "\"against\": \"%s\", \"other\": %.6g, \"other_best\": %.6g, \"ratio\": %.4g, ", against, y, b[m], x / y}
      else printf "\"against\": null, \"ratio\": null, "
      if (gate && m) printf "\"gate\": %g, \"pass\": %s}\n", gate, (x / y >= gate ? "true" : "false")
      else printf "\"gate\": null, \"pass\": null}\n"
    }'
}

mc() {
  "$build/tests/bench_mc"
}

# Configurations per second of greybox-generate, times the stride: [ranks] [key=value ...]. L = 32, T = 0.9, spacing 2, 16
# chains a rank. (Measured strides may differ by a step between runs with more or fewer chains.)
generated() {
  local ranks=$1
  shift
  rm -rf "$dir/run"
  mpirun -n "$ranks" "$build/bin/greybox-generate" configs/xy.yaml run.dir="$dir/run" xy.L=32 "xy.T=[0.9]" generate.spacing=2 \
    generate.chains=$((16 * ranks)) generate.samples=9000 generate.save_seconds=1000 generate.hot_chains=0 \
    xy.metropolis=1 xy.overrelaxation=4 xy.wolff=0 "$@" >/dev/null
  stride=$(/usr/bin/python3 -c "import h5py; print(h5py.File('$dir/run/dataset.h5')['sampling/stride'][0])")
  sed -n 's/.*"what":"sampling","done":\([0-9]*\),"total":\1,.*"per_second":\([0-9.]*\).*/\2/p' "$dir/run/log.jsonl" | tail -1 | awk -v s="$stride" '{print $1 * s}'
}

# Chains on two ranks against one: twice is ideal. Then what the file costs: float32 and 16-bit against no configurations.
farm() {
  for _ in $(seq "$rounds"); do
    echo "$(generated 2 generate.configurations=none) $(generated 1 generate.configurations=none)"
  done | print "chains on 2 ranks, no configurations stored" "configurations/s x stride" "1 rank" 1.94
  for type in float32 uint16; do
    for ranks in 1 2; do
      for _ in $(seq "$rounds"); do
        echo "$(generated $ranks generate.configurations=$type) $(generated $ranks generate.configurations=none)"
      done | print "generated into HDF5 as $type, $ranks rank(s)" "configurations/s x stride" "no configurations stored" 0.7
    done
  done
}

# One lattice of 4096 x 4096 on two ranks against one: twice is ideal.
spread() {
  for _ in $(seq "$rounds"); do
    for ranks in 2 1; do mpirun -n $ranks "$build/tests/bench_spread" 4096 3; done | paste -sd' '
  done | print "L=4096 on 2 ranks" "spin updates/s" "1 rank" 1.8
}

rng() {
  "$build/tests/bench_rng" | dieharder -g 200 -a
}

# A gradient through a neural pendulum, and which part of sgemm's rate its products reach, for the shape that most of them have.
ode() {
  local rate=0
  [ ! -x "$build/tests/bench_gemm" ] || rate=$(echo "layer n n 200 64 64" | OPENBLAS_NUM_THREADS=1 "$build/tests/bench_gemm" | awk '{print 2e-9 * $2 * $3 * $4 / $5}')
  "$build/tests/bench_ode" "$rate"
}

# Principal components by ScaLAPACK, beside dgemm; the fastest of its rounds.
linear() {
  for ranks in 1 2; do
    OPENBLAS_NUM_THREADS=1 mpirun -n $ranks --bind-to core "$build/tests/bench_linear" 512 16384 "$rounds"
    OPENBLAS_NUM_THREADS=1 mpirun -n $ranks --bind-to core "$build/tests/bench_linear" 2048 8192 1
  done
}

# Training: ours, PyTorch's where it is installed, and sgemm's flop rate; the communication; a long run; ranks at scale, simulated.
needs_openblas() {
  [ -x "$build/tests/bench_gemm" ] || { echo "run.sh: $1 compares with OpenBLAS: jobs/install.sh bench" >&2 && exit 2; }
}
train() {
  needs_openblas train
  /usr/bin/python3 tests/bench/train.py "$build" "$dir" compare
}
# Training with physics in the decoder: ours, PyTorch's, the published code's.
hybrid() {
  needs_openblas hybrid
  /usr/bin/python3 tests/bench/hybrid.py "$build" "$dir"
}
# Molecular systems: ours, SciPy's LSODA and BDF.
molecules() {
  /usr/bin/python3 -c "import scipy" || { echo "run.sh: molecules compares with SciPy: jobs/install.sh bench" >&2 && exit 2; }
  /usr/bin/python3 tests/bench/molecules.py "$build" "$dir"
}
allreduce() {
  mpirun -n 2 --bind-to core "$build/tests/bench_allreduce"
}
scale() {
  /usr/bin/python3 tests/bench/scale.py "$build" "$dir"
}
soak() {
  /usr/bin/python3 tests/bench/train.py "$build" "$dir" soak
}

# One file of 1 GB by parallel HDF5 on 1 and 2 ranks, as floats and as 16-bit angles, against dd of as much with the same
# sync; and what computing loses to writing in the background, against writing in the foreground.
io() {
  for ranks in 1 2; do
    for type in f32 u16; do
      for _ in $(seq "$rounds"); do
        rm -f "$dir/x.h5" "$dir/x.dd"
        ours=$(mpirun -n $ranks "$build/tests/bench_io" "$dir/x.h5" 1000 $type)
        begin=$(date +%s.%N)
        dd if=/dev/zero of="$dir/x.dd" bs=4M count=238 conv=fsync status=none
        echo "$ours $begin $(date +%s.%N)" | awk '{print 1000 / $1, 238 * 4.194304 / ($3 - $2)}'
      done | print "HDF5 write of $type, $ranks rank(s), chunked, synced" "MB/s" "dd bs=4M conv=fsync" 0
    done
    for _ in $(seq "$rounds"); do
      rm -f "$dir/x.h5" "$dir/x.dd"
      mpirun -n $ranks "$build/tests/bench_io" "$dir/x.h5" 1000 stall
    done | print "HDF5 write in the background, $ranks rank(s)" "MB per second that computing loses" "foreground" 0
  done
}

[ $# -gt 0 ] || set -- mc farm spread ode linear train io allreduce scale hybrid molecules
for group; do
  case $group in
  mc | farm | spread | ode | linear | train | io | allreduce | scale | hybrid | molecules | soak | rng) $group ;;
  *) echo "run.sh: no group $group; there are: mc farm spread ode linear train io allreduce scale hybrid molecules soak rng" >&2 && exit 2 ;;
  esac
done
