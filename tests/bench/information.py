"""What a curve tells of the totals of its templates: Cramer-Rao bounds of configs/pen_dna_hybrid.yaml, in per cent.

Usage: information.py BUILD CONFIG FOLDER [section.key=value ...]

Derivatives are differences of curves that greybox-generate makes of the same draws with one number changed by a tenth of a
per cent: ranges are scaled, so all rows of it are. Beside the parameters, the fit has the level of exonuclease, the first
concentration of the strand that starts, gain, offset and drift; what is known of them before the curve is a Gaussian as wide as their
range, and nothing of a total or of an exonuclease that is not known. Lines: what is not known, then of each parameter the median
over rows and the tenth of the rows that is worst. Needs h5py, numpy."""
import os, re, shutil, subprocess, sys
import h5py
import numpy as np

BUILD, CONFIG, FOLDER, *KEYS = sys.argv[1:]
ROWS, STEP, OUT = 400, 1e-3, os.path.join(FOLDER, "information")
text = open(CONFIG).read()
TEMPLATES = re.findall(r'^ *- "(\w+: \w+ -> \w+, total .*)"', text, re.M)
STRANDS = re.findall(r'^ *- "(\w+: K .*)"', text, re.M)
EXO = [float(x) for x in re.search(r"exonuclease: \[(.*), (.*)\]", text).groups()]
number = lambda key: [float(x) for x in re.findall(r"[-+.\de]+", re.search(rf"^  {key}: (.*?)(#|$)", text, re.M)[1])]
NOISE, GAIN, OFFSET, DRIFT = (number(key) for key in ("noise", "gain", "offset", "drift"))
NAMES = [t.split(":")[0] for t in TEMPLATES]
scaled = lambda line, word, by: re.sub(rf"{word} ([\d.e+-]+?)(?:\.\.([\d.e+-]+))?(,|$)",
                                       lambda m: f"{word} {float(m[1]) * by!r}..{float(m[2] or m[1]) * by!r}{m[3]}", line)
quoted = lambda lines: "[" + ", ".join(f'"{x}"' for x in lines) + "]"
sd = lambda r: (r[1] - r[0]) / 12**0.5


def curves(which=None, by=1.0):
    t = [scaled(x, "total", by if which == n else 1) for n, x in zip(NAMES, TEMPLATES)]
    s = [scaled(x, "start", by if which == "start" else 1) for x in STRANDS]
    e = [x * (by if which == "exonuclease" else 1) for x in EXO]
    keys = [f"pen_dna.templates={quoted(t)}", f"pen_dna.strands={quoted(s)}", f"pen_dna.exonuclease={e}", "pen_dna.gain=[1, 1]",
            "pen_dna.offset=[0, 0]", "pen_dna.drift=[0, 0]", "pen_dna.noise=0", "pen_dna.tolerance=1e-9", f"run.dir={OUT}",
            f"simulate.training={ROWS}", "simulate.validation=0", "simulate.test=0"]
    shutil.rmtree(OUT, ignore_errors=True)
    subprocess.run([f"{BUILD}/bin/greybox-generate", CONFIG, *KEYS, *keys], check=True, stdout=subprocess.DEVNULL)
    with h5py.File(f"{OUT}/dataset.h5") as f:
        return f["observables"][()].reshape(ROWS, -1).astype(float), f["time"][()]


x, time = curves()
slope = {w: (curves(w, 1 + STEP)[0] - curves(w, 1 - STEP)[0]) / (2 * STEP) for w in NAMES + ["exonuclease", "start"]}
a, b = map(float, re.search(r"start ([\d.e+-]+?)\.\.([\d.e+-]+)", " ".join(STRANDS)).groups())
prior = {"start": sd((a, b)) / ((a + b) / 2), "gain": sd(GAIN), "offset": sd(OFFSET), "drift": sd(DRIFT)}
come = 1 - np.exp(-time / 300)
slope |= {"gain": x, "offset": np.ones_like(x), "drift": np.broadcast_to(come, x.shape)}


def bounds(free):
    J = np.stack([slope[w] for w in free], 1) / NOISE[0]
    F = J @ J.transpose(0, 2, 1) + np.diag([1 / prior[w] ** 2 if w in prior else 0 for w in free])
    return 100 * np.sqrt(np.diagonal(np.linalg.inv(F), axis1=1, axis2=2))


for what, free in (("all, a known instrument", NAMES + ["start"]),
                   ("all", NAMES + ["start", "gain", "offset", "drift"]),
                   ("all, and the exonuclease", NAMES + ["exonuclease", "start", "gain", "offset", "drift"])):
    s = bounds(free)
    print(what + ": " + ", ".join(f"{w} {np.median(s[:, k]):.2g} ({np.quantile(s[:, k], 0.9):.2g})" for k, w in enumerate(free) if w not in prior))
for k in range(len(NAMES)):
    free = NAMES[k : k + 1] + ["start", "gain", "offset", "drift"]
    print(f"one: {NAMES[k]} {np.median(bounds(free)[:, 0]):.2g}")
