# tests/regression/sweep_report.sh - the page of a sweep: its numbers are those of the ledger and of analysis.h5, on any ranks,
# of a sweep that is not over, too.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
sweep=$BUILD/bin/greybox-sweep
report=$BUILD/bin/greybox-report
analyze=$BUILD/bin/greybox-analyze
train=$BUILD/bin/greybox-train

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3, log_seconds: 1}
xy: {L: 4, T: [0.6, 1, 1.6]}
generate: {chains: 4, samples: 60, burn_in: 16, pilot: 64, validation_chains: 1, test_chains: 1}
model: {encoder: [dense 8], decoder: [dense 8]}
train: {steps: 120, batch: 16, shards: 2, validate_every: 40, save_every: 120, hash_every: 0}
analyze: {latent: [2, 4], levels: 200, alpha: [], noise: [0]}
sweep:
  axes: [model.latent values 2 0 4, objective.beta log 0.1 10 count 3]
  seeds: 2
END
run 0 "$generate" case.yaml
expect 0 samples
run 2 "$report" case.yaml
expect 2 "no trained model in data or below it. Run greybox-train or greybox-sweep first"
run 2 "$sweep" case.yaml
expect 0 "12 done, 6 failed, 0 open"
run 2 "$report" case.yaml report.bound_samples=0
expect 0 "^data/report\.html"
cp data/report.json ledger.json
cp data/report.html ledger.html
run 0 "$report" case.yaml report.factor=spin
expect 2 "report\.factor = spin: the data set has no such factor\. It has: T, energy, abs_m,"
run 2 "$report" case.yaml
expect 0 "assessing 100 %  12/12 trials"
cp data/report.json bare.json
grep -q "With analysis.h5 of greybox-analyze in this directory" data/report.html || fail "nothing is said of the linear curve"

run 2 "$analyze" case.yaml
expect 0 "analysis\.h5"
report_on "1 2 3" data swept case.yaml

run 2 "$train" case.yaml run.dir=data/trials/0003 data.path=data/dataset.h5 --evaluate
expect 0 "^test "

# One measure for trials of several objectives; a trial whose weights are gone is said to be, and the others compared.
run 2 "$sweep" case.yaml run.dir=kinds data.path=data/dataset.h5 sweep.seeds=1 model.latent=2 \
  "sweep.axes=[objective.kind values elbo relbo relbo-escort renyi-prior vr iwae]"
expect 0 "6 done, 0 failed"
run 2 "$report" case.yaml run.dir=kinds data.path=data/dataset.h5 sweep.seeds=1 model.latent=2 report.factor=direction \
  "sweep.axes=[objective.kind values elbo relbo relbo-escort renyi-prior vr iwae]"
expect 0 "assessing 100 %  6/6 trials"
cp -r data gone
rm -r gone/trials/0004
run 2 "$report" case.yaml run.dir=gone data.path=data/dataset.h5 report.bound_samples=2
expect 0 "gone/report\.html"
grep -q "1 trial could not be compared; the reason of the first: gone/trials/0004: there is neither" gone/report.html ||
  fail "nothing is said of weights that are gone"

# Angles in half turns with Gaussian noise: the curve is a density of the same angles.
angle=(model.encoding=angle data.path=data/dataset.h5 "sweep.axes=[objective.beta log 0.1 10 count 3]" run.dir=angle)
run 2 "$sweep" case.yaml "${angle[@]}" sweep.seeds=1
expect 0 "3 done, 0 failed, 0 open"
cp data/analysis.h5 angle/analysis.h5
run 0 "$report" case.yaml "${angle[@]}" sweep.seeds=1
expect 0 "report\.html"
grep -q "model.encoding or model.align of the trials is not that of analysis.h5" angle/report.html || fail "a curve of other numbers"
run 0 "$analyze" case.yaml "${angle[@]}" sweep.seeds=1
expect 0 "analysis\.h5"
run 0 "$report" case.yaml "${angle[@]}" sweep.seeds=1
expect 0 "report\.html"
run 0 "$generate" case.yaml run.dir=other run.seed=8
run 0 "$analyze" case.yaml run.dir=other
mkdir foreign
cp data/trials.jsonl data/log.jsonl foreign
cp other/analysis.h5 foreign
run 0 "$report" case.yaml run.dir=foreign data.path=data/dataset.h5
expect 0 "report\.html"
grep -q "analysis.h5 is that of another data set" foreign/report.html || fail "a curve of other data"

# By halving: means are of those that reached the highest rung.
halving=(run.dir=halved data.path=data/dataset.h5 "sweep.axes=[objective.beta log 0.1 10 count 6]" model.latent=2 sweep.seeds=1
  sweep.rungs=2 sweep.eta=3)
