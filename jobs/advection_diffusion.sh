#!/bin/sh
# Grey-box advection and diffusion and the baselines: install what is missing, build, simulate, train, report with mean
# and spread over the seeds, and what becomes of the models beyond the last frame.
# Usage: jobs/advection_diffusion.sh [section.key=value ...]   RANKS=2, SEEDS=3, CONFIG=configs/advection_diffusion.yaml
# can be set. Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/advection_diffusion.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
greybox generate "$@"
for seed in $(seq "${SEEDS:-3}"); do
  baseline NN-only "$@" hybrid.known=nothing hybrid.inside=nothing hybrid.after=residual hybrid.latent_after=5 \
    "hybrid.after_layers=[dense 128]"
  baseline NN+solver "$@" hybrid.known=nothing hybrid.latent_inside=5
  baseline Phys-only "$@" hybrid.inside=nothing regularizer.reduced_model=0 regularizer.reduced_model_kl=0
  baseline NN+phys "$@" regularizer.reduced_model=0 regularizer.reduced_model_kl=0 regularizer.unmixing=0 \
    regularizer.augmentation=0
  baseline NN+phys+reg "$@"
done
greybox report "$@"
finish "$dir"
