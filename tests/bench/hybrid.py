"""tests/bench/hybrid.py - training with physics in the decoder: ours, plain PyTorch, and the published code, in alternating rounds.

Usage (by run.sh): hybrid.py BUILD FOLDER [MODEL[=CONFIG] ...]

MODEL: pendulum, advection_diffusion (ours: greybox-train on configs/MODEL.yaml, or on CONFIG), node (the neural pendulum's value
and gradient by PyTorch, nothing of ours); also in the environment, MODELS="pendulum=my.yaml node". As in train.py: one core
against one thread, two ranks against the best of one thread, two threads and two DDP processes, the batch 200 everywhere (also 200 on each
process); the value of a round is a median, `ratio` uses the best round of each side. PHYSVAE_REPO and TORCHDIFFEQ_REPO, checkouts
of the published code of Takeishi and Kalousis and of its ODE solver (which needs python3-scipy), add them as a third side, on one
thread and on two: gates are against this one.

Environment: ROUNDS (5), SECONDS_PER_RUN (4). One JSON object a line."""

import os
import shlex
import statistics
import sys

import train

# Of the published code: name of the experiment, about how many seconds an epoch of 5 steps takes, data, options of the training.
COMMON = (
    "--arch-feat mlp --num-units-feat 256 --activation elu --hidlayers-aux1-dec 64 64 --hidlayers-aux1-enc 64 32 --hidlayers-aux2-enc 64 32 "
    "--learning-rate 1e-3 --train-size 1000 --batch-size 200 --grad-clip 5.0 --weight-decay 1e-6 --adam-eps 1e-3 --balance-kld 1.0"
)
PENDULUM = {
    "task": "pendulum", "epoch": 0.5,
    "data": "--len-episode 50 --dt 0.05 --noise-std 1e-2 --range-init -1.57 1.57 --range-omega 0.785 3.14 --range-gamma 0.0 0.8 "
            "--range-f 3.14 6.28 --range-A 0.0 40.0",
    "train": "--range-omega 0.392 3.53 --hidlayers-aux2-dec 128 128 --x-lnvar -9.0 --hidlayers-feat 128 128 --hidlayers-unmixer 128 128 "
             "--hidlayers-omega 64 32 --intg-lev 1 --dim-z-aux1 1 --dim-z-aux2 2 --balance-unmix 1e-3 --balance-dataug 1e-1 "
             "--balance-lact-dec 1e-2 --balance-lact-enc 1e-2",
}
ADVECTION = {
    "task": "advdif", "epoch": 1.5,
    "data": "--n-grids 20 --len-episode 50 --dx 0.1 --dt 0.02 --noise-std 1e-3 --range-init-mag 0.5 1.5 --range-dcoeff 1e-2 1e-1 "
            "--range-ccoeff 1e-2 1e-1",
    "train": "--range-dcoeff 5e-3 2e-1 --x-lnvar -13.8 --hidlayers-feat 256 256 --hidlayers-unmixer 256 256 --hidlayers-dcoeff 64 32 "
             "--intg-lev 2 --dim-z-aux1 4 --dim-z-aux2 -1 --balance-unmix 1e-2 --balance-dataug 1e6 --balance-lact-dec 1e-1 "
             "--balance-lact-enc 1e-1",
}
# Gates: one core and two ranks against the published code. "keys": what makes a config of ours the published one.
MODELS = {
    "pendulum": {"batch": 200, "gate": 5, "gate2": 8, "published": PENDULUM,
                 "keys": ["ode.method=euler", "hybrid.latent_inside=1", "hybrid.inside_state=whole"]},
    "advection_diffusion": {"batch": 200, "gate": 6, "gate2": 10, "published": ADVECTION,
                            "keys": ["hybrid.clock=circle", "train.shards=4", "optimizer.ema=0", "optimizer.clip_norm=0",
                                     "optimizer.clip_value=5"]},
    "node": {"batch": 200},
}


