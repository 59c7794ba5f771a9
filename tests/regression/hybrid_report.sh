# tests/regression/hybrid_report.sh - the report on grey-box VAEs: grouped over seeds, every number there and right, on
# any number of ranks.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train
report=$BUILD/bin/greybox-report

cat >case.yaml <<'END'
run: {physics: pendulum, dir: data, seed: 5}
pendulum: {frames: 20, frame_time: 0.1}
simulate: {training: 120, validation: 20, test: 70}
data: {path: data/dataset.h5}
hybrid:
  inside_layers: [dense 8]
  after: nothing
  features: [dense 16]
  heads: [dense 8]
  unmixer_layers: [dense 16]
regularizer: {reduced_model: 1e-2, unmixing: 1e-3, augmentation: 0.1}
train: {steps: 60, batch: 20, shards: 2, log_every: 20, validate_every: 20, save_every: 60}
report: {frames: 40}
END
run 2 "$generate" case.yaml
expect 0 rows

# --- nothing to report on: one message.
run 2 "$report" case.yaml
expect 2 "report\.models: no trained model in data or up to two levels below it\."
[ ! -e data/report.html ] || fail "a refused report left a page"

for seed in 1 2; do
  run 2 "$train" case.yaml run.dir=data/NN+phys+reg/seed$seed run.seed=$seed
  expect 0 "NN\+phys\+reg, 60 steps"
  run 2 "$train" case.yaml run.dir=data/NN-only/seed$seed run.seed=$seed hybrid.known=nothing hybrid.inside=nothing \
    hybrid.after=residual
  expect 0 "NN-only, 60 steps"
done
run 2 "$train" case.yaml run.dir=data/euler ode.method=euler
expect 0 "NN\+phys\+reg, 60 steps"
report_on "1 2 3" data alone case.yaml run.dir=data

# --- what it says, computed again from what it shows; the page is whole, stands alone and shows the numbers.
/usr/bin/python3 - <<'END' || fail "report.json is not right"
import h5py, json, numpy as np
r = json.load(open("data/report.json"))
f = h5py.File("data/dataset.h5")
test = f["split"][()] == 2
x = f["observables"][()][test].reshape(70, -1)
groups = r["groups"]
assert [g["label"] for g in groups] == ["NN-only", "NN+phys+reg (NN+phys+reg)", "NN+phys+reg (euler)"], groups
assert [g["seeds"] for g in groups] == [2, 2, 1]
omega = f["truth/omega"][()][test]
models = {m["directory"]: m for m in r["models"]}
for m in r["models"]:
    if m["name"] == "NN-only":
        assert m["parameters"] == {} and "extrapolation" not in m
        continue
    p = m["parameters"]["omega"]
    got = m["test"]["parameters"]["omega"]
    np.testing.assert_allclose(p["true"], omega, rtol=1e-7)
    inferred = np.array(p["inferred"])
    assert abs(got["mae"] - np.abs(inferred - omega).mean()) < 1e-6
    assert abs(got["correlation"] - np.corrcoef(inferred, omega)[0, 1]) < 1e-5
    assert m["extrapolation"]["frame"][-1] == 39 and m["extrapolation"]["mae"][9] == m["test"]["extrapolation"][0]
    assert m["test"]["extrapolation"][1] is not None and m["test"]["extrapolation"][2] is None
    # with factor 1 and the true parameter it is the error of the reconstruction, but for the noise of the samples
    assert abs(m["test"]["intervention"][4] - m["test"]["mae"]) < 0.01
for g in groups:
    of = [models[d]["test"] for d in g["directories"]]
    assert abs(g["mean"]["l2"] - np.mean([m["l2"] for m in of])) < 1e-6
    if len(of) > 1: assert abs(g["sd"]["l2"] - np.std([m["l2"] for m in of], ddof=1)) < 1e-6
    else: assert g["sd"]["l2"] is None
    e = np.array(g["examples"][0]["PAB"]) - x[0]
    np.testing.assert_allclose(g["examples"][0]["sample"], x[0], atol=1e-6)
    assert np.isfinite(e).all() and ("PB" in g["examples"][0] or g["name"] == "NN-only")