run 2 "$sweep" case.yaml "${halving[@]}"
expect 0 "6 done, 0 failed"
run 0 "$report" case.yaml "${halving[@]}"
expect 0 "report\.html"
grep -q "trials that reached step 120 (rung 1)" halved/report.html || fail "the page does not say which trials it is of"

# Not over yet: the first lines of a ledger, the last one cut.
mkdir part
head -c $(($(head -n 9 data/trials.jsonl | wc -c) + 20)) data/trials.jsonl >part/trials.jsonl
cp data/log.jsonl part
run 0 "$report" case.yaml run.dir=part data.path=data/dataset.h5
expect 0 "part/report\.html"

/usr/bin/python3 - <<'END' || fail "the report of the sweep is not right"
import h5py, json, math, numpy as np

def ledger(name):
    lines = [json.loads(l) for l in open(name + "/trials.jsonl") if l.endswith("\n")]
    return ([l for l in lines if l["event"] == "done"], [l for l in lines if l["event"] == "failed"])

def load(name):
    page = open(name + "/report.html").read()
    assert page.endswith("</html>\n") and "<script" not in page and "src=" not in page
    return json.load(open(name + "/report.json")), page

def near(a, b, tolerance=1e-6):
    assert a is not None and abs(a - b) <= tolerance * max(1, abs(b)), (a, b)

def value(l, q):
    return l["metric"] if q == "metric" else l["terms"][{"rate": "kl", "distortion": "nll"}[q]]

done, failed = ledger("data")
r, page = json.load(open("ledger.json")), open("ledger.html").read()
assert len(done) == 12 and len(failed) == 6 and r["count"] == {"done": 12, "failed": 6, "open": 0}
assert [t["trial"] for t in r["trials"]] == [l["trial"] for l in sorted(done, key=lambda l: l["metric"])]
by = {l["trial"]: l for l in done}
for t in r["trials"]:
    for q in ("metric", "rate", "distortion"):
        near(t[q], value(by[t["trial"]], q))
        assert "%.6g" % t[q] in page, (t, q)
assert {f["trial"]: f["reason"] for f in r["failed"]} == {l["trial"]: l["reason"] for l in failed}
assert page.count("model.latent = 0 is outside the range") == 6
near(r["seconds"], sum(l["seconds"] for l in done + failed))

