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

linear=(model.encoding=angle "model.encoder=[]" "model.decoder=[]" model.spread=shared objective.beta=1)
for kind in relbo relbo-sampled relbo-some relbo-escort relbo-joint renyi-prior vr iwae; do
  keys=("objective.kind=$kind") name=G-VAE beta=1.5
  [ $kind = relbo-sampled ] && keys=(objective.kind=relbo objective.gradient=sampled)
  [ $kind = relbo-some ] && keys=(objective.kind=relbo objective.linearise_every=5)
  [ $kind = relbo-joint ] && keys+=("${linear[@]}") name=VAE beta=1
  for ranks in 1 2 4; do
    run $ranks "$train" case.yaml "${keys[@]}" run.dir=$kind.$ranks train.micro_batch=$((ranks == 2 ? 3 : 0))
    expect 0 "$name, 30 steps, best validation loss"
    for file in checkpoint.h5 best.h5; do
      [ $ranks = 2 ] || cmp $kind.1/$file $kind.$ranks/$file || fail "$kind: $file differs on $ranks ranks"
    done
  done
  python3 - $beta $kind.*/log.jsonl <<'END' || fail "$kind: validations differ or lack numbers"
import json, sys
beta = float(sys.argv.pop(1))
lines = [[l for l in map(json.loads, open(f)) if l["event"] == "validate"] for f in sys.argv[1:]]
for l in sum(lines, []): del l["time"]
assert lines[0] == lines[1] == lines[2] and len(lines[0]) == 3
for l in lines[0]:
    kl = 0 if sys.argv[1].startswith(("relbo-escort", "renyi-prior")) else l["kl"]
    assert abs(l["loss"] - l["nll"] - beta * (kl + l["renyi"])) < 1e-6 * abs(l["loss"]), l
    assert abs(l["kl"] - l["kl_0"] - l["kl_1"] - l["kl_2"]) < 1e-3 * (1 + l["kl"]), l
    assert 0 <= l["active_units"] <= 3
    if sys.argv[1].startswith("relbo-joint"):
        assert l["outside"] == 0 and l["renyi"] != 0, l
    if sys.argv[1].startswith(("relbo.1", "relbo-some")):
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
refuse "linearises a decoder. Set it to 1" objective.kind=vr objective.linearise_every=2
joint=(objective.kind=relbo-joint "${linear[@]}")
refuse "model.encoder\[0\] is \`dense 20\`" objective.kind=relbo-joint objective.beta=1
refuse "model.encoding = cossin: it wants angle" "${joint[@]}" model.encoding=cossin
refuse "model.likelihood = von_mises: it wants gaussian" "${joint[@]}" model.likelihood=von_mises
refuse "model.spread = learned depends on the latents" "${joint[@]}" model.spread=learned
refuse "one divergence, of which no part has a weight" "${joint[@]}" objective.beta=2
refuse "Set it to 0, or take another kind" "${joint[@]}" objective.energy_weight=1
refuse "a number of the data as they are" "${joint[@]}" "data.augment=[spin_rotation]"
run 1 "$train" case.yaml --dry-run run.dir=refused "${joint[@]}" xy.L=18
expect 2 "samples have 324 sites"
run 1 "$train" "$SOURCE/configs/pendulum.yaml" --dry-run objective.kind=vr objective.beta_warmup=0
expect 2 "takes elbo, relbo-escort or renyi-prior"

# Above 1: samples outside of the domain are counted, and train on.
for kind in relbo relbo-escort; do
  run 2 "$train" case.yaml objective.kind=$kind objective.alpha=3 optimizer.clip_norm=100 run.dir=above.$kind
  expect 0 "30 steps"
  python3 - above.$kind/log.jsonl <<'END' || fail "$kind: samples outside of the domain are not counted"
import json, math, sys
lines = [l for l in map(json.loads, open(sys.argv[1])) if l["event"] == "validate"]
assert lines and all(0 <= l["outside"] <= 1 and math.isfinite(l["loss"]) for l in lines), lines
assert "escort" in sys.argv[1] or (lines[0]["outside"] > 0 and lines[0]["least_w"] < 0.01), lines[0]
END
done

# What validations say beside the terms is in evaluation.json and in a report, of the test split.
run 2 "$train" case.yaml run.dir=relbo.1 --evaluate
expect 0 "^test "
run 2 "$BUILD/bin/greybox-report" case.yaml objective.kind=relbo run.dir=relbo.1
expect 0 "report.html"
python3 - <<'END' || fail "the report lacks what the objective says"
import json
said = json.load(open("relbo.1/evaluation.json"))["splits"]["test"]
test, page = json.load(open("relbo.1/report.json"))["models"][0]["test"], open("relbo.1/report.html").read()
for name in "active_units", "outside", "least_w", "delta_linear", "delta_sampled", "kl_0", "kl_1", "kl_2":
    assert abs(test[name] - said[name]) < 1e-6 * (1 + abs(said[name])), (name, test[name], said[name])
    assert "<small>%s</small> %.4g<" % (name, test[name]) in page, name
assert test["delta_linear"] > 0 and test["delta_sampled"] > 0 and test["least_w"] > 0
END

# A term of either sign, and several latent samples of a row, in a report.
run 1 "$BUILD/bin/greybox-report" case.yaml objective.kind=vr run.dir=vr.1
expect 0 "report.html"
run 1 "$BUILD/bin/greybox-report" case.yaml "${joint[@]}" run.dir=relbo-joint.1
expect 0 "report.html"
