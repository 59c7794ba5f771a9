#!/usr/bin/env bash
# tests/bench/renyi.sh - what a Renyi term costs: user time of a step beside that of the plain ELBO, of the dense XY model.
# Kinds take turns; of ROUNDS rounds the median, the smallest and the largest ratio are printed. BUILD: a build folder.
# shellcheck shell=bash
set -euo pipefail
BUILD=$(realpath "${BUILD:-build}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3}
xy: {L: 16, T: {min: 0.1, max: 2, count: 8}}
generate: {chains: 4, samples: 60, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
data: {path: data/dataset.h5}
model: {encoder: [dense 256, dense 128], decoder: [dense 128, dense 256]}
objective: {alpha: 0.8}
train: {batch: 128, shards: 4, validate_every: 1000000, save_every: 1000000, log_every: 1000000}
END
"$BUILD"/bin/greybox-generate case.yaml >/dev/null

# user time in seconds of a training: seconds STEPS KEY=VALUE...
seconds() {
  local steps=$1 TIMEFORMAT=%U
  shift
  { time "$BUILD"/bin/greybox-train case.yaml run.dir="run$RANDOM" train.steps="$steps" "$@" >log 2>&1 || echo failed >failed; } 2>&1
}

for latent in ${LATENTS:-2 8 16}; do
  for ((round = 0; round < ${ROUNDS:-5}; round++)); do
    while read -r name keys; do
      # shellcheck disable=SC2086
      echo "$latent $name $(seconds 1 model.latent=$latent $keys) $(seconds "${STEPS:-400}" model.latent=$latent $keys)"
    done <<'END'
elbo objective.kind=elbo
relbo objective.kind=relbo
relbo/2 objective.kind=relbo objective.linearise_every=2
relbo/4 objective.kind=relbo objective.linearise_every=4
relbo-escort objective.kind=relbo-escort
vr-2 objective.kind=vr objective.samples=2
END
  done
  [ ! -e failed ] || { cat log >&2 && exit 1; }
done | python3 -c '
import sys
rows = {}
for line in sys.stdin:
    latent, name, start, end = line.split()
    rows.setdefault((int(latent), name), []).append(float(end) - float(start))
for (latent, name), t in rows.items():
    r = sorted(a / b - 1 for a, b in zip(t, rows[latent, "elbo"]))
    print("latent %2d %-13s extra: median %4.0f %%, rounds from %4.0f to %4.0f" % (latent, name, 100 * r[len(r) // 2], 100 * r[0], 100 * r[-1]))
'
