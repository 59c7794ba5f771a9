"""Molecular systems: simulations per second and core of greybox-generate and of SciPy's LSODA and BDF, of the same equations
with the same tolerances, relative 1e-6 and absolute 1e-9, in rounds that alternate. Processor time, so that what else the
machine does matters little; the start of greybox-generate is subtracted. Errors are relative to the largest number. The gate
is BDF's speed, the only method of SciPy that is implicit throughout; LSODA, compiled Fortran by odeint, is told beside it, also
with the loosest of our tolerances that keeps its error.

    molecules.py BUILD FOLDER

Standard output: one JSON object a system. Needs h5py, numpy, scipy. SciPy's right-hand sides are straight lines of
arithmetic of Python numbers, several times faster than NumPy on so few, and are compiled by nobody."""
import json, os, resource, shutil, statistics, subprocess, sys, time
import h5py
import numpy as np
from scipy.integrate import odeint, solve_ivp

BUILD, FOLDER = sys.argv[1:3]
ROUNDS, ROWS, RELATIVE, ABSOLUTE = 5, 200, 1e-6, 1e-9
FRAMES, GATE = 128, 20


def prey(t, u, G=120.0):
    N, P = u
    full, free = 1 / (1 + 4.8e-5 * G * N), 1 / (1 + P / 34)
    eaten = 0.0031 * 3.7 * N * P
    return (0.0020 * 3.7 * G * N * full - eaten - 32.5 * 0.0210 * N * free, eaten - 32.5 * 0.0047 * P * free)


def template(a, b, A, i, o, x, e, Ka, Kb, pol, pb, nick):
    """Rates of a template from a to b: of a, b, and its parts alone, with input, output, both, extended."""
    on = 0.2
    ai, bo = on * (a * A - Ka * i), on * (b * A - Kb * o)
    oi, io = on * (a * o - 0.2 * Ka * x), on * (b * i - 0.2 * Kb * x)
    ext, dis, cut = pol * i, pb * x, nick * e
    return -ai - oi, -bo - io + dis, -ai - bo, ai - io - ext, bo - oi, oi + io + cut - dis, ext + dis - cut


def pen_dna(t, u):
    a, b, n, A1, i1, o1, x1, e1, h1, A2, i2, o2, x2, e2, A3, i3, o3, x3, e3 = u
    busy = 1 / (1 + (i1 + i2 + i3) / 80 + (x1 + x2 + x3) / 5.5)
    pol, slow, nick = 1050 / 80 * busy, 1050 / 5.5 * 0.2 * busy, 80 / 30 / (1 + (e1 + e2 + e3) / 30)
    exo = 3.6 * 300 / (1 + (a + b) / 440 + n / 150)
    a1, b1, dA1, di1, do1, dx1, de1 = template(a, a, A1, i1, o1, x1, e1, 45.7, 45.7, pol, pol, nick)
    a2, b2, dA2, di2, do2, dx2, de2 = template(a, b, A2, i2, o2, x2, e2, 45.7, 91.1, pol, pol, nick)
    a3, b3, dA3, di3, do3, dx3, de3 = template(b, n, A3, i3, o3, x3, e3, 91.1, 0.0207, pol, slow, nick)
    hA = 0.2 * (n * A1 - 3 * 0.0207 * h1)
    hi, ho = 0.2 * (n * i1 - 0.002 * a * h1), 0.2 * (n * o1 - 0.01 * a * h1)
    return (a1 + b1 + a2 + hi + ho - exo / 440 * a, b2 + a3 - exo / 440 * b, b3 - hA - hi - ho - exo / 150 * n,
            dA1 - hA, di1 - hi, do1 - ho, dx1, de1, hA + hi + ho, dA2, di2, do2, dx2, de2, dA3, di3, do3, dx3, de3)


def gene(a, b, A, i, o, x, e, ka, da, kb, db, pol, dis, cut):
    ai, oi, bo, io = ka * a * A - da * i, ka * a * o - da * x, kb * b * A - db * o, kb * b * i - db * x
    ext, out, nick = pol * i, dis * x, cut * e
    return -ai - oi, out - bo - io, -ai - bo, ai - io - ext, bo - oi, oi + io + nick - out, ext + out - nick


def oligator(t, u):
    a, b, n, A1, i1, o1, x1, e1, h1, A2, i2, o2, x2, e2, A3, i3, o3, x3, e3 = u
    off, bff = 3.43457943925, 0.610714285714
    a1, b1, dA1, di1, do1, dx1, de1 = gene(a, a, A1, i1, o1, x1, e1, 0.0294, off, 0.0294, off, 15.2, 11.8408, 3.34)
    a2, b2, dA2, di2, do2, dx2, de2 = gene(a, b, A2, i2, o2, x2, e2, 0.0294, off, 0.0171, bff, 11.8408, 9.2239832, 2.60186)
    a3, b3, dA3, di3, do3, dx3, de3 = gene(b, n, A3, i3, o3, x3, e3, 0.0171, bff, 0.027, 0.00186296832954, 17.024, 5.566848,
                                           3.2064)
    hA = 0.027 * n * A1 - 0.00608108108108 * h1
    hi, ho = 0.021546 * n * i1 - 4.15391351351e-5 * a * h1, 0.021546 * n * o1 - 4.15391351351e-5 * a * h1
    return (a1 + b1 + a2 + hi + ho - 0.411 * a, b2 + a3 - 0.485802 * b, b3 - hA - hi - ho - 1.7262 * n, dA1 - hA,
            di1 - hi, do1 - ho, dx1, de1, hA + hi + ho, dA2, di2, do2, dx2, de2, dA3, di3, do3, dx3, de3)


