# tests/regression/sweep_report.sh - the page of a sweep: its numbers are those of the ledger and of analysis.h5, on any ranks,
# of a sweep that is not over, too.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
sweep=$BUILD/bin/greybox-sweep
report=$BUILD/bin/greybox-report
analyze=$BUILD/bin/greybox-analyze

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
run 2 "$report" case.yaml
expect 0 "^data/report\.html"
cp data/report.json bare.json
grep -q "With analysis.h5 of greybox-analyze in this directory" data/report.html || fail "nothing is said of the linear curve"

run 2 "$analyze" case.yaml
expect 0 "analysis\.h5"
for ranks in 1 2 3; do
  run $ranks "$report" case.yaml
  expect 0 "^data/report\.html"
  cp data/report.json $ranks.json
  cmp 1.json $ranks.json || fail "report.json differs on $ranks ranks"
done

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
r, page = load("data")
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

# The linear curve, against analysis.h5; without it nothing else changes.
bare = json.load(open("bare.json"))
assert "linear" not in bare and {k: v for k, v in r.items() if k != "linear"} == bare
def check_curve(name, n, density, comparable):
    r = json.load(open(name + "/report.json"))["linear"]
    f = h5py.File(name + "/analysis.h5")
    rate, error = f["rate_distortion/rate"][()], f["rate_distortion/error"][()]
    assert r["comparable"] == comparable and [c["latent"] for c in r["curves"]] == [n, 2, 4]
    for i, c in enumerate(r["curves"]):
        assert np.abs(np.array(c["rate"]) - rate[i]).max() < 1e-6
        assert np.abs(np.array(c["distortion"]) - (n / 2 * np.log(2 * np.pi * np.e * error[i] / n) + density)).max() < 1e-5
    return r
linear = check_curve("data", 32, 0, False)
least = min((p for p in r["points"] if p["trials"]), key=lambda p: p["rate"]["value"])
at = np.interp(least["rate"]["value"], linear["curves"][0]["rate"], linear["curves"][0]["distortion"])
near(linear["shift"], least["distortion"]["value"] - at, 1e-5)
assert check_curve("angle", 16, 16 * math.log(math.pi), True)["shift"] == 0

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
/usr/bin/python3 - <<'END' || fail "the report of grey-box trials is not right"
import h5py, json, numpy as np
r = json.load(open("swing/report.json"))
error = h5py.File("swing/analysis.h5")["rate_distortion/error"][()]
assert r["names"]["distortion"] == "reconstruction" and r["linear"]["comparable"]
for c, e in zip(r["linear"]["curves"], error):
    assert np.allclose(c["distortion"], e, rtol=1e-6)
lines = [json.loads(l) for l in open("swing/trials.jsonl")]
for l in lines:
    if l["event"] != "done": continue
    p = r["points"][l["trial"]]
    assert abs(p["distortion"]["value"] / l["terms"]["reconstruction"] - 1) < 1e-6
END
