#!/bin/sh
# The first whole run: install what is missing, build, sample the XY model, train the four models of the ladder, report.
# Usage: jobs/quickstart.sh [section.key=value ...]      RANKS=2 and CONFIG=configs/xy_quickstart.yaml can be set
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
ranks=${RANKS:-2}
config=${CONFIG:-configs/xy_quickstart.yaml}
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
greybox generate "$@"
greybox train "$@" "run.dir=$dir/vae" "data.path=$dir/dataset.h5" model.spread=fixed objective.energy_weight=0
greybox train "$@" "run.dir=$dir/h-vae" "data.path=$dir/dataset.h5" model.spread=fixed
greybox train "$@" "run.dir=$dir/g-vae" "data.path=$dir/dataset.h5" objective.energy_weight=0
greybox train "$@" "run.dir=$dir/hg-vae" "data.path=$dir/dataset.h5"
greybox report "$@"
echo "done after $(($(date +%s) - start)) s: open $dir/report.html"
