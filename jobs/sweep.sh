#!/bin/sh
# A study of many trainings: install what is missing, build, sample the XY model, train all trials of configs/xy_sweep.yaml,
# and lay them beside the best linear models.
# Usage: jobs/sweep.sh [section.key=value ...]      RANKS=2 and CONFIG=configs/xy_sweep.yaml can be set
# Stop it at any time; the same command goes on where it was, in the middle of trials.
#
# As an array of jobs instead, which a last start of the sweep collects, since it finds every trial done:
#   build/bin/greybox-sweep CONFIG --list >commands
#   sbatch --array=1-"$(wc -l <commands)" --wrap='eval "srun build/bin/$(sed -n "${SLURM_ARRAY_TASK_ID}p" commands)"'
#   build/bin/greybox-sweep CONFIG
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/xy_sweep.yaml}
. jobs/common.sh

dir=$(run_dir "$@")
greybox generate "$@"
greybox analyze "$@"
greybox sweep "$@"
greybox report "$@"
finish "$dir"
