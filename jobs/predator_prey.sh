#!/bin/sh
# Molecules as a fluorometer shows them, the law in the decoder or not: install what is missing, build, simulate,
# train, and report what is inferred, and what curves do where a template is set to other values. Predator and prey, or,
# with CONFIG=configs/pen_dna_hybrid.yaml, a network of templates that the config writes.
# Usage: jobs/predator_prey.sh [section.key=value ...]      RANKS=2, SEEDS=3 and CONFIG=configs/predator_prey_hybrid.yaml
# can be set. Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/predator_prey_hybrid.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
greybox generate "$@"
for seed in $(seq "${SEEDS:-3}"); do
  # the plain VAE of curves: cheap steps, of which it gets more
  baseline NN-only "$@" hybrid.known=nothing hybrid.after=residual hybrid.latent_after=10 \
    "hybrid.after_layers=[dense 64, dense 256]" regularizer.pretraining=0 train.steps=20000
  baseline NN+phys "$@" regularizer.reduced_model=0 regularizer.augmentation=0 regularizer.pretraining=0
  baseline NN+phys+reg "$@"
done
greybox report "$@"
finish "$dir"