def network(first, totals):
    start = [float(first), 0.0, 0.0]
    for total, parts in zip(totals, (6, 5, 5)):
        start += [total] + [0.0] * (parts - 1)
    return start


SYSTEMS = {  # right-hand side, start, minutes a frame, numbers that a frame shows, keys of the section
    "predator_prey": (prey, [10.0, 10.0], 6.0, 2, ["unit=1", "G=[120, 120]"]),
    "oligator": (oligator, network(10, (38.5, 3.89, 38.5)), 8.0, 3,
                 ["observe=strands", "template_1=[38.5, 38.5]", "template_2=[3.89, 3.89]", "template_3=[38.5, 38.5]",
                  "alpha=[10, 10]"]),
    "pen_dna": (pen_dna, network(10, (23.9, 3.62, 42.9)), 8.0, 3,
                ["observe=[a, b, i]", 'strands=["a: K 45.7, start 10", "b: K 91.1", "i: K 0.0207"]',
                 'templates=["auto: a -> a, total 23.9, inhibitor i", "ab: a -> b, total 3.62", '
                 '"bi: b -> i, total 42.9"]']),
}


def generate(system, rows, tolerance=RELATIVE):
    """Processor seconds, and the first row."""
    out = os.path.join(FOLDER, "molecules")
    shutil.rmtree(out, ignore_errors=True)
    keys = [f"{system}.{k}" for k in SYSTEMS[system][4]] + [f"{system}.noise=0", f"{system}.tolerance={tolerance}",
            f"{system}.frames={FRAMES}", f"{system}.frame_time={SYSTEMS[system][2]}", f"run.dir={out}",
            f"simulate.training={rows}", "simulate.validation=0", "simulate.test=0", "simulate.redraws=0"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([f"{BUILD}/bin/greybox-generate", f"configs/{system}.yaml"] + keys, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with h5py.File(os.path.join(out, "dataset.h5")) as f:
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, f["observables"][0]


def timed(solve):
    begin = time.process_time()
    y = solve()
    return time.process_time() - begin, y


for system, (rhs, start, interval, shown, _) in SYSTEMS.items():
    times = interval * np.arange(FRAMES)
    exact = odeint(lambda u, t: rhs(t, u.tolist()), start, times, rtol=1e-12, atol=1e-14, mxstep=1000000)[:, :shown]
    scale = np.abs(exact).max(0)
    error = lambda y: float((np.abs(y[:, :shown] - exact) / scale).max())
    ways = {
        "LSODA": lambda: odeint(lambda u, t: rhs(t, u.tolist()), start, times, rtol=RELATIVE, atol=ABSOLUTE, mxstep=1000000),
        "BDF": lambda: solve_ivp(lambda t, u: rhs(t, u.tolist()), (0, times[-1]), start, "BDF", times, rtol=RELATIVE,
                                 atol=ABSOLUTE).y.T}
    rate = {way: [] for way in ["ours", *ways]}
    errors = {}
    for _ in range(ROUNDS):
        most, row = generate(system, ROWS + 1)
        few, _ = generate(system, 1)
        rate["ours"].append(ROWS / max(most - few, 1e-9))
        errors["ours"] = error(row)
        for way, solve in ways.items():
            seconds, y = timed(solve)
            rate[way].append(1 / seconds)
            errors[way] = error(y)
    value = {way: statistics.median(r) for way, r in rate.items()}
    for loose in (1e-3, 1e-4, 1e-5, 1e-6):
        if error(generate(system, 1, loose)[1]) <= errors["LSODA"]:
            break
    equal = statistics.median(ROWS / max(generate(system, ROWS + 1, loose)[0] - generate(system, 1, loose)[0], 1e-9)
                              for _ in range(ROUNDS))
    print(json.dumps({"name": f"simulations of {system}", "unit": "1/s per core", "value": round(value["ours"], 1),
                      "least": round(min(rate["ours"]), 1), "most": round(max(rate["ours"]), 1), "against": "SciPy's BDF",
                      "other": round(value["BDF"], 2), "ratio": round(value["ours"] / value["BDF"], 1),
                      "LSODA": round(value["LSODA"], 2), "ratio_LSODA": round(value["ours"] / value["LSODA"], 2),
                      "tolerance_of_equal_error": loose, "ratio_LSODA_equal_error": round(equal / value["LSODA"], 2),
                      "errors": {w: float(f"{e:.2g}") for w, e in errors.items()}, "gate": GATE,
                      "pass": value["ours"] >= GATE * value["BDF"]}), flush=True)
