# tests/regression/analyze.sh - from generate to analysis: against numpy, on several ranks, by every route; what is refused.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"
analyze=$BUILD/bin/greybox-analyze

# One temperature, so that samples are of one ensemble; T = 1: correlated, not ordered.
cat >case.yaml <<'END'
run: {physics: xy, dir: data, seed: 3}
xy: {L: 4, T: [1]}
generate: {chains: 12, samples: 500, validation_chains: 1, test_chains: 1}
analyze: {latent: [2, 4], beta: [0.5, 1, 3], alpha: [0.5, 1.3], noise: [0, 0.3], components: 32, levels: 5000}
END
run 1 "$analyze" case.yaml
expect 3 "data/dataset.h5: No such file.* Make it with greybox-generate"
run 1 "$analyze" case.yaml --dry-run
expect 0 "data/dataset.h5 is not there yet, samples of 32 numbers \(encoding cossin\)"
run 0 "$analyze" --help
expect 0 "derivations of our own.*abstract of arXiv:2312.06828"
run 2 "$generate" case.yaml
expect 0 samples
run 2 "$analyze" case.yaml --dry-run
expect 0 "5000 samples of 32 numbers .encoding cossin"
grep -q "^# route: qr" out || fail "tall data do not take the QR factorisation: $(tail -n 3 out)"
[ ! -e data/analysis.h5 ] || fail "--dry-run left a file"

for ranks in 1 2 4; do
  for route in covariance qr svd; do
    run $ranks "$analyze" case.yaml run.dir=$route$ranks data.path=data/dataset.h5 analyze.route=$route
    expect 0 "^ppca +4 .* 4 "
    grep -q "route $route on" out || fail "another route than $route: $(head -n 1 out)"
  done
done
run 2 "$analyze" case.yaml run.dir=all data.path=data/dataset.h5 analyze.split=all
expect 0 "6000 samples"
for encoding in "model.encoding=angle" "model.align=true"; do
  run 2 "$analyze" case.yaml "run.dir=${encoding#*=}" data.path=data/dataset.h5 "$encoding"
  expect 0 "^ppca"
done
[ -z "$(find . -name '*.part')" ] || fail "an unfinished file is left"

/usr/bin/python3 - <<'END' || fail "analysis.h5 is not right"
import h5py, numpy as np

f = h5py.File("data/dataset.h5")
theta = f["configurations"][()].reshape(-1, 16)
split = f["split"][()].ravel()

def vectors(t):
    return np.stack([np.cos(t), np.sin(t)], -1).reshape(len(t), -1).astype(float)

def eigenvalues(x):
    return np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]

def top(v, k):
    return v[:k].T @ v[:k]

def near(a, b, tolerance, what):
    assert np.abs(np.asarray(a) - b).max() < tolerance, (what, np.abs(np.asarray(a) - b).max())

x = vectors(theta[split == 0])
v = np.linalg.eigh(np.cov(x.T, bias=True))[1].T[::-1]
# The float32 cosines of the trainer are not numpy's to the last bit, so 1e-6 here; 1e-10 between ranks and routes.
one = h5py.File("covariance1/analysis.h5")
lam = one["eigenvalue"][()]
near(one["mean"], x.mean(0), 1e-6, "mean")
near(lam, eigenvalues(x), 1e-6, "eigenvalues")
near(top(one["component"][()], 2), top(v, 2), 1e-5, "projector")
assert one.attrs["encoding"] == "cossin" and one.attrs["split"] == "training" and one["samples"][0] == 5000
for route in "covariance", "qr", "svd":
    for ranks in 1, 2, 4:
        a = h5py.File(f"{route}{ranks}/analysis.h5")
        near(a["eigenvalue"], lam, 1e-10, (route, ranks))
        near(a["mean"], one["mean"][()], 1e-10, (route, ranks))
        near(top(a["component"][()], 2), top(one["component"][()], 2), 1e-10, (route, ranks))
        near(top(a["component"][()], 32), np.eye(32), 1e-10, (route, ranks))
        for family in "ppca", "beta_elbo", "relbo_escort", "relbo_joint":
            for name in a[family]:
                near(a[family][name], one[family][name][()], 1e-9, (route, ranks, family, name))

