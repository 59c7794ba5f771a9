# tests/regression/kt.sh - T_KT from small lattices: every number is there, on any number of ranks; wrong data sets.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
report=$BUILD/bin/greybox-report

cat >case.yaml <<'END'
run: {physics: xy, dir: all, seed: 5}
xy: {L: 8, T: {min: 0.88, max: 1.0, count: 9}, metropolis: 1, overrelaxation: 4, wolff: 0.125}
generate: {chains: 16, samples: 250, pilot: 512, spacing: 2}
END
for L in 8 16 24 32; do
  run 2 "$generate" case.yaml run.dir=L$L xy.L=$L run.seed=$L
  expect 0 samples
done
report_on "1 2 3" all whole case.yaml "report.sizes=[L8, L16, L24, L32]"

cat >look.py <<'END'
import h5py, json, numpy as np, sys
r = json.load(open("all/report.json"))
k = r["kosterlitz_thouless"]
assert r["models"] == [] and "data" not in r
# Small lattices, few samples, but the right number within what they claim.
assert 0 < k["error"] < 0.1 and abs(k["T_KT"] - k["known"]["value"]) < 4 * k["error"], k
assert k["error"] ** 2 - k["statistical"] ** 2 - k["systematic"] ** 2 < 1e-9 and k["dof"] > 0
assert [s["L"] for s in k["sizes"]] == [8, 16, 24, 32] and len(k["cuts"]) == 3
left_out = int(sys.argv[1])
assert sum(len(s["excluded"]) for s in k["sizes"]) == left_out
for s in k["sizes"]:
    f = h5py.File(s["path"])
    T, Y = f["temperature"][()], f["summary/helicity_modulus"][()]
    assert list(T) == s["temperature"] and np.allclose(Y[:, 0], s["helicity_modulus"]["value"], atol=1e-7)
    if left_out or s["L"] == 8 and s["crossing"] is None:
        continue
    d = Y[:, 0] - 2 / np.pi * T
    i = np.flatnonzero((d[:-1] > 0) & (d[1:] <= 0))[0]
    assert abs(T[i] + (T[i + 1] - T[i]) * d[i] / (d[i] - d[i + 1]) - s["crossing"]["value"]) < 1e-6
    assert 0 < s["crossing"]["error"] < 0.05
page = open("all/report.html").read()
assert page.endswith("</html>\n") and "Kosterlitz–Thouless" in page and page.count("<svg") == page.count("</svg>") == 1
assert "%.5f ± %.5f" % (k["T_KT"], k["statistical"]) in page
assert ("not well sampled" in page) == (left_out > 0)
END
/usr/bin/python3 look.py 0 || fail "the report is not right"

# --- beside a trained model: both parts.
run 2 "$BUILD/bin/greybox-train" case.yaml run.dir=L8/vae data.path=L8/dataset.h5 "model.encoder=[dense 8]" \
  "model.decoder=[dense 8]" train.steps=20 train.validate_every=10
expect 0 "20 steps"
run 2 "$report" case.yaml run.dir=L8 "report.sizes=[L8, L16, L24, L32]"
expect 0 "L8/report\.html"
for part in "The ladder" "Kosterlitz–Thouless"; do
  grep -q "$part" L8/report.html || fail "the page lacks its part \"$part\""
done
/usr/bin/python3 -c '
import json
r, k = json.load(open("L8/report.json")), json.load(open("all/report.json"))
assert len(r["models"]) == 1 and r["data"]["sites"] == 64
assert r["kosterlitz_thouless"] == k["kosterlitz_thouless"]' || fail "report.json lacks a part"

# --- without configurations; temperatures that were not well sampled.
/usr/bin/python3 - <<'END'
import h5py, numpy as np
for L in 8, 16, 24, 32:
    f = h5py.File("L%d/dataset.h5" % L, "a")
    del f["configurations"]
    if "sampling/quality" in f:
        del f["sampling/quality"]
    q = f.create_dataset("sampling/quality", data=np.array([0, 0, 0, 1, 0, 0, 0, 0, 2 if L == 16 else 0], dtype=np.int64))
    q.attrs["doc"] = "0: good; 1 & 2: <bad>."
END
run 2 "$report" case.yaml "report.sizes=[L8, L16, L24, L32]"
expect 0 "all/report\.html"
/usr/bin/python3 look.py 5 || fail "left out temperatures are not right"
grep -q "0.925 (1)" all/report.html || fail "the page does not name the temperature that was left out"
grep -q "1 &amp; 2: &lt;bad&gt;" all/report.html || fail "the page does not say what the quality means"

# --- wrong data sets: one message, with its cure; the old page stays.
cp all/report.html kept.html
run 2 "$report" case.yaml "report.sizes=[L8, nowhere, L24]"
expect 2 "report\.sizes: nowhere holds no dataset\.h5\. Make it with greybox-generate run\.dir=nowhere"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
run 2 "$report" case.yaml "report.sizes=[L8, L24]"
expect 2 "at least 3 lattice sizes, these are 2"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
cp -r L8 other
/usr/bin/python3 -c 'import h5py; h5py.File("other/dataset.h5", "a").attrs["physics"] = "ising"'
run 2 "$report" case.yaml "report.sizes=[L8, L16, L24, L32, other]"
expect 2 "other/dataset\.h5 is a data set of the physics ising, run\.physics is xy"
/usr/bin/python3 -c '
import h5py; f = h5py.File("other/dataset.h5", "a"); f.attrs["physics"] = "xy"; del f["summary/helicity_modulus"]'
run 2 "$report" case.yaml "report.sizes=[L8, L16, L24, L32, other]"
expect 2 "other/dataset\.h5 has no /summary/helicity_modulus"
cmp all/report.html kept.html || fail "a refused report changed the page"
