# shellcheck shell=sh
# What all jobs share, read with `.` from the top folder: settings of the site, how programs are started, on local ranks
# or by Slurm. RANKS (2; of a Slurm job its tasks), LAUNCH (mpirun) and BIN (build/bin) can be set; both are words, so that
# BIN can be "apptainer exec greybox.sif /opt/greybox/bin".
# shellcheck disable=SC2154 # the caller of greybox(), run_dir() and baseline() sets config, seed, dir
# shellcheck source=/dev/null
[ ! -e jobs/site.sh ] || . jobs/site.sh
ranks=${SLURM_NTASKS:-${RANKS:-2}}
launch=${LAUNCH:-mpirun -n $ranks}
bin=${BIN:-build/bin}
start=$(date +%s)

# Ranks are single threads, but for one that writes. More ranks than cores are allowed (and slow); Open MPI wants to be
# asked before it runs as root. `sbatch --export=NONE` must not empty the environment of Open MPI's daemons, and srun no
# longer takes --cpus-per-task from sbatch.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
export SLURM_KILL_BAD_EXIT=1 # srun, too, ends all ranks when one has ended with a failure
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
unset SLURM_EXPORT_ENV

# Open MPI 4.1 has one folder per user and node for the files of all his runs. A run that ends removes it when empty, and
# one that starts at that moment fails ("orte_session_dir failed"): each job has a folder of its own.
sessions=$(mktemp -d "${TMPDIR:-/tmp}/greybox.XXXXXX")
export OMPI_MCA_orte_tmpdir_base="$sessions"
trap 'rm -rf "$sessions"' EXIT
trap 'exit 130' INT # sh would else skip the trap above
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"

# build: install what is missing, and build; for jobs of one machine
build() {
  jobs/install.sh
  cmake -S . -B build -DGREYBOX_TESTS=OFF >/dev/null
  cmake --build build -j "$(nproc)" >/dev/null
  echo "built after $(($(date +%s) - start)) s"
}

# greybox PROGRAM [section.key=value ...]
greybox() {
  program=$1
  shift
  echo "--- greybox-$program $*"
  # shellcheck disable=SC2086 # words
  $launch $bin/greybox-"$program" "$config" "$@"
}

# run_dir [section.key=value ...]: what the config and these make of run.dir
run_dir() {
  # shellcheck disable=SC2086 # words
  $bin/greybox-generate "$config" "$@" --dry-run | sed -n 's/^  dir: "\(.*\)"  #.*/\1/p'
}

# finish FOLDER
finish() {
  echo "done after $(($(date +%s) - start)) s: open $1/report.html"
}

# baseline NAME section.key=value ...: train it with the caller's $seed, in a directory of its own below the caller's $dir
baseline() {
  baseline=$1
  shift
  greybox train "data.path=$dir/dataset.h5" "$@" "run.dir=$dir/$baseline/seed$seed" "run.seed=$seed"
}

# ladder DO [section.key=value ...]: DO NAME section.key=value ... for each of the four models of the ladder
ladder() {
  each=$1
  shift
  "$each" vae "$@" model.spread=fixed objective.energy_weight=0
  "$each" h-vae "$@" model.spread=fixed
  "$each" g-vae "$@" objective.energy_weight=0
  "$each" hg-vae "$@"
}
