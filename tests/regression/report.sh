# tests/regression/report.sh - the report of a whole ladder: every number is there and right, on any number of ranks.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
train=$BUILD/bin/greybox-train
report=$BUILD/bin/greybox-report

cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 5}
xy: {L: 4, T: [0.4, 0.8, 1.2, 2]}
generate: {chains: 6, samples: 100, burn_in: 32, pilot: 64, validation_chains: 1, test_chains: 2}
data: {path: data/dataset.h5}
model: {encoder: [dense 24], decoder: [dense 24], latent: 2}
objective: {energy_weight: 20}
train: {steps: 300, batch: 32, shards: 2, validate_every: 100, save_every: 100}
report: {prior_samples: 400}
END
run 2 "$train" case.yaml run.dir=early
expect 3 "data/dataset.h5: No such file.* Make it with greybox-generate"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
run 2 "$generate" case.yaml
expect 0 samples

# --- nothing to report on: one message.
run 2 "$report" case.yaml
expect 2 "report\.models: no trained model in data or below it\."
[ ! -e data/report.html ] || fail "a refused report left a page"

run 2 "$train" case.yaml run.dir=data/vae model.spread=fixed objective.energy_weight=0
expect 0 "^data/vae.*: VAE, 300 steps"
run 2 "$train" case.yaml run.dir=data/h-vae model.spread=fixed
expect 0 " H-VAE, 300 steps"
run 2 "$train" case.yaml run.dir=data/g-vae objective.energy_weight=0
expect 0 " G-VAE, 300 steps"
run 2 "$train" case.yaml run.dir=data/hg-vae
expect 0 "HG-VAE, 300 steps"
report_on "1 2 3" data alone case.yaml run.dir=data

# --- what it says of the data, against numpy; the page is whole, stands alone and shows the numbers.
/usr/bin/python3 - <<'END' || fail "report.json is not right"
import h5py, json, numpy as np, sys
r = json.load(open("data/report.json"))
f = h5py.File("data/dataset.h5")
assert [m["name"] for m in r["models"]] == ["VAE", "H-VAE", "G-VAE", "HG-VAE"]
assert r["data"]["temperature"] == list(f["temperature"]) and r["data"]["sites"] == 16
test = f["split"][()] == 2
e = f["observables/energy"][()]
for t in range(4):
    mine = e[t][test[t]]
    assert abs(mine.mean() - r["data"]["summary"]["energy"]["value"][t]) < 1e-6, t
    # The error bar, against the naive one of independent samples.
    naive = mine.std(ddof=1) / np.sqrt(mine.size)
    assert 0.6 < r["data"]["summary"]["energy"]["error"][t] / naive < 1.6, t
error = {m["name"]: m["test"]["abs_energy_error_sample"]["value"] for m in r["models"]}
assert error["HG-VAE"] < error["G-VAE"] and error["H-VAE"] < error["VAE"], error
def finite(x):
    if isinstance(x, dict): return all(map(finite, x.values()))
    if isinstance(x, list): return all(map(finite, x))
    return not isinstance(x, float) or np.isfinite(x)
assert finite(r)
page = open("data/report.html").read()
assert page.endswith("</html>\n") and page.count("<svg") == page.count("</svg>") >= 12
for outside in ("<script", "<link", "<img", "src=", "href='http", 'href="http'):
    assert outside not in page, outside
for m in r["models"]:
    assert "%.1f" % m["test"]["nll"] in page and "%.3f" % m["test"]["correlation_radius_abs_m"] in page
END

# --- beside the exact linear models of analysis.h5: a table, the plane of rate and error; models of other numbers are left out.
grep -q "With analysis.h5 of greybox-analyze in this directory" data/report.html || fail "nothing is said of linear models"
run 2 "$BUILD/bin/greybox-analyze" case.yaml run.dir=data "analyze.latent=[2]" analyze.levels=4000
expect 0 "^ppca"
run 2 "$train" case.yaml run.dir=data/angle model.encoding=angle objective.energy_weight=0
expect 0 "300 steps"
report_on "1 2" data beside case.yaml run.dir=data
/usr/bin/python3 - <<'END' || fail "models beside linear ones are not right"
import h5py, json, numpy as np
r, old, page = json.load(open("data/report.json")), json.load(open("alone.json")), open("data/report.html").read()
f = h5py.File("data/analysis.h5")
rate, error = f["rate_distortion/rate"][1], f["rate_distortion/error"][1]
assert [c["latent"] for c in r["linear"]] == [32, 2] and "linear" not in old
assert np.abs(np.array(r["linear"][1]["error"]) - error).max() < 1e-6
for m in r["models"]:
    t = m["test"]
    if m["directory"].endswith("angle"):
        assert t["linear_error_over_it"] is None
        continue
    e, kl = t["squared_error"]["value"], sum(t["kl_per_latent"])
    assert abs(t["linear_error_over_it"] * e / np.interp(kl, rate, error) - 1) < 1e-3, t
    assert "%.3f" % t["linear_error_over_it"] in page and 1 < e < 32 and t["squared_error"]["error"] < 0.1 * e
before = {m["directory"]: m["test"]["squared_error"] for m in old["models"]}
assert all(before.get(m["directory"], m["test"]["squared_error"]) == m["test"]["squared_error"] for m in r["models"])
assert "Beside the best linear model" in page
END
rm -r data/angle

# --- models of one's choice, and wrong ones.
run 1 "$report" case.yaml run.dir=data "report.models=[data/hg-vae]"
expect 0 "report\.html"
run 2 "$report" case.yaml run.dir=data "report.models=[data/nowhere]"
expect 2 "data/nowhere holds neither best.h5 nor checkpoint.h5"
run 1 "$generate" case.yaml run.dir=other run.seed=8
run 2 "$report" case.yaml run.dir=data data.path=other/dataset.h5
expect 2 "was trained on another data set"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"

# --- a plot that cannot be drawn ends the report, not the last one.
cp data/report.html kept.html
mkdir bin
printf '#!/bin/sh\nexit 1\n' >bin/gnuplot
chmod +x bin/gnuplot
PATH=$PWD/bin:$PATH run 2 "$report" case.yaml run.dir=data
expect 5 gnuplot
cmp data/report.html kept.html || fail "a failed report changed the page"
