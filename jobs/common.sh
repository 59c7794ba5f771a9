# shellcheck shell=sh
# What the jobs of one machine share, read with `.` from the top folder: packages, the build, how programs are started.
# RANKS (2) can be set; config is the caller's.
# shellcheck disable=SC2154
ranks=${RANKS:-2}
start=$(date +%s)

jobs/install.sh
cmake -S . -B build -DGREYBOX_TESTS=OFF >/dev/null
cmake --build build -j "$(nproc)" >/dev/null
echo "built after $(($(date +%s) - start)) s"

# More ranks than cores are allowed (and slow); Open MPI wants to be asked before it runs as root.
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# greybox PROGRAM [section.key=value ...]
greybox() {
  program=$1
  shift
  echo "--- greybox-$program $*"
  mpirun -n "$ranks" "build/bin/greybox-$program" "$config" "$@"
}

# run_dir [section.key=value ...]: what the config and these make of run.dir
run_dir() {
  build/bin/greybox-generate "$config" "$@" --dry-run | sed -n 's/^  dir: "\(.*\)"  #.*/\1/p'
}

# finish FOLDER
finish() {
  echo "done after $(($(date +%s) - start)) s: open $1/report.html"
}

# baseline NAME section.key=value ...: train it with the caller's $seed, in a directory of its own below the caller's $dir
# shellcheck disable=SC2154
baseline() {
  baseline=$1
  shift
  greybox train "data.path=$dir/dataset.h5" "$@" "run.dir=$dir/$baseline/seed$seed" "run.seed=$seed"
}