class Bench(train.Bench):
    peer, models = "torch_hybrid.py", MODELS

    def __init__(self, build, folder, configs):
        super().__init__(build, folder)
        self.configs = configs
        self.checkouts = [os.environ[name] for name in ("TORCHDIFFEQ_REPO", "PHYSVAE_REPO") if name in os.environ]

    def config(self, model):
        return self.configs.get(model) or super().config(model)

    def greybox(self, model, ranks):
        """Our side: samples/s of greybox-train on the model's config, from its log."""
        return self.ours(model, ranks, f"train.batch={MODELS[model]['batch']}", *MODELS[model].get("keys", []))

    def has_published(self, model):
        return len(self.checkouts) == 2 and "published" in MODELS[model]

    def published_data(self, what):
        """The data sets of the published code by its own generator, made once."""
        folder = f"{self.folder}/published_{what['task']}"
        if not os.path.isdir(folder):
            os.mkdir(folder)
            generator = f"{self.checkouts[1]}/data/{what['task']}/generate.py"
            for name, samples, seed in (("train", 1000, 1234), ("valid", 500, 1235)):
                more = ["--outdir", folder, "--name", name, "--n-samples", str(samples), "--seed", str(seed)]
                self.output([train.PYTHON, generator, *more, *shlex.split(what["data"])], env=self.environment)
        return folder

    def published(self, model, threads):
        """Samples/s of the published training script: median of its epochs, validation not counted, without the first two."""
        what = MODELS[model]["published"]
        data, epochs = self.published_data(what), 2 + max(3, round(self.seconds / what["epoch"]))
        search = ":".join(self.checkouts + [p for p in (os.environ.get("PYTHONPATH"),) if p])
        environment = dict(self.environment, PYTHONPATH=search, OMP_NUM_THREADS=str(threads), OPENBLAS_CORETYPE=self.kernels)
        more = ["--datadir", data, "--outdir", data, "--epochs", str(epochs)]
        options = shlex.split(f"{COMMON} {what['train']}")
        command = [train.PYTHON, "-m", f"physvae.{what['task']}.train", *more, *options]
        self.output(self.pin(command, self.cores[:threads]), env=environment)
        with open(f"{data}/log.txt") as log:
            ends = [float(line.split()[-1]) for line in log if not line.startswith("#")]
        epoch = statistics.median(b - a for a, b in zip(ends[1:], ends[2:]))
        return 1000 / epoch


def compare(bench, model):
    """All sides of a model in turn, `rounds` times; then the ratios of the best rounds."""
    side = {name: [] for name in ("one", "two", "torch", "torch2", "published", "published2")}
    way, way2, gates, unit = "", "", MODELS[model], "samples/s"
    for ranks in (1, 2):
        bench.greybox(model, ranks)  # warm; sets the interval of log lines
    for _ in range(bench.rounds):
        side["one"].append(bench.greybox(model, 1))
        if bench.torch:
            best = bench.theirs(model, bench.cores[:1], "--threads", "1")
            side["torch"].append(best["median"])
            way = f"1 thread, {best['way']}"
        if bench.has_published(model):
            side["published"].append(bench.published(model, 1))
        side["two"].append(bench.greybox(model, 2))
        if bench.torch:
            best = max(best, bench.torch_two(model), key=lambda found: found["median"])
            side["torch2"].append(best["median"])
            way2 = f"{best['threads']} thread(s), {best['ranks']} process(es), batch {best['batch']}, {best['way']}"
        if bench.has_published(model):
            side["published2"].append(max(side["published"][-1], bench.published(model, 2)))
    peer, name = f"PyTorch {bench.torch}", f"hybrid {model}" + (f" ({bench.configs[model]})" if bench.configs[model] else "")
    for what, ours, theirs, how, published, gate in (
        ("1 core", "one", "torch", way, "published", "gate"),
        ("2 ranks", "two", "torch2", way2, "published2", "gate2"),
    ):
        ms = {"ms_per_step": round(1e3 * gates["batch"] / max(side[ours]), 3)}
        train.say(f"{name}, {what}", unit, side[ours], f"{peer}, {how}", side[theirs], **ms)
        if side[published]:
            against = "the published code, 1 thread" + (" or 2" if what != "1 core" else "")
            train.say(f"{name}, {what}, published", unit, side[ours], against, side[published], gates[gate], **ms)
    train.say(f"{name}, efficiency of 2 ranks", unit, side["two"], "twice 1 rank", [2 * r for r in side["one"]])


def gradients(bench):
    """The neural pendulum by PyTorch: gradients of a batch of 200 per second."""
    rates, way = [], ""
    for _ in range(bench.rounds if bench.torch else 0):
        best = bench.theirs("node", bench.cores[:1], "--threads", "1")
        rates.append(best["median"] / MODELS["node"]["batch"])
        way = best["way"]
    if rates:
        train.say(f"hybrid node, PyTorch {bench.torch}, 1 thread, {way}", "gradients/s", rates, ms=round(1e3 / max(rates), 3))


def main():
    build, folder, *words = sys.argv[1:]
    words = words or os.environ.get("MODELS", "").split() or list(MODELS)
    asked = dict(word.partition("=")[::2] for word in words)
    for name in asked:
        if name not in MODELS:
            sys.exit(f"hybrid.py: no model {name}; there are: {' '.join(MODELS)}")
    bench = Bench(build, folder, asked)
    for name in asked:
        if name == "node":
            gradients(bench)
        elif not os.path.exists(bench.config(name)):
            sys.exit(f"hybrid.py: no file {bench.config(name)}: give another as {name}=CONFIG")
        else:
            compare(bench, name)


if __name__ == "__main__":
    main()
