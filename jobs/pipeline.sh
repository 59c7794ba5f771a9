#!/bin/bash
# A whole study through Slurm, each stage after the one before has succeeded: generate, train, report.
# Usage, from the login node: jobs/pipeline.sh [SBATCH FLAGS] CONFIG [section.key=value ...]
# What is trained: STUDY=ladder (four models; of a config with a section objective), seeds (one model from SEEDS=3 seeds),
# or sweep (of a config with a section sweep). Example: jobs/pipeline.sh --ntasks=16 --time=8:00:00 configs/xy.yaml
set -euo pipefail
cd "$(dirname "$0")/.."
flags=()
while [[ ${1:-} == -* ]]; do flags+=("$1") && shift; done
config=${1:?a config is missing: see the first lines of $0}
shift
# shellcheck source=jobs/common.sh
. jobs/common.sh

[ -f "$config" ] || { echo "$config: no such config" >&2 && exit 2; }
if [ -z "${STUDY:-}" ]; then
  STUDY=seeds
  ! grep -q '^objective:' "$config" || STUDY=ladder
  ! grep -q '^sweep:' "$config" || STUDY=sweep
fi
# shellcheck disable=SC2086 # words
$bin/greybox-train "$config" "$@" --dry-run >/dev/null # a mistake is told here, not after hours in the queue
dir=$(run_dir "$@")
all=()

# submit STAGE AFTER [SBATCH FLAGS --] [section.key=value ...]: AFTER is a list of jobs, "" for none; its number: $job
submit() {
  local stage=$1 after=$2 more=()
  shift 2
  while [[ ${1:-} == -?* && $1 != -- ]]; do more+=("$1") && shift; done
  [ "${1:-}" != -- ] || shift
  [ -z "$after" ] || more+=("--dependency=afterok:$after" --kill-on-invalid-dep=yes)
  job=$(sbatch --parsable "${flags[@]}" "${more[@]}" "jobs/$stage.sbatch" "$config" "$@")
  job=${job%%;*} # "number;cluster" where there are several clusters
  all+=("$job")
  echo "$job  $stage $*${after:+  after $after}"
}
model() {
  local name=$1
  shift
  submit train "$data" "$@" "data.path=$dir/dataset.h5" "run.dir=$dir/$name"
  trained+=${trained:+:}$job
}

submit generate '' "$@"
data=$job trained=''
case $STUDY in
ladder) ladder model "$@" ;;
seeds) submit train "$data" "--array=1-${SEEDS:-3}" -- "$@" && trained=$job ;;
sweep) submit sweep "$data" "$@" && trained=$job ;;
*) echo "STUDY=$STUDY is none of ladder, seeds, sweep" >&2 && exit 2 ;;
esac
submit report "$trained" "$@"
cat <<TEXT
Watch:  squeue -j $(IFS=, && echo "${all[*]}")      tail -f greybox-*.log
Stop:   touch $dir/stop (or of a model: $dir/NAME/stop) saves and ends; scancel ${all[*]}
Go on:  the same command
Result: $dir/report.html
TEXT