# Points: means over the seeds, and who is on the front.
assert [p["settings"] for p in r["points"]] == [{"model.latent": m, "objective.beta": b} for m in "204" for b in ("0.1", "1", "10")]
pairs = []
for p in r["points"]:
    mine = [l for l in done if l["trial"] // 2 == p["point"]]
    assert p["trials"] == len(mine) == (0 if p["settings"]["model.latent"] == "0" else 2)
    for q in ("metric", "rate", "distortion"):
        v = [value(l, q) for l in mine]
        if not v:
            assert p[q] == {"value": None, "error": None} and not p["front"]
            continue
        near(p[q]["value"], np.mean(v))
        near(p[q]["error"], np.std(v, ddof=1) / math.sqrt(2))
        assert "%.6g" % np.mean(v) in page, (p, q)
    pairs.append((p["rate"]["value"], p["distortion"]["value"]))
known = [x for x in pairs if x[0] is not None]
for p, x in zip(r["points"], pairs):
    beaten = x[0] is None or any(y != x and y[0] <= x[0] and y[1] <= x[1] for y in known)
    assert p["front"] == (not beaten), p
for q in ("metric", "rate", "distortion"):
    flat = [v for row in r["maps"][q] for v in row]
    assert (r["maps"]["rows"], r["maps"]["columns"]) == ("model.latent", "objective.beta")
    for v, p in zip(flat, r["points"]):
        assert v is None if p[q]["value"] is None else abs(v - p[q]["value"]) < 1e-6
assert [s["end"] for s in r["starts"]] == ["done"] and r["starts"][0]["ranks"] == 2 and 0 < r["starts"][0]["utilisation"] <= 1
assert "%.1f %%" % (100 * r["starts"][0]["utilisation"]) in page
assert page.count("<svg") == page.count("</svg>") == 1

# From the weights: the same trials and points, with numbers of the test split.
ledger_points = r["points"]
r, page = load("data")
assert r["count"] == {"done": 12, "failed": 6, "open": 0} and [t["trial"] for t in r["trials"]] == [
    l["trial"] for l in sorted(done, key=lambda l: l["metric"])]
assert (r["compared"]["trials"], r["compared"]["draws"], r["compared"]["test_samples"]) == (12, 64, 180)

def check_trial(t, latents):
    b = [x["value"] for x in t["bound"]]
    assert all(x > y for x, y in zip(b, b[1:])), b  # L_alpha falls with alpha
    near(t["gap"]["value"], b[0] - b[4], 1e-6)
    near(t["rate"], t["kl"]["value"])
    near(t["distortion"], t["minus_log_likelihood"]["value"])
    assert abs(b[4] + t["rate"] + t["distortion"]) < 0.2 * t["gap"]["error"] + 0.15, t  # in the mean over draws
    assert len(t["variance"]) == latents and t["active_units"] == sum(v > 0.01 for v in t["variance"])
    assert {"T", "energy", "abs_m", "vortex_density", "direction"} <= t["factors"].keys()
    for f in t["factors"].values():
        assert len(f["correlation"]) == len(f["information"]) == latents
        assert all(c is None or abs(c) <= 1 + 1e-9 for c in f["correlation"])
    assert t["energy_error_sample"]["value"] > 0 and t["energy_error_mean_field"]["value"] > 0

for t in r["trials"]:
    check_trial(t, 2 if t["trial"] < 6 else 4)
one = next(t for t in r["trials"] if t["trial"] == 3)
test = json.load(open("data/trials/0003/evaluation.json"))["splits"]["test"]
near(one["rate"], test["kl"], 1e-6)
assert abs(one["distortion"] - test["nll"]) < 5 * one["minus_log_likelihood"]["error"]
best = max(r["trials"], key=lambda t: t["bound"][0]["value"])
assert r["compared"]["best"] == best["trial"] and "The trial with the highest bound: %04d" % best["trial"] in page
assert page.count("<svg") == page.count("</svg>") == 2 + len(best["variance"])
of = {t["trial"]: t for t in r["trials"]}
pick = {"rate": lambda t: t["rate"], "distortion": lambda t: t["distortion"], "iwae": lambda t: t["bound"][0]["value"],
        "elbo": lambda t: t["bound"][4]["value"], "gap": lambda t: t["gap"]["value"], "active_units": lambda t: t["active_units"],
        "correlation": lambda t: max(abs(c) for c in t["factors"]["abs_m"]["correlation"]),
        "energy_error": lambda t: t["energy_error_mean_field"]["value"]}
pairs = []
for p, l in zip(r["points"], ledger_points):
    mine = [t for t in r["trials"] if t["trial"] // 2 == p["point"]]
    assert p["metric"] == l["metric"] and p["settings"] == l["settings"]
    for q, get in pick.items():
        if mine:
            near(p[q]["value"], np.mean([get(t) for t in mine]), 1e-5)
        else:
            assert p[q]["value"] is None
    pairs.append((p["rate"]["value"], p["distortion"]["value"]))
known = [x for x in pairs if x[0] is not None]
for p, x in zip(r["points"], pairs):
    assert p["front"] == (x[0] is not None and not any(y != x and y[0] <= x[0] and y[1] <= x[1] for y in known))
for q in pick:
    for v, p in zip([v for row in r["maps"][q] for v in row], r["points"]):
        assert v is None if p[q]["value"] is None else abs(v - p[q]["value"]) < 1e-6

kinds, page = load("kinds")
assert kinds["compared"]["trials"] == 6 and kinds["compared"]["factor"] == "direction" and "with direction" in page
for t in kinds["trials"]:
    check_trial(t, 2)
gone, page = load("gone")
assert gone["compared"]["trials"] == 11
for t in gone["trials"]:
    assert ("not_compared" in t) == (t["trial"] == 4) == (t["rate"] is None)

# The linear curve, against analysis.h5; without it nothing else changes but what trials gain over it.
bare = json.load(open("bare.json"))
def without_gain(x):
    if isinstance(x, dict): return {k: without_gain(v) for k, v in x.items() if k not in ("linear", "linear_error_over_it")}
    return [without_gain(v) for v in x] if isinstance(x, list) else x
assert "linear" not in bare and without_gain(r) == without_gain(bare)
def check_curve(name, n, density):
    r = json.load(open(name + "/report.json"))["linear"]
    f = h5py.File(name + "/analysis.h5")
    rate, error = f["rate_distortion/rate"][()], f["rate_distortion/error"][()]
    assert r["split"] == "training" and [c["latent"] for c in r["error"]] == [n, 2, 4]
    for i, c in enumerate(r["error"]):
        assert np.abs(np.array(c["rate"]) - rate[i]).max() < 1e-6 and np.abs(np.array(c["error"]) - error[i]).max() < 1e-6
    assert ("nats" in r) == (density is not None)
    for i, c in enumerate(r.get("nats", [])):
        assert np.abs(np.array(c["distortion"]) - (n / 2 * np.log(2 * np.pi * np.e * error[i] / n) + density)).max() < 1e-5
check_curve("data", 32, None)
check_curve("angle", 16, 16 * math.log(math.pi))
# A trial's gain: the error of the curve with as many latents at its rate, over its own.
f = h5py.File("data/analysis.h5")
def gain(t):
    curve = 1 if t["trial"] < 6 else 2
    return np.interp(t["rate"], f["rate_distortion/rate"][curve], f["rate_distortion/error"][curve]) / t["squared_error"]["value"]
for p in r["points"]:
    mine = [t for t in r["trials"] if t["trial"] // 2 == p["point"]]
    for t in mine:
        assert 0 < t["squared_error"]["value"] < 2 * 32 and t["squared_error"]["error"] < 0.1 * t["squared_error"]["value"]
    if mine:
        near(p["squared_error"]["value"], np.mean([t["squared_error"]["value"] for t in mine]), 1e-5)
        near(p["linear_error_over_it"]["value"], np.mean([gain(t) for t in mine]), 2e-3)
assert "gain over linear" in page and "no linear code has less error" in page

halved, _ = load("halved")
top = {l["trial"]: l["metric"] for l in ledger("halved")[0] if l["rung"] == 1}
assert halved["rung"] == 1 and 2 <= len(top) < 6
assert {p["point"]: p["metric"]["value"] for p in halved["points"] if p["trials"]}.keys() == top.keys()
assert all(t["rate"] is None for t in halved["trials"] if t["trial"] not in top)

part, _ = load("part")
done, failed = ledger("part")
assert 0 < len(done) + len(failed) < 18 and part["count"]["done"] == len(done)
assert part["count"]["open"] == 18 - len(done) - len(failed)
END

# --- another config, and models of one's choice.
run 2 "$report" case.yaml sweep.seeds=3
expect 2 "sweep\.seeds is now 3 but data/trials\.jsonl was made with 2"
run 0 "$report" case.yaml "report.models=[data/trials/0000, data/trials/0012]"
expect 0 "report\.html"
grep -q "The ladder" data/report.html || fail "models that are named are not compared"

# --- a grey-box VAE: squared errors, as the linear curve has them.
cat >pendulum.yaml <<'END'
run: {physics: pendulum, dir: swing, seed: 3, log_seconds: 1}
simulate: {training: 60, validation: 10, test: 10}
hybrid: {inside_layers: [dense 4], after: nothing, features: [dense 8], heads: [dense 4], unmixer_layers: [dense 8]}
train: {steps: 6, batch: 10, shards: 2, validate_every: 3, save_every: 6, hash_every: 0}
analyze: {latent: [2], alpha: [], noise: [0]}
sweep: {axes: [objective.beta values 0.1 1]}
END
run 0 "$generate" pendulum.yaml
expect 0 .
run 0 "$analyze" pendulum.yaml
expect 0 "analysis\.h5"
run 2 "$sweep" pendulum.yaml
expect 0 "2 done, 0 failed"
run 2 "$report" pendulum.yaml
expect 0 "swing/report\.html"
cp swing/report.json swing.json
cp swing/report.html swing.html
run 2 "$report" pendulum.yaml report.bound_samples=0
expect 0 "swing/report\.html"
/usr/bin/python3 - <<'END' || fail "the report of grey-box trials is not right"
import h5py, json, numpy as np
r = json.load(open("swing/report.json"))
error = h5py.File("swing/analysis.h5")["rate_distortion/error"][()]
assert r["names"]["distortion"] == "reconstruction" and "nats" not in r["linear"]
for c, e in zip(r["linear"]["error"], error):
    assert np.allclose(c["error"], e, rtol=1e-6)
lines = [json.loads(l) for l in open("swing/trials.jsonl")]
for l in lines:
    if l["event"] != "done": continue
    p = r["points"][l["trial"]]
    assert abs(p["distortion"]["value"] / l["terms"]["reconstruction"] - 1) < 1e-6
r = json.load(open("swing.json"))
assert r["names"]["distortion"] == "reconstruction" and r["compared"]["factor"] == "omega"
for p in r["points"]: # more latents than analyze.latent has: the gain needs no curve of theirs
    assert 0 < p["linear_error_over_it"]["value"] < 1e3
for t in r["trials"]: # the noise of observations, 0.0111, and the squared error of the same draws
    s2, n = 0.0111**2, 50
    assert abs(t["minus_log_likelihood"]["value"] / (t["distortion"] / (2 * s2) + n / 2 * np.log(2 * np.pi * s2)) - 1) < 1e-5
    b = [x["value"] for x in t["bound"]]
    assert all(x > y for x, y in zip(b, b[1:]))
    assert len(t["factors"]["omega"]["correlation"]) == len(t["variance"]) and "energy_error_sample" not in t
assert open("swing.html").read().count("<svg") == 2
END