# Probabilistic PCA, and the optimum for beta = 1 is the same.
s2 = lam[4:].mean()
assert abs(one["ppca/noise"][0, 1] - s2) < 1e-12
near(one["ppca/signal"][0, 1], lam[:4] - s2, 1e-12, "signal")
ln_p = -0.5 * (32 * np.log(2 * np.pi) + np.log(lam[:4]).sum() + 28 * np.log(s2) + 32)
assert abs(one["ppca/log_likelihood"][0, 1] - ln_p) < 1e-10
near(one["beta_elbo/objective"][:, :, 1], one["ppca/objective"][()], 1e-12, "beta = 1")
assert one["ppca/noise"][1, 0] == 0.3 and one["beta_elbo/noise"].dims[2][0].name == "/beta"

# Points of a beta sweep lie on the curve of the same number of latents.
r, e = one["beta_elbo/rate"][0, 1], one["beta_elbo/error"][0, 1]
near(np.interp(r, one["rate_distortion/rate"][2], one["rate_distortion/error"][2]), e, 1e-3, "curve")

# Global rotations: the two leading eigenvalues of an infinite sample are equal, N <m^2> / 2. Each is about a mean over the
# samples of N m^2 cos^2 or sin^2 of a uniform direction; as many directions again make their difference.
m2 = 16 * f["observables/m2"][()].ravel()[split == 0]
error = np.sqrt((m2**2).mean() * 3 / 8 - (m2.mean() / 2) ** 2) / np.sqrt(len(m2))
assert abs(lam[:2].mean() - m2.mean() / 2) < 4 * error, (lam[:2], m2.mean() / 2, error)
assert abs(lam[:2].mean() - 16 * 0.6718491 / 2) < 5 * error # exactly: tests/physics/xy_reference.csv
assert lam[0] - lam[1] < 6 * error and lam[2] < lam[1] / 4, (lam[:3], error)

near(h5py.File("all/analysis.h5")["eigenvalue"], eigenvalues(vectors(theta)), 1e-6, "all")
t = theta[split == 0]
near(h5py.File("angle/analysis.h5")["eigenvalue"], eigenvalues(t.astype(float) / np.pi), 1e-5, "half turns")
turn = np.arctan2(x[:, 1::2].sum(1), x[:, ::2].sum(1))
near(h5py.File("true/analysis.h5")["eigenvalue"], eigenvalues(vectors(t - turn[:, None])), 1e-5, "align")
END

# --- independent rows: the numbers themselves.
cat >rows.yaml <<'END'
run: {physics: pendulum, dir: rows}
simulate: {training: 60, validation: 10, test: 10}
analyze: {latent: [1, 3]}
END
run 2 "$generate" rows.yaml
run 2 "$analyze" rows.yaml
expect 0 "60 samples of .* .encoding none.*route covariance"
/usr/bin/python3 - <<'END' || fail "analysis.h5 of rows is not right"
import h5py, numpy as np
x = h5py.File("rows/dataset.h5")["observables"][()].astype(float)[:60].reshape(60, -1)
lam = h5py.File("rows/analysis.h5")["eigenvalue"][()]
assert np.abs(lam - np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]).max() < 1e-10 * lam[0]
END

# --- refused, with a cure.
run 2 "$analyze" case.yaml "analyze.latent=[40]"
expect 2 "analyze\.latent = 40: samples have 32 numbers, so linear models have at most 31 latents"
[ "$(grep -c "error: " out)" = 1 ] || fail "not one message: $(cat out)"
run 2 "$analyze" case.yaml "analyze.latent=[1.5]"
expect 2 "analyze\.latent: 1\.5 is no whole number"
run 2 "$analyze" case.yaml "analyze.beta=[0]"
expect 2 "analyze\.beta"
run 1 "$analyze" case.yaml analyze.route=svd analyze.memory=0.001
expect 2 "need .* by the route svd, but 1\.0 MiB are allowed\. Use more ranks or memory, or the covariance"
run 1 "$generate" case.yaml run.dir=few generate.chains=3 generate.samples=3
run 2 "$analyze" case.yaml run.dir=few
expect 2 "analyze\.latent = 4: the 3 samples of few/dataset\.h5, analyze\.split = training have no more than 2 independent"