references = {(q["name"], q["numbers"]["l2"]) for q in r["references"]}
assert ("NN+phys+reg", 0.345) in references and ("Phys-only", 1.551) in references
assert r["axes"]["frame"][:2] == [19, 39] and r["axes"]["scale"][4] == 1
page = open("data/report.html").read()
assert page.endswith("</html>\n") and page.count("<svg") == page.count("</svg>") == 5
for outside in ("<script", "<link", "<img", "src=", "href='http", 'href="http'):
    assert outside not in page, outside
for g in groups: assert "%.3g" % g["mean"]["l2"] in page and g["label"] in page
assert "0.345" in page
END

# --- the terms of a hybrid on every split; wrong models.
run 2 "$train" case.yaml run.dir=data/NN+phys+reg/seed1 --evaluate
expect 0 "^test +70 .*"
grep -q '"augmentation"' data/NN+phys+reg/seed1/evaluation.json || fail "evaluation.json lacks a term"
# Beside the exact linear models, at the KL and the error that --evaluate tells of draws of q.
run 2 "$BUILD/bin/greybox-analyze" case.yaml run.dir=data "analyze.latent=[2]" analyze.levels=4000
expect 0 "^ppca"
report_on "1 2" data beside case.yaml run.dir=data
/usr/bin/python3 - <<'END' || fail "models beside linear ones are not right"
import h5py, json, numpy as np
r, page = json.load(open("data/report.json")), open("data/report.html").read()
lam = h5py.File("data/analysis.h5")["eigenvalue"][()]
assert "Beside the best linear model" in page and "kl" not in json.load(open("alone.json"))["models"][0]["test"]
said = json.load(open("data/NN+phys+reg/seed1/evaluation.json"))["splits"]["test"]
one = next(m for m in r["models"] if m["directory"].endswith("NN+phys+reg/seed1"))["test"]
assert abs(one["kl"] - said["kl"]) < 1e-6 * said["kl"] and abs(one["squared_error"] / said["reconstruction"] - 1) < 0.1
for m in r["models"]:
    t = m["test"]
    low, high = 1e-12, lam[0] # the level whose rate is that KL, with any number of latents: no more error than with few
    for _ in range(200):
        level = np.sqrt(low * high)
        rate = 0.5 * np.log(np.maximum(lam / level, 1)).sum()
        low, high = (level, high) if rate > t["kl"] else (low, level)
    assert np.minimum(lam, level).sum() / t["squared_error"] <= t["linear_error_over_it"] * (1 + 1e-6), (m["name"], t)
    assert t["squared_error"] > 0 and t["linear_error_over_it"] > 0
END

run 1 "$generate" case.yaml run.dir=other run.seed=8
run 2 "$report" case.yaml run.dir=data data.path=other/dataset.h5
expect 2 "was trained on another data set"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"

# --- images: pictures in the page, and a truth that is the same after half a turn.
cat >image.yaml <<'END'
run: {physics: galaxy, dir: sky, seed: 2}
galaxy: {size: 24, neighbours: 0}
simulate: {training: 40, validation: 8, test: 12}
data: {path: sky/dataset.h5}
hybrid:
  inside: nothing
  after: unet
  unet: [2, 4]
  after_layers: [dense 8, grid 24 24 1]
  features: [conv 2 kernel 5 pad 2 none, batchnorm leaky_relu, maxpool 4, dense 16]
  heads: [dense 8]
  unmixer: channels
  unmixer_layers: [dense 8]
train: {steps: 8, batch: 8, shards: 2, validate_every: 4, save_every: 8}
report: {generate_low: [0.5, 0.3, 0.7, 0.5], generate_high: [0.8, 0.6, 0.9, 2.8], generate_spread: 2}
END
run 1 "$generate" image.yaml
expect 0 rows
run 2 "$train" image.yaml run.dir=sky/model
expect 0 "NN\+phys, 8 steps"
report_on "1 2" sky images image.yaml
/usr/bin/python3 - <<'END' || fail "the report on images is not right"
import json, math
r = json.load(open("sky/report.json"))
angle = r["models"][0]["parameters"]["angle"]
assert len(angle["true"]) == 12
assert all(abs(a - b) <= math.pi / 2 + 1e-6 for a, b in zip(angle["inferred"], angle["true"]))
page = open("sky/report.html").read()
assert page.count("data:image/png") == 2 and page.count("<svg") == 4
END
run 1 "$report" image.yaml "report.generate_low=[1]"
expect 2 "report\.generate_low has 1 numbers .* 4 parameters"

