# tests/regression/train_renyi.sh - Renyi objectives: the same bytes on any number of ranks and in passes of any size, notes
# in validations, and what is refused.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3}
xy: {L: 8, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 30, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
data: {path: data/dataset.h5}
model: {latent: 3, encoder: [dense 20, dense 9 tanh], decoder: [dense 11, layernorm elu, dropout 0.1, dense 31]}
objective: {alpha: 0.7, samples: 3, beta: 1.5}
optimizer: {learning_rate: 0.003}
train: {steps: 30, batch: 24, shards: 6, validate_every: 10, save_every: 25, log_every: 10}
END
run 1 "$generate" case.yaml
expect 0 samples

for kind in relbo relbo-sampled relbo-escort renyi-prior vr iwae; do
  keys=("objective.kind=${kind%-sampled}")
  [ $kind = relbo-sampled ] && keys+=(objective.gradient=sampled)
  for ranks in 1 2 4; do
    run $ranks "$train" case.yaml "${keys[@]}" run.dir=$kind.$ranks train.micro_batch=$((ranks == 2 ? 3 : 0))
    expect 0 "G-VAE, 30 steps, best validation loss"
    for file in checkpoint.h5 best.h5; do
      [ $ranks = 2 ] || cmp $kind.1/$file $kind.$ranks/$file || fail "$kind: $file differs on $ranks ranks"
    done
  done
  python3 - $kind.*/log.jsonl <<'END' || fail "$kind: validations differ or lack numbers"
import json, sys
lines = [[l for l in map(json.loads, open(f)) if l["event"] == "validate"] for f in sys.argv[1:]]
for l in sum(lines, []): del l["time"]
assert lines[0] == lines[1] == lines[2] and len(lines[0]) == 3
for l in lines[0]:
    assert abs(l["loss"] - l["nll"] - 1.5 * (l["kl"] + l["renyi"])) < 1e-6 * abs(l["loss"]), l
    assert abs(l["kl"] - l["kl_0"] - l["kl_1"] - l["kl_2"]) < 1e-3 * (1 + l["kl"]), l
    assert 0 <= l["active_units"] <= 3
    if sys.argv[1].startswith("relbo.1"):
        assert l["outside"] == 0 and l["least_w"] >= 0.7 and l["delta_linear"] > 0 and l["delta_sampled"] > 0, l
END
done

# refuse TEXT KEY=VALUE...
refuse() {
  local text=$1
  shift
  run 1 "$train" case.yaml run.dir=refused "$@"
  expect 2 "$text"
}
refuse "needs alpha > 0" objective.kind=relbo objective.alpha=0
refuse "needs alpha > 0" objective.kind=relbo-escort objective.alpha=-1
refuse "Take vr, which is its sampled form" objective.kind=relbo objective.gradient=sampled objective.alpha=-1
refuse "Set it to 0, or take kind: elbo" objective.kind=vr objective.free_bits=0.1
refuse "Take beta > 0" objective.kind=iwae objective.beta=0
refuse "Set both to 0" objective.kind=relbo objective.beta_warmup=10
refuse "takes up to 64 latents" objective.kind=relbo model.latent=65
refuse "\`batch norm\` mixes rows" objective.kind=relbo "model.decoder=[dense 64, batchnorm]"
run 1 "$train" "$SOURCE/configs/pendulum.yaml" --dry-run objective.kind=vr objective.beta_warmup=0
expect 2 "has the ELBO only"

# A term of either sign, and several latent samples of a row, in a report.
run 1 "$BUILD/bin/greybox-report" case.yaml objective.kind=vr run.dir=vr.1
expect 0 "report.html"
