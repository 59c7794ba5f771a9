#!/bin/sh
# The first whole run: install what is missing, build, sample the XY model, train the four models of the ladder, report.
# Usage: jobs/quickstart.sh [section.key=value ...]      RANKS=2 and CONFIG=configs/xy_quickstart.yaml can be set
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/xy_quickstart.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
greybox generate "$@"
model() {
  name=$1
  shift
  greybox train "$@" "run.dir=$dir/$name" "data.path=$dir/dataset.h5"
}
ladder model "$@"
greybox report "$@"
finish "$dir"
