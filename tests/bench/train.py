"""tests/bench/train.py - training speed: ours, PyTorch's, and what matrix products alone would allow, in alternating rounds.

Usage (by run.sh): train.py BUILD FOLDER compare|soak [MODEL ...]

compare: ours are jobs of greybox-train on tests/bench/train/MODEL.yaml whose rates are read from log.jsonl, without the
first line; PyTorch's are from torch_vae.py, the fastest of its ways in each round. One core against one thread; two ranks
against the best of two threads and two DDP processes, with the same batch in all or on each. The value of a round is a median; `ratio` and gate use
the best round of each side, `ratio_of_medians` the median rounds. Without PyTorch only our figures are printed.
MODEL: also in the environment, MODELS="dense conv".
soak: 20 000 steps (STEPS) on two ranks with validations and checkpoints; memory and step time of the last quarter against
the second.

Environment: ROUNDS (5), SECONDS_PER_RUN (4). One JSON object a line."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
PYTHON = "/usr/bin/python3"

# Gates of one core against one thread, and of two ranks against the best of PyTorch on two cores; flop rate against sgemm's.
MODELS = {
    "dense": {"batch": 128, "gate": 1.6, "gate2": 2.8, "flops": 0.80, "first": 100, "exact": 0.95},
    "conv": {"batch": 128, "gate": 1.5, "gate2": 1.6, "flops": 0.65, "first": 5, "exact": 0.95, "efficiency": 0.95},
    "small": {"batch": 100, "gate": 4.0, "gate2": 6.0, "first": 300},
}


def dense(name, rows, inputs, outputs, first=False):
    """The three products of a dense layer: forward, gradient of the weights, gradient of the input (not of the first)."""
    out = [(name, "n", "n", rows, outputs, inputs), (name + ".dW", "t", "n", inputs, outputs, rows)]
    return out if first else out + [(name + ".dx", "n", "t", rows, inputs, outputs)]


def products(model):
    """All matrix products of one step, (name, op A, op B, m, n, k); convolutions as products with gathered windows. The two
    heads of the encoder share their input and count as one product."""
    rows = MODELS[model]["batch"]
    if model == "dense":
        sizes = [(64, 256), (256, 256), (256, 20), (10, 256), (256, 256), (256, 64)]
        return sum((dense(f"dense{i}", rows, a, b, i == 0) for i, (a, b) in enumerate(sizes)), [])
    if model == "small":
        sizes = [(128, 100), (100, 20), (20, 4), (2, 20), (20, 100), (100, 128)]
        return sum((dense(f"dense{i}", rows, a, b, i == 0) for i, (a, b) in enumerate(sizes)), [])
    out = []
    for i, (a, b, side) in enumerate([(2, 32, 16), (32, 64, 8), (64, 128, 4)]):
        out += dense(f"conv{i}", rows * side * side, 9 * a, b, i == 0)
    for i, (a, b) in enumerate([(2048, 256), (256, 32), (16, 256), (256, 2048)]):
        out += dense(f"dense{i}", rows, a, b)
    for i, (a, b, side) in enumerate([(128, 64, 4), (64, 32, 8), (32, 3, 16)]):
        out += dense(f"deconv{i}", rows * side * side, a, 9 * b)
    return out


def flops(list_of_products):
    return sum(2.0 * m * n * k for _, _, _, m, n, k in list_of_products)


class Memory(threading.Thread):
    """Peak and course of the resident memory of all greybox-train processes that name a folder on their command line."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.peak, self.course, self.over = folder, 0.0, [], threading.Event()

    @staticmethod
    def status(pid, key):
        try:
            with open(f"/proc/{pid}/status") as text:
                return next(int(line.split()[1]) for line in text if line.startswith(key + ":")) / 1024
        except (OSError, StopIteration):
            return 0.0

    def mine(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as text:
                    words = text.read().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"greybox-train") and f"run.dir={self.folder}".encode() in words:
                yield pid

    def run(self):
        while not self.over.wait(0.25):
            now = [self.status(pid, "VmRSS") for pid in self.mine()]
            self.peak = max([self.peak] + [self.status(pid, "VmHWM") for pid in self.mine()])
            if now:
                self.course.append((time.time(), max(now)))


