# tests/regression/train_ranks.sh - the weights are the same bytes on any number of ranks, which may be 1 ... train.shards, on
# any number of nodes and in passes of any size.
# shellcheck shell=bash disable=SC2034 # arrays are used by name
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3}
xy: {L: 8, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 30, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
data: {path: data/dataset.h5}
model: {latent: 3}
objective: {energy_weight: 20, energy_mode: sample, beta_warmup: 30}
optimizer: {learning_rate: 0.003, clip_norm: 50}
train: {steps: 55, batch: 24, shards: 6, validate_every: 10, save_every: 25, log_every: 10}
END
run 1 "$generate" case.yaml
expect 0 samples

# Shards are shared out evenly or not: 6 on 4 ranks are 2, 2, 1 and 1. Noise of both kinds enters the loss.
dense=("model.encoder=[dense 20, dense 9 tanh]" "model.decoder=[dense 11, dense 31 relu]" model.likelihood=von_mises)
conv=("model.encoder=[conv 4 stride 2, conv 6 kernel 4 stride 2, dense 12]"
  "model.decoder=[dense 24, grid 4 4 5, deconv 4 kernel 4 stride 2]" model.align=true train.shards=8)
for kind in dense conv; do
  declare -n keys=$kind
  for ranks in 1 2 3 4 6 8; do
    [[ $kind = conv || $ranks -lt 8 ]] || continue # dense: 6 shards
    run $ranks "$train" case.yaml "${keys[@]}" run.dir=$kind.$ranks
    expect 0 "HG-VAE, 55 steps, best validation loss"
    [ "$(echo $kind.$ranks/*)" = "$(echo $kind.$ranks/{best.h5,build.txt,checkpoint{,.prev}.h5,config.yaml,lock,log.jsonl})" ] ||
      fail "files are missing or left over: $(ls $kind.$ranks)"
    for file in checkpoint.h5 best.h5; do
      cmp $kind.1/$file $kind.$ranks/$file || fail "$kind: $file differs on $ranks ranks"
    done
  done
done

# variant KIND RANKS KEY=VALUE...: what may be changed without a trace.
variant() {
  local kind=$1 ranks=$2 file
  local -n model=$kind
  shift 2
  rm -rf variant
  run "$ranks" "$train" case.yaml "${model[@]}" run.dir=variant "$@"
  expect 0 "55 steps"
  for file in checkpoint.h5 best.h5; do
    cmp "$kind".1/$file variant/$file || fail "$kind: $file differs on $ranks ranks with $*"
  done
}
variant dense 2 data.memory=0 # read row by row instead of held in memory
variant dense 1 train.micro_batch=1
variant dense 3 train.micro_batch=3 train.ranks_per_node=1
variant dense 6 train.ranks_per_node=3
variant conv 1 train.micro_batch=2
variant conv 2 train.micro_batch=7 train.ranks_per_node=1
variant conv 8 train.ranks_per_node=2 train.hash_every=1

# On other ranks every time, as if undisturbed: with an average of the weights, too.
ema=("${dense[@]}" optimizer.ema=0.9 optimizer.schedule=step optimizer.step_every=15)
for dir in whole parts; do
  for leg in "2 20" "4 30" "1 40" "6 55"; do
    read -r ranks steps <<<"$leg"
    [[ $dir = parts || $steps = 55 ]] || continue
    run "$ranks" "$train" case.yaml "${ema[@]}" run.dir=$dir train.steps="$steps"
    expect 0 "$steps steps"
  done
done
cmp whole/checkpoint.h5 parts/checkpoint.h5 || fail "a training continued on other ranks has other bits"

# The average is what is validated and kept.
run 2 "$train" case.yaml "${ema[@]}" run.dir=average train.validate_every=100 # at the end only
expect 0 "55 steps"
/usr/bin/python3 - <<'END' || fail "weights and their average are not as they should be"
import h5py, numpy as np
state, best = (h5py.File(f"average/{f}.h5") for f in ("checkpoint", "best"))
name = "encoder.0.weight"
assert best["numbers"][1] == state["numbers"][1] == 55
assert np.array_equal(best["weights"][name], state["average"][name]) and "average" not in best
assert not np.array_equal(state["weights"][name], state["average"][name])
END

# Plain sums: the same training but for roundings, which a sampled energy soon makes large.
run 2 "$train" case.yaml "${dense[@]}" run.dir=fast train.reduction=fast
expect 0 "55 steps"
/usr/bin/python3 - <<'END' || fail "train.reduction=fast gives something else"
import json
lines = [[json.loads(l) for l in open(f"{d}/log.jsonl")] for d in ("dense.1", "fast")]
a, b = (next(l["loss"] for l in log if l["event"] == "validate" and l["step"] == 10) for log in lines)
assert a != b and abs(a - b) < 1e-5 * abs(a), (a, b)
END

# Another seed, other shards: others.
for other in run.seed=4 train.shards=4; do
  rm -rf other
  run 1 "$train" case.yaml "${dense[@]}" run.dir=other $other
  expect 0 "55 steps"
  if cmp -s dense.1/best.h5 other/best.h5; then fail "$other changes nothing"; fi
done

# Samples moved by symmetries: each by its own element, whoever works on it, held in memory or read ahead.
moves="data.augment=[spin_rotation, spin_reflection, translation, lattice_reflection, lattice_rotation]"
for ranks in 1 3; do
  run $ranks "$train" case.yaml "${dense[@]}" run.dir=moved.$ranks "$moves" data.memory=$((ranks - 1))
  expect 0 "55 steps"
done
cmp moved.1/checkpoint.h5 moved.3/checkpoint.h5 || fail "moved samples depend on ranks"
if cmp -s dense.1/best.h5 moved.1/best.h5; then fail "data.augment changes nothing"; fi
run 2 "$train" case.yaml "${dense[@]}" run.dir=wrong "data.augment=[rotation]"
expect 2 "data\.augment: .rotation. is no symmetry\. Known are spin_rotation"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"

# More ranks than shards.
run 4 "$train" case.yaml "${dense[@]}" run.dir=many train.shards=3
expect 2 "train.shards = 3: 4 ranks cannot share so few pieces. Start at most 3 ranks"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
[ ! -e many/checkpoint.h5 ] || fail "a refused training left a checkpoint"