# --- a network that the user wrote: its own names, and what curves do at other values.
cat >network.yaml <<'END'
run: {physics: pen_dna, dir: network, seed: 2}
pen_dna:
  strands: ["a: K 30..50, start 1"]
  templates: ["aa: a -> a, total 4..6"]
  frames: 24
  frame_time: 1
  start: prepared
  gain: [0.7, 1.3]
  offset: [0, 0.1]
  drift: [-0.1, 0.2]
simulate: {training: 24, validation: 4, test: 6}
data: {path: network/dataset.h5}
hybrid: {inside: nothing, after: calibration, after_layers: [], features: [dense 8], heads: [], unmixer: nothing}
regularizer: {augmentation: 0.1, pretraining: 2}
ode: {method: rkc, stages: 5, substeps: 8}
train: {steps: 4, batch: 8, shards: 2, validate_every: 4, save_every: 4}
END
run 1 "$generate" network.yaml
expect 0 rows
run 2 "$train" network.yaml run.dir=network/model
expect 0 "NN\+phys\+reg, 4 steps"
run 2 "$train" network.yaml run.dir=network/plain hybrid.known=nothing hybrid.after=residual regularizer.pretraining=0
expect 0 "NN-only, 4 steps"
report_on "1 2" network written network.yaml
/usr/bin/python3 - <<'END' || fail "the report on a network is not right"
import json, numpy as np
r = json.load(open("network/report.json"))
np.testing.assert_allclose(r["axes"]["what_if"], np.linspace(30, 50, 7), rtol=1e-7)
plain, grey = r["models"]
for m in plain, grey:
    test = m["test"]["what_if"]
    assert len(test["of"]) == len(m["what_if"]["decode"]) == 7 and abs(test["all"] - np.mean(test["of"])) < 1e-7
    assert m["what_if"]["exact"] == grey["what_if"]["exact"] and len(m["what_if"]["exact"][0]) == 24
p = grey["parameters"]["K_a"]
off = np.abs(np.array(p["inferred"]) / np.array(p["true"]) - 1)
assert abs(grey["test"]["parameters"]["K_a"]["median_relative_error"] - np.median(off)) < 1e-6
assert list(grey["parameters"]) == ["K_a", "total_aa"] and plain["parameters"] == {}
page = open("network/report.html").read()
assert "Counterfactual behaviour: K_a set to a value" in page and "ranged_1" not in page
END
run 1 "$report" network.yaml "report.what_if=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"
expect 2 "report\.what_if has 10 values; at most 9"
run 1 "$train" network.yaml run.dir=network/refused regularizer.augmentation=0
expect 2 "regularizer\.pretraining = 2: there is no augmentation"

# --- curves of several behaviours: paths between kinds are from one that oscillates to one that does not.
cat >behaviours.yaml <<'END'
run: {physics: predator_prey, dir: behaviours, seed: 2}
predator_prey: {frames: 96, frame_time: 8, observe: prey, G: [80, 200]}
simulate: {training: 40, validation: 4, test: 30}
data: {path: behaviours/dataset.h5}
hybrid: {known: nothing, inside: nothing, latent_after: 3, after_layers: [dense 8], features: [dense 8], heads: []}
train: {steps: 20, batch: 8, shards: 2, validate_every: 20, save_every: 20}
END
run 2 "$generate" behaviours.yaml
expect 0 rows
run 2 "$train" behaviours.yaml run.dir=behaviours/model
expect 0 "NN-only, 20 steps"
report_on "1 2" behaviours curves behaviours.yaml
/usr/bin/python3 - <<'END' || fail "paths between behaviours are not right"
import h5py, json
f = h5py.File("behaviours/dataset.h5")
behaviour = f["truth/behaviour"][()][f["split"][()] == 2]
assert len(set(behaviour)) >= 3, behaviour # steady, damped, sustained
paths = json.load(open("behaviours/report.json"))["models"][0]["classes"]["paths"]
oscillates = lambda row: behaviour[row] in (1, 2)
assert len(paths["other_class"]) == 30 and all(oscillates(p["from"]) != oscillates(p["to"]) for p in paths["other_class"])
assert all(behaviour[p["from"]] == behaviour[p["to"]] for p in paths["same_class"])
END
