#!/bin/sh
# T_KT of the 2D XY model: install what is missing, build, sample lattices of several sizes, report. 14 minutes on two
# cores, 400 MB of disk.
# Usage: jobs/kt.sh [section.key=value ...]      RANKS=2, CONFIG=configs/xy_kt.yaml and SIZES="L:samples ..." can be set
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/xy_kt.yaml}
sizes=${SIZES:-16:20000 32:12000 64:4000 128:1200 256:350} # samples per chain
. jobs/common.sh
build

dir=$(run_dir "$@")
made=
for size in $sizes; do
  L=${size%:*}
  greybox generate "run.seed=$L" "$@" "run.dir=$dir/L$L" "xy.L=$L" "generate.samples=${size#*:}"
  made="$made${made:+, }$dir/L$L"
done
greybox report "$@" "report.sizes=[$made]"
finish "$dir"
