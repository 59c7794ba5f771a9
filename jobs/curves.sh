#!/bin/sh
# A VAE of curves that oscillate and of curves that switch: install what is missing, build, simulate, train, and report how
# far the two are apart in latents and what lies between them.
# Usage: jobs/curves.sh [section.key=value ...]      RANKS=2, SEEDS=3 and CONFIG=configs/curves.yaml can be set;
#        of simulated molecules: CONFIG=configs/curves_pen_dna.yaml, CONFIG=configs/curves_predator_prey.yaml
# Stop it at any time; the same command goes on where it was.
set -eu
cd "$(dirname "$0")/.."
config=${CONFIG:-configs/curves.yaml}
. jobs/common.sh
build

dir=$(run_dir "$@")
greybox generate "$@"
for seed in $(seq "${SEEDS:-3}"); do
  baseline NN-only "$@"
done
greybox report "$@"
finish "$dir"
