#!/bin/sh
# How much physics a network may take over: a damped pendulum whose damping is not known, one omega for all samples
# (APHYNITY), and its baselines. Trains, reports, and prints all terms on the test split.
# Usage: jobs/aphynity.sh [section.key=value ...]      RANKS=2, SEEDS=3 and CONFIG=configs/aphynity.yaml can be set
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/aphynity.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
greybox generate "$@"
for seed in $(seq "${SEEDS:-3}"); do
  baseline Phys-only "$@" hybrid.inside=nothing
  baseline neural-ODE "$@" hybrid.known=nothing "hybrid.start=[]" regularizer.network_norm=0 regularizer.multiplier_rate=0
  baseline NN+phys "$@" regularizer.network_norm=0 regularizer.multiplier_rate=0
  baseline APHYNITY "$@"
  baseline complete "$@" pendulum.law=damped "hybrid.start=[0.447214, 0.1]"
done
greybox report "$@"
finish "$dir"
