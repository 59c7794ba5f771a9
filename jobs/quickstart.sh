#!/bin/sh
# The first whole run: install what is missing, build, sample the XY model, train the four models of the ladder, report.
# Usage: jobs/quickstart.sh [section.key=value ...]      RANKS=2 and CONFIG=configs/xy_quickstart.yaml can be set
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/xy_quickstart.yaml}
. jobs/common.sh

dir=$(run_dir "$@")
greybox generate "$@"
greybox train "$@" "run.dir=$dir/vae" "data.path=$dir/dataset.h5" model.spread=fixed objective.energy_weight=0
greybox train "$@" "run.dir=$dir/h-vae" "data.path=$dir/dataset.h5" model.spread=fixed
greybox train "$@" "run.dir=$dir/g-vae" "data.path=$dir/dataset.h5" objective.energy_weight=0
greybox train "$@" "run.dir=$dir/hg-vae" "data.path=$dir/dataset.h5"
greybox report "$@"
finish "$dir"
