#!/bin/sh
# T_KT of the 2D XY model: install what is missing, build, sample lattices of several sizes, report. 14 minutes on two
# cores, 400 MB of disk.
# Usage: jobs/kt.sh [section.key=value ...]      RANKS=2, CONFIG=configs/xy_kt.yaml and SIZES="L:samples ..." can be set
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
ranks=${RANKS:-2}
config=${CONFIG:-configs/xy_kt.yaml}
sizes=${SIZES:-16:20000 32:12000 64:4000 128:1200 256:350} # samples per chain
start=$(date +%s)

jobs/install.sh
cmake -S . -B build -DGREYBOX_TESTS=OFF >/dev/null
cmake --build build -j "$(nproc)" >/dev/null
echo "built after $(($(date +%s) - start)) s"

# More ranks than cores are allowed (and slow); Open MPI wants to be asked before it runs as root.
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
greybox() {
  program=$1
  shift
  echo "--- greybox-$program $*"
  mpirun -n "$ranks" "build/bin/greybox-$program" "$config" "$@"
}

# What the config and the arguments make of run.dir.
dir=$(build/bin/greybox-generate "$config" "$@" --dry-run | sed -n 's/^  dir: "\(.*\)"  #.*/\1/p')
made=
for size in $sizes; do
  L=${size%:*}
  greybox generate "run.seed=$L" "$@" "run.dir=$dir/L$L" "xy.L=$L" "generate.samples=${size#*:}"
  made="$made${made:+, }$dir/L$L"
done
greybox report "$@" "report.sizes=[$made]"
echo "done after $(($(date +%s) - start)) s: open $dir/report.html"
