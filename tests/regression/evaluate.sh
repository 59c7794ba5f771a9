# tests/regression/evaluate.sh - greybox-train --evaluate: the terms of a trained model on its own and on other data.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 5}
xy: {L: 4, T: [0.4, 0.8, 1.2, 2]}
generate: {chains: 6, samples: 30, burn_in: 32, pilot: 64, validation_chains: 1, test_chains: 2}
data: {path: data/dataset.h5}
model: {encoder: [conv 3 kernel 2 stride 2 tanh, dense 24], decoder: [dense 24], latent: 2, align: true}
objective: {energy_weight: 20, free_bits: 0.1, beta_cycle: 30, beta_cycles: 2}
train: {steps: 90, batch: 32, shards: 2, validate_every: 40, save_every: 100}
END

run 2 "$generate" case.yaml
expect 0 samples
run 1 "$generate" case.yaml run.dir=other run.seed=8 "xy.T=[0.7, 1]"
expect 0 samples

# --- nothing to evaluate, wrong uses: one message each, and nothing is made.
run 2 "$train" case.yaml run.dir=hg --evaluate
expect 3 "hg: there is neither best\.h5 nor checkpoint\.h5\. Train a model there first"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
[ ! -e hg ] || fail "a refused evaluation made a folder"
run 1 "$generate" case.yaml --evaluate
expect 2 "an option is not known. Options: --dry-run, --help"
run 1 "$train" --help
expect 0 "--evaluate  no training"

run 2 "$train" case.yaml run.dir=hg
expect 0 "HG-VAE, 90 steps"
run 1 "$train" case.yaml run.dir=hg --evaluate --dry-run
expect 2 "exclude each other"
[ ! -e hg/evaluation.json ] || fail "a refused evaluation left a file"

# --- on any number of ranks the same bytes; it leaves no trace but evaluation.json.
ls hg >before
sha256sum hg/*.h5 hg/config.yaml hg/log.jsonl >sums
for ranks in 1 3; do
  run $ranks "$train" case.yaml run.dir=hg --evaluate
  expect 0 "hg/best\.h5: HG-VAE, weights of step"
  expect 0 "^validation +120 "
  mv hg/evaluation.json $ranks.json
done
cmp 1.json 3.json || fail "evaluation.json differs on 3 ranks"
[ "$(ls hg)" = "$(cat before)" ] || fail "an evaluation left $(ls hg)"
sha256sum --quiet -c sums || fail "an evaluation changed the run"

# --- another data set of the same shape; one of another shape, one that is not there.
run 2 "$train" case.yaml run.dir=hg --evaluate data.path=other/dataset.h5
expect 0 "other/dataset\.h5 \(not the data set of its training\)"
mv hg/evaluation.json other.json
run 2 "$generate" case.yaml run.dir=large xy.L=6
expect 0 samples
run 2 "$train" case.yaml run.dir=hg --evaluate data.path=large/dataset.h5
expect 2 "holds samples of 6 x 6, the config says 4 x 4"
run 2 "$train" case.yaml run.dir=hg --evaluate data.path=nowhere.h5
expect 3 "nowhere\.h5: No such file"
[ ! -e hg/evaluation.json ] || fail "a failed evaluation left a file"

# --- weights and config of best.h5 are enough to encode a sample elsewhere: the KL term by numpy, and by us.
/usr/bin/python3 "$SOURCE/docs/read_model.py" hg/best.h5 data/dataset.h5 >kl || fail "docs/read_model.py failed"
/usr/bin/python3 - <<'END' || fail "the KL term of docs/read_model.py is another one: $(cat kl)"
import json
ours = json.load(open("1.json"))["splits"]["validation"]["kl"]
assert abs(float(open("kl").read()) / ours - 1) < 1e-5, ours
END

# --- the numbers: the validation loss is that of the log at the best step; loss = nll + kl + free_bits + 20 energy.
/usr/bin/python3 - <<'END' || fail "evaluation.json is not right"
import json
one, other = json.load(open("1.json")), json.load(open("other.json"))
log = [json.loads(l) for l in open("hg/log.jsonl")]
best = min((l for l in log if l["event"] == "validate"), key=lambda l: l["loss"])
assert one["step"] == best["step"] and one["weights"] == "best.h5" and one["data_of_training"]
assert not other["data_of_training"] and other["step"] == one["step"]
assert {k: v["samples"] for k, v in one["splits"].items()} == {"training": 360, "validation": 120, "test": 240}
for term in ("loss", "nll", "kl", "energy", "free_bits", "active_units", "kl_0", "kl_1"):
    assert abs(one["splits"]["validation"][term] / best[term] - 1) < 1e-8, term
for s in list(one["splits"].values()) + list(other["splits"].values()):
    assert abs(s["nll"] + s["kl"] + s["free_bits"] + 20 * s["energy"] - s["loss"]) < 1e-9 * abs(s["loss"]), s
assert one["splits"]["test"] != other["splits"]["test"]
END
