# tests/regression/generate_file.sh - a data set read by somebody else: h5py and numpy, nothing of this program.
# shellcheck shell=bash
. "$SOURCE/tests/regression/common.bash"

# 65 samples of 4 chains: the bins of the error analysis are of unequal length. J is not 1.
cat >case.yaml <<'END'
run: {physics: xy, seed: 21}
xy: {L: 6, J: 1.5, T: [1.2, 1.5, 2.5]}
generate: {chains: 4, samples: 65, burn_in: 32, trial: 64, pilot: 256, validation_chains: 1, test_chains: 1}
END
run 2 "$generate" case.yaml run.dir=data
expect 0 "3 temperatures x 4 chains x 65 samples"

cat >check.py <<'END'
import ctypes, ctypes.util, sys
import h5py
import numpy as np

L, J, CHAINS, SAMPLES, SPACING = 6, 1.5, 4, 65, 5
TEMPERATURES = [1.2, 1.5, 2.5]
N = L * L


def require(condition, *what):
    if not condition:
        sys.exit("not true: " + " ".join(map(str, what)))


def near(a, b, tolerance, what):
    worst = np.max(np.abs(np.asarray(a) - np.asarray(b)))
    require(worst <= tolerance, what, "differs by", worst)


f = h5py.File(sys.argv[1], "r")
sets = {}
f.visititems(lambda name, item: sets.update({name: item}) if isinstance(item, h5py.Dataset) else None)

observables = ["energy", "abs_m", "m2", "helicity", "vortex_density", "current2", "winding_x", "winding_y"]
results = ["energy", "specific_heat", "abs_m", "m2", "chi", "binder", "helicity_modulus", "vortex_density"]
expected = {"temperature", "chain", "sample", "y", "x", "configurations", "checksum", "split", "summary/tau_int",
            "sampling/stride", "sampling/thermalisation", "sampling/tau_int",
            "sampling/mix", "sampling/cost", "sampling/hot_start", "sampling/quality", "provenance/config", "provenance/build"}
expected |= {"observables/" + o for o in observables} | {"summary/" + r for r in results}
require(set(sets) == expected, "the file holds what is documented; only one side has", set(sets) ^ expected)

# Units and explanations; axes with their scales.
axes = {"configurations": ["temperature", "chain", "sample", "y", "x"]}
length = {"temperature": 3, "chain": CHAINS, "sample": SAMPLES, "y": L, "x": L}
for name, d in sets.items():
    if name.startswith("provenance"):
        continue
    require(d.attrs.get("unit") and d.attrs.get("doc"), name, "has unit and doc")
    if name in length:
        require(h5py.h5ds.is_scale(d.id), name, "is a dimension scale")
        require(d.shape == (length[name],), name, "has length", length[name])
        continue
    per_sample = name in ("checksum", "split") or name.startswith("observables/")
    labels = axes.get(name, ["temperature", "chain", "sample"] if per_sample else ["temperature"])
    for i, label in enumerate(labels):
        require(d.dims[i].label == label, name, "axis", i, "is called", label)
        require([s.name for s in d.dims[i].values()] == ["/" + label], name, "axis", i, "has the scale", label)
        require(d.shape[i] == length[label], name, "axis", i, "is as long as its scale")
for name in ("title", "physics", "source"):
    require(f.attrs.get(name), "the file has", name)
require(f.attrs["physics"] == "xy", "physics is xy")
near(f["temperature"][:], TEMPERATURES, 0, "temperature")
for name in ("chain", "sample", "y", "x"):
    near(f[name][:], np.arange(length[name]), 0, name)
require(f["configurations"].attrs["unit"] == "rad", "angles are in rad")

# Angles, their range, their checksums.
theta = f["configurations"][:]
require(theta.dtype == np.dtype("<f4"), "angles are float32")
x = theta.astype(float)
require(np.all(x > -np.pi) and np.all(x <= np.pi), "angles lie in (-pi, pi]")
require(x.min() < -3.1 and x.max() > 3.1, "angles fill the circle")
library = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
library.XXH3_64bits.restype = ctypes.c_uint64
library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
sums = [library.XXH3_64bits(row.tobytes(), 4 * N) for row in theta.reshape(-1, N)]
require(np.array_equal(np.array(sums, dtype=np.uint64), f["checksum"][:].ravel()), "checksums match")
require(len(set(sums)) == len(sums), "no sample is there twice")

# Whole chains in training, validation and test, in this order.
split = f["split"][:]
require(np.all(split == split[:, :, :1]), "a chain is in one part of the split")
near(split[:, :, 0], np.array([[0, 0, 1, 2]] * 3), 0, "split")

# All observables and results again, from the angles.
T = np.array(TEMPERATURES)[:, None, None]
right, up = np.roll(x, -1, -1) - x, np.roll(x, -1, -2) - x
e = -J * (np.cos(right) + np.cos(up)).sum((-1, -2)) / N
current2 = J**2 * (np.sin(right).sum((-1, -2))**2 + np.sin(up).sum((-1, -2))**2) / (2 * N)
m2 = np.abs(np.exp(1j * x).mean((-1, -2)))**2
wrap = lambda d: (d + np.pi) % (2 * np.pi) - np.pi
q = wrap(right) + wrap(np.roll(up, -1, -1)) - wrap(np.roll(right, -1, -2)) - wrap(up)
vortices = np.abs(np.rint(q / (2 * np.pi))).sum((-1, -2)) / N
winding = [np.rint(wrap(d).sum(axis) / (2 * np.pi)).mean(-1) for d, axis in ((right, -1), (up, -2))]
mine = {"energy": e, "abs_m": np.sqrt(m2), "m2": m2, "helicity": -e / 2 - current2 / T, "vortex_density": vortices,
        "current2": current2, "winding_x": winding[0], "winding_y": winding[1]}
