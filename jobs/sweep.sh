#!/bin/sh
# A study of many trainings: install what is missing, build, sample the XY model, train all trials of configs/xy_sweep.yaml,
# and lay them beside the best linear models.
# Usage: jobs/sweep.sh [section.key=value ...]      RANKS=2 and CONFIG=configs/xy_sweep.yaml can be set
# Stop it at any time; the same command goes on where it was, in the middle of trials.
# On a cluster: jobs/pipeline.sh, or an array of trials by jobs/sweep.sbatch.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/xy_sweep.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
greybox generate "$@"
greybox analyze "$@"
greybox sweep "$@"
greybox report "$@"
finish "$dir"
