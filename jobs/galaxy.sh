#!/bin/sh
# Grey-box galaxies and the baselines: install what is missing, build, make images, train, report with mean and spread
# over the seeds, and grids of generated galaxies.
# Usage: jobs/galaxy.sh [section.key=value ...]      RANKS=2, SEEDS=3 and CONFIG=configs/galaxy.yaml can be set
# Stop it at any time; the same command goes on where it was. Real images: download Galaxy10.h5 (SDSS) and give
# GALAXY10=Galaxy10.h5; they have no true parameters.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/galaxy.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
if [ -n "${GALAXY10:-}" ]; then
  set -- "$@" "data.path=$GALAXY10"
else
  greybox generate "$@"
  set -- "$@" "data.path=$dir/dataset.h5"
fi
decoder="[deconv 64 kernel 4 pad 0 nobias none, batchnorm relu, deconv 32 kernel 4 stride 2 pad 1 nobias none,
  batchnorm relu, deconv 16 kernel 4 stride 2 pad 1 nobias none, batchnorm relu,
  deconv 8 kernel 5 stride 2 pad 1 nobias none, batchnorm relu, deconv 3 kernel 5 stride 2 pad 0 sigmoid]"
for seed in $(seq "${SEEDS:-3}"); do
  baseline NN-only "$@" hybrid.known=nothing hybrid.after=network hybrid.latent_after=6 "hybrid.after_layers=$decoder"
  baseline NN+phys "$@" regularizer.reduced_model=0 regularizer.reduced_model_kl=0 regularizer.unmixing=0 \
    regularizer.augmentation=0
  baseline NN+phys+reg "$@"
done
greybox report "$@"
finish "$dir"