class Bench:
    peer, models = "torch_vae.py", MODELS

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.rounds = int(os.environ.get("ROUNDS", "5"))
        self.seconds = float(os.environ.get("SECONDS_PER_RUN", "4"))
        self.cores = sorted(os.sched_getaffinity(0))[:2]
        self.interval, self.peak, self.count = {}, {}, 0
        self.environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        self.kernels = os.environ["OPENBLAS_CORETYPE"]  # run.sh has chosen
        self.torch = self.find_torch()

    def output(self, command, **more):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **more)
        if done.returncode:
            sys.exit(f"train.py: {' '.join(command)} failed with status {done.returncode}")
        return done.stdout

    def find_torch(self):
        found = subprocess.run([PYTHON, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
        if found.returncode:
            print("train.py: python3-torch is not installed: our figures only", file=sys.stderr)
            return None
        return found.stdout.strip()

    def pin(self, command, cores):
        return ["taskset", "-c", ",".join(map(str, cores))] + command if cores else command

    def config(self, model):
        own = f"{HERE}/train/{model}.yaml"
        return own if os.path.exists(own) else f"{SOURCE}/configs/{model}.yaml"

    def data(self, model):
        """The data set of a model, made once."""
        folder = f"{self.folder}/{model}"
        more = [] if model in self.models else ["generate.samples=50"]
        if not os.path.exists(f"{folder}/dataset.h5"):
            command = ["mpirun", "-n", "2", f"{self.build}/bin/greybox-generate", self.config(model), f"run.dir={folder}"]
            self.output(command + more, env=self.environment)
        return f"{folder}/dataset.h5"

    def start(self, model, ranks, core, folder, *more):
        """One training as a process that was started."""
        command = [f"{self.build}/bin/greybox-train", self.config(model), f"run.dir={folder}", f"data.path={self.data(model)}"]
        if ranks > 1:
            command = ["mpirun", "-n", str(ranks), "--bind-to", "core"] + command
        command = self.pin(command + list(more), [core] if ranks == 1 else None)
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=self.environment)

    def ours(self, model, ranks, *more, jobs=1, of_lines=statistics.median):
        """Samples/s: sum over jobs, each on a core of its own, of the median (or another choice) of the log lines after the
        first."""
        key = (model, ranks, jobs)
        every = self.interval.get(key) or self.models.get(model, {}).get("first", 10)
        steps = every * (max(4, round(self.seconds / 0.4)) + 1)
        folders, running = [], []
        for job in range(jobs):
            self.count += 1
            folders.append(f"{self.folder}/run{self.count}")
            fixed = (f"train.steps={steps}", f"train.log_every={every}", "train.validate_every=1000000000")
            watch = Memory(folders[-1])
            watch.start()
            running.append((self.start(model, ranks, self.cores[job % len(self.cores)], folders[-1],
                                       *fixed, "train.save_every=1000000000", *more), watch))
        for process, watch in running:
            if process.wait():
                sys.exit(f"train.py: greybox-train of {model} failed")
            watch.over.set()
            watch.join()
            self.peak[key] = max(self.peak.get(key, 0.0), watch.peak)
        rates = [of_lines([line["samples_per_second"] for line in self.lines(f)[1:]]) for f in folders]
        self.interval[key] = max(1, round(0.4 * min(rates) / self.models.get(model, {"batch": 128})["batch"]))
        return sum(rates)

    @staticmethod
    def lines(folder):
        with open(f"{folder}/log.jsonl") as text:
            return [line for line in map(json.loads, text) if line.get("event") == "train"]

    def theirs(self, model, cores, *more):
        """The fastest of PyTorch's ways in one run: samples/s (median of its chunks), its name, its memory."""
        command = self.pin([PYTHON, f"{HERE}/{self.peer}", model, "--seconds", str(self.seconds / 2), *more], cores)
        text = self.output(command, env=dict(self.environment, OPENBLAS_CORETYPE=self.kernels))
        ways = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return max(ways, key=lambda way: way["median"])

    def torch_two(self, model):
        """The fastest that PyTorch does on two cores: two threads, or two processes with the batch shared or doubled."""
        self.count += 1
        port = ("--port", str(20000 + (os.getpid() + self.count) % 20000))
        batch = self.models[model]["batch"]
        ways = [self.theirs(model, self.cores, "--threads", "2")]
        ways += [self.theirs(model, self.cores, "--ranks", "2", "--batch", str(b), *port) for b in (batch // 2, batch)]
        return max(ways, key=lambda way: way["median"])

    def sgemm_rate(self, model):
        """Flop/s of OpenBLAS over all products of a step, one after the other (weighted by flops): median, best."""
        asked = products(model)
        text = "".join(" ".join(map(str, p)) + "\n" for p in asked)
        command = self.pin([f"{self.build}/tests/bench_gemm"], self.cores[:1])
        environment = dict(self.environment, OPENBLAS_CORETYPE=self.kernels)
        rows = [line.split() for line in self.output(command, input=text, env=environment).splitlines()]
        return tuple(flops(asked) / sum(float(row[i]) for row in rows) for i in (4, 5))


def say(name, unit, ours, against=None, other=None, gate=None, **more):
    """One result. `ours`, `other`: a value per round."""
    line = {"name": name, "value": float(f"{statistics.median(ours):.6g}"), "best": float(f"{max(ours):.6g}"), "unit": unit}
    line.update(against=against if other else None, ratio=None, gate=None)
    if other:
        line.update(other=float(f"{statistics.median(other):.6g}"), other_best=float(f"{max(other):.6g}"))
        line["ratio"] = round(max(ours) / max(other), 4)
        line["ratio_of_medians"] = round(statistics.median(ours) / statistics.median(other), 4)
    line.update(more)
    if gate and other:
        line.update(gate=gate)
        line["pass"] = line["ratio"] >= gate
    print(json.dumps(line), flush=True)


def compare_peer(bench, model):
    """All sides of a model in turn, `rounds` times; then the results."""
    gates = MODELS[model]
    side = {name: [] for name in ("one", "torch", "two", "pair", "torch2", "fast", "sgemm")}
    way, way2, torch_peak = "", "", 0.0
    bench.ours(model, 1)  # warm; sets the interval of log lines
    bench.ours(model, 2)
    for _ in range(bench.rounds):
        side["one"].append(bench.ours(model, 1))
        side["sgemm"].append(bench.sgemm_rate(model)[0])
        if bench.torch:
            best = bench.theirs(model, bench.cores[:1], "--threads", "1")
            side["torch"].append(best["median"])
            way, torch_peak = best["way"], max(torch_peak, best["peak_mib"])
        side["two"].append(bench.ours(model, 2))
        side["fast"].append(bench.ours(model, 2, "train.reduction=fast"))
        side["pair"].append(bench.ours(model, 1, jobs=2))
        if bench.torch:
            best = bench.torch_two(model)
            side["torch2"].append(best["median"])
            way2 = f"{best['threads']} thread(s), {best['ranks']} process(es), batch {best['batch']}, {best['way']}"
    unit, peer = "samples/s", f"PyTorch {bench.torch}"
    memory = {"peak_mib_per_rank": round(bench.peak[model, 1, 1], 1)}
    say(f"train {model}, 1 core", unit, side["one"], f"{peer}, 1 thread, {way}", side["torch"], gates["gate"],
        other_peak_mib=torch_peak or None, **memory)
    memory = {"peak_mib_per_rank": round(bench.peak[model, 2, 1], 1)}
    say(f"train {model}, 2 ranks", unit, side["two"], f"{peer}, {way2}", side["torch2"], gates["gate2"], **memory)
    per_sample = flops(products(model)) / gates["batch"]
    say(f"train {model}, flop rate, 1 core", "Gflop/s", [r * per_sample / 1e9 for r in side["one"]],
        f"sgemm of OpenBLAS ({bench.kernels}) on the same products", [r / 1e9 for r in side["sgemm"]], gates.get("flops"))
    say(f"train {model}, efficiency of 2 ranks", unit, side["two"], "twice 1 rank", [2 * r for r in side["one"]],
        gates.get("efficiency"))
    say(f"train {model}, 2 ranks as one job", unit, side["two"], "two jobs of 1 rank at once", side["pair"])
    say(f"train {model}, 2 ranks, exact", unit, side["two"], "train.reduction=fast", side["fast"], gates.get("exact"))


def compare_ranks(bench, model):
    """A shipped config: two ranks against one."""
    one, two = [], []
    for r in range(bench.rounds + 1):  # the first sets the interval of log lines
        two.append(bench.ours(model, 2))
        one.append(bench.ours(model, 1))
    say(f"train {model}.yaml, efficiency of 2 ranks", "samples/s", two[1:], "twice 1 rank", [2 * r for r in one[1:]])


def soak(bench, model):
    """A long run: is anything growing or slowing down?"""
    steps, folder = int(os.environ.get("STEPS", "20000")), f"{bench.folder}/soak_{model}"
    watch = Memory(folder)
    bench.data(model)
    watch.start()
    more = (f"train.steps={steps}", f"train.log_every={steps // 40}", f"train.validate_every={steps // 40}",
            f"train.save_every={steps // 40}", "train.patience=0")
    if bench.start(model, 2, None, folder, *more).wait():
        sys.exit(f"train.py: greybox-train of {model} failed")
    watch.over.set()
    watch.join()
    rate = [line["samples_per_second"] for line in bench.lines(folder)]
    size = [mib for _, mib in watch.course]
    quarter = lambda values, k: statistics.median(values[k * len(values) // 4 : (k + 1) * len(values) // 4])
    step = quarter(rate, 1) / quarter(rate, 3)  # time of a step, late over early
    line = {"name": f"soak {model}, 2 ranks, {steps} steps", "value": round(quarter(rate, 3), 1), "unit": "samples/s",
            "mib_per_rank": [round(quarter(size, 1), 1), round(quarter(size, 3), 1)], "peak_mib_per_rank": round(watch.peak, 1),
            "step_time_late_over_early": round(step, 4), "gate": "memory within 1 MiB, step time within 10 %"}
    line["pass"] = quarter(size, 3) - quarter(size, 1) <= 1 and step <= 1.1
    print(json.dumps(line), flush=True)


def main():
    build, folder, what, *models = sys.argv[1:]
    models = models or os.environ.get("MODELS", "").split()
    bench = Bench(build, folder)
    if what == "soak":
        for model in models or ["dense", "small"]:
            soak(bench, model)
        return
    for model in models or [*MODELS, "xy_quickstart", "xy"]:
        (compare_peer if model in MODELS else compare_ranks)(bench, model)


if __name__ == "__main__":
    main()