# Those stored are of the spins, which are floats and have no angles: 6 2^-24 for every link and component of m.
unit, current = 6 * 2.0**-24, np.sqrt(2 * N * current2)
tolerance = {"energy": 2 * J * unit, "abs_m": 2 * unit, "m2": 4 * unit, "current2": np.max(2 * current + 2 * N * J * unit) * J * unit,
             "vortex_density": 1e-12, "winding_x": 1e-12, "winding_y": 1e-12}
tolerance["helicity"] = tolerance["energy"] / 2 + tolerance["current2"] / TEMPERATURES[0]
for name in observables:
    near(f["observables/" + name][:], mine[name], tolerance[name], name)
mine = {name: f["observables/" + name][:] for name in observables}
e, m2, vortices = mine["energy"], mine["m2"], mine["vortex_density"]
mean = lambda v: v.mean((1, 2))
T = T[:, 0, 0]
plain = {"energy": mean(e), "abs_m": mean(mine["abs_m"]), "m2": mean(m2), "chi": N * mean(m2) / T,
         "helicity_modulus": mean(mine["helicity"]), "vortex_density": mean(vortices)}
for name, value in plain.items():
    near(f["summary/" + name][:, 0], value, 1e-9, name)
# Not linear in means: the stored value has its bias of order 1/260 removed.
n = CHAINS * SAMPLES
c = N * e.reshape(3, -1).var(1, ddof=1) / T**2
near(f["summary/specific_heat"][:, 0] / c, 1, 0.01, "specific_heat")
near(f["summary/binder"][:, 0], 1 - mean(m2**2) / (3 * mean(m2)**2), 0.01, "binder")
for name in results:
    d = f["summary/" + name]
    require(d.shape == (3, 2) and d.attrs["columns"] == "mean,standard_error", name, "has mean and standard_error")
    require(np.all(d[:, 1] > 0), name, "has errors")
naive = e.reshape(3, -1).std(1, ddof=1) / np.sqrt(n)
near(f["summary/energy"][:, 1] / naive, 1, 0.35, "the error of the energy, 128 bins of independent samples")

# Autocorrelation times and strides.
require(f["summary/tau_int"].attrs["columns"] == ",".join(results), "columns of summary/tau_int")
require(f["summary/tau_int"].shape == (3, len(results)), "shape of summary/tau_int")
tau = f["summary/tau_int"][:]
require(np.all((tau >= 0.5) | (tau == -1)) and np.all(tau < 2), "stored samples are independent", tau)
tau = f["sampling/tau_int"]
require(tau.attrs["columns"] == "energy,m2,current2,vortex_density", "columns of sampling/tau_int")
near(f["sampling/stride"][:], np.ceil(SPACING * tau[:].max(1)), 0, "the stride is spacing times the largest tau_int")
mix, cost = f["sampling/mix"], f["sampling/cost"]
tried = cost.attrs["columns"].split(",")
require(np.all(f["sampling/thermalisation"][:] >= 32 + 64 * len(tried) + 256), "burn-in, trials and pilot were made")

# The mix is the cheapest of those tried; the checks of thermalisation found nothing.
require(len(tried) > 4 and cost.shape == (3, len(tried)), "every mix has its cost")
require(mix.attrs["columns"] == "metropolis,overrelaxation,wolff", "columns of sampling/mix")
for t in range(3):
    of = [cost[t][i] if cost[t][i] > 0 else np.inf for i in range(len(tried))]
    used = " ".join("%s=%g" % setting for setting in zip(mix.attrs["columns"].split(","), mix[t]))
    require(tried[int(np.argmin(of))] == used, "the cheapest mix is used:", tried[int(np.argmin(of))], used)
hot = f["sampling/hot_start"]
require(hot.attrs["columns"] == "largest_z,trapped_chains" and hot.shape == (3, 2), "hot starts were compared")
require(np.all(hot[:, 0] > 0) and np.all(hot[:, 0] < 5) and np.all(hot[:, 1] == 0), "hot starts agree", hot[:])
require(np.all(f["sampling/quality"][:] == 0), "the quality is good", f["sampling/quality"][:])
require(f["provenance"].attrs["ranks"] == "2", "the number of ranks is noted")
for word in ("greybox:", "commit:", "compiler:", "mpi:", "hdf5:"):
    require(word in f["provenance/build"][()].decode(), "provenance/build tells", word)
open("stored.yaml", "w").write(f["provenance/config"][()].decode())
END
/usr/bin/python3 check.py data/dataset.h5 2>out || fail "$(tail -n 1 out)"

# The stored config alone makes the same data again.
run 1 "$generate" stored.yaml run.dir=again
expect 0 samples
same data/dataset.h5 again/dataset.h5

# The ten lines of docs/read_xy.py, J = 1. One energy is of the stored angles: 6 2^-24 for each of two links a site.
run 2 "$generate" case.yaml run.dir=one xy.J=1
expect 0 samples
/usr/bin/python3 "$SOURCE/docs/read_xy.py" one/dataset.h5 >printed || fail "docs/read_xy.py failed"
awk '{ d = $6 - $8 } d * d > 1e-11 { print; bad = 1 } END { exit bad || NR != 3 }' printed ||
  fail "docs/read_xy.py: the two energies differ: $(cat printed)"
