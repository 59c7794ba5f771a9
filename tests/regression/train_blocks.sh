# tests/regression/train_blocks.sh - models of every kind of layer: the weights are the same bytes on any number of ranks,
# also where a training goes on with another; what a layer is in training is not what it is after it.
# shellcheck shell=bash disable=SC2034 # arrays are used by name
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3}
xy: {L: 8, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 20, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
data: {path: data/dataset.h5}
model: {latent: 3}
objective: {energy_weight: 20, energy_mode: sample}
optimizer: {learning_rate: 0.003, clip_norm: 50}
train: {steps: 20, batch: 24, shards: 4, validate_every: 10, save_every: 7, log_every: 10}
END
run 1 "$generate" case.yaml
expect 0 samples

dense=("model.encoder=[dense 20, dense 9 gelu]" "model.decoder=[dense 11, dense 31 relu]" train.shards=12)
conv=("model.encoder=[conv 4 stride 2, conv 6 kernel 4 stride 2 padding zero, dense 12]"
  "model.decoder=[dense 24, grid 4 4 5, deconv 4 kernel 4 stride 2]" train.shards=8)
batchnorm=("model.encoder=[conv 6 stride 2 none, batchnorm elu, skip, conv 6 none, batchnorm elu, conv 6 none, batchnorm, add elu, dense 12]"
  "model.decoder=[dense 24, batchnorm, dense 31]" train.shards=8)
dropout=("model.encoder=[conv 6 stride 2, dropout 0.2, skip, conv 8 stride 2, layernorm, add, dense 12, dropout 0.1]"
  "model.decoder=[dense 24, layernorm tanh, dropout 0.3]" train.shards=12)
p4=("model.encoder=[conv 3 p4 stride 2, skip, conv 4 p4 none, batchnorm elu, conv 4 p4, add, mean]" "model.decoder=[dense 24]" train.shards=8)

image=("model.encoder=[conv 6 kernel 5 pad 2 none nobias, batchnorm leaky_relu, maxpool 2, conv 5 kernel 2 pad 0, conv 4 stride 2 pad 1 sigmoid, dense 12 nobias]"
  "model.decoder=[dense 10, deconv 6 kernel 3 pad 0, upsample 2, deconv 3 kernel 4 stride 2 pad 3 leaky_relu]" train.shards=8)

# like_one_rank DIR
like_one_rank() {
  local file
  for file in checkpoint.h5 best.h5; do
    cmp "$kind.1/$file" "$1/$file" || fail "$kind: $file of $1 is not that of one rank"
  done
}
# Ranks, the samples that they compute at once, and who shares memory change nothing.
extra=("" "" "train.micro_batch=6" "train.micro_batch=13 train.ranks_per_node=1" "train.ranks_per_node=2" "" "train.ranks_per_node=3" "" "")
for kind in dense conv batchnorm dropout p4 image; do
  declare -n keys=$kind
  for ranks in 1 2 3 4 6 8; do
    # shellcheck disable=SC2086 # none or two keys
    run $ranks "$train" case.yaml "${keys[@]}" run.dir=$kind.$ranks ${extra[$ranks]}
    expect 0 "HG-VAE, 20 steps, best validation loss"
    like_one_rank $kind.$ranks
  done
  run 3 "$train" case.yaml "${keys[@]}" run.dir=$kind.again train.steps=10
  expect 0 "HG-VAE, 10 steps"
  run 2 "$train" case.yaml "${keys[@]}" run.dir=$kind.again train.micro_batch=7
  expect 0 "HG-VAE, 20 steps"
  like_one_rank $kind.again
  # the encoder by numpy, from the file alone
  /usr/bin/python3 "$SOURCE/docs/read_model.py" $kind.1/best.h5 data/dataset.h5 >kl || fail "$kind: docs/read_model.py failed"
  /usr/bin/python3 - $kind.1/log.jsonl <<'END' || fail "$kind: the KL term of docs/read_model.py is another one: $(cat kl)"
import json, sys
best = min((l for l in map(json.loads, open(sys.argv[1])) if l["event"] == "validate"), key=lambda l: l["loss"])
assert abs(float(open("kl").read()) / best["kl"] - 1) < 1e-5, best
END
done

# Statistics are learned: they are in the file, and are not what they started with. Weights that start equal are not.
/usr/bin/python3 - batchnorm.1/best.h5 <<'END' || fail "statistics of batchnorm.1/best.h5"
import h5py, numpy as np, sys
w = h5py.File(sys.argv[1])["weights"]
for name, channels in (("encoder.1", 6), ("encoder.4", 6), ("encoder.6", 6), ("decoder.1", 24)):
    mean, variance, gamma = (w[f"{name}.{what}"][()] for what in ("running_mean", "running_var", "weight"))
    assert mean.shape == variance.shape == gamma.shape == (channels,), name
    assert np.all(variance > 0) and len({*mean}) == len({*variance}) == channels, (name, mean, variance)
    assert len({*gamma}) > channels / 2, (name, gamma)
END

# A layer at fault is named; a norm over one sample, too.
run 2 "$train" case.yaml "model.encoder=[conv 4, skip, grid 3 3 2, add]" run.dir=wrong
expect 2 "model\.encoder\[3\] \`add\`: its \`skip\` remembers 8 x 8 x 4, the block gives 3 x 3 x 2"
run 2 "$train" case.yaml "model.encoder=[dense 4, batchnorm]" train.shards=24 run.dir=wrong
expect 2 "batchnorm: a shard has one sample, of one site"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
run 2 "$train" case.yaml "${batchnorm[@]}" run.dir=wrong train.micro_batch=2
expect 2 "train.micro_batch = 2 is less than a shard, train.batch / train.shards = 3 samples"
