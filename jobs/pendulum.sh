#!/bin/sh
# The grey-box pendulum and its baselines: install what is missing, build, simulate, train, report with mean and spread
# over the seeds.
# Usage: jobs/pendulum.sh [section.key=value ...]      RANKS=2, SEEDS=3 and CONFIG=configs/pendulum.yaml can be set
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/pendulum.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
greybox generate "$@"
# NN+solver as in the reference: with nothing known, not even that a velocity is the rate of the angle, its state is
# held at the first angle. NN+ODE is a neural ODE as it should be. Networks of -whole see
# the angle, as published, those of -driven do not.
for seed in $(seq "${SEEDS:-3}"); do
  baseline NN-only "$@" hybrid.known=nothing hybrid.inside=nothing hybrid.latent_after=4
  baseline NN+solver "$@" hybrid.known=nothing hybrid.inside_state=whole hybrid.latent_inside=2
  baseline NN+ODE "$@" hybrid.known=kinematics hybrid.inside_state=whole hybrid.latent_inside=2
  baseline Phys-only "$@" hybrid.inside=nothing hybrid.after=nothing regularizer.reduced_model=0 \
    regularizer.reduced_model_kl=0
  baseline Phys-only-euler "$@" hybrid.inside=nothing hybrid.after=nothing regularizer.reduced_model=0 \
    regularizer.reduced_model_kl=0 ode.method=euler # as the paper solves it
  for state in whole driven; do
    baseline "NN+phys-$state" "$@" "hybrid.inside_state=$state" regularizer.reduced_model=0 \
      regularizer.reduced_model_kl=0 regularizer.unmixing=0 regularizer.augmentation=0
    baseline "NN+phys+reg-$state" "$@" "hybrid.inside_state=$state"
  done
done
greybox report "$@"
finish "$dir"
