"""tests/bench/torch_vae.py - the models of the training benchmark, written as one would write them in PyTorch.

Usage: torch_vae.py MODEL [--threads N | --ranks N] [--batch B] [--seconds S]

MODEL: dense (64-256-256-10 and back), conv (2 x 32 x 32, three convolutions and their mirror, two heads, energy term) or
small (128-100-20-2 and back). --ranks: that many processes of one thread under DistributedDataParallel with gloo, each with
a batch of B. Every way a user would try is timed: Adam with and without foreach, channels_last for convolutions. One JSON
line per way: samples/s over all processes, median and best of chunks of a quarter of a second. Nothing is loaded from disk:
the data are random angles in memory, batches are slices of a random permutation.

The environment must choose OpenBLAS's kernels (OPENBLAS_CORETYPE) where the library does not know the processor; run.sh
does. Zero padding in the convolutions, where greybox pads periodically: PyTorch has a fast path for zeros only.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time

MODELS = {"dense": 128, "conv": 128, "small": 100}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--batch", type=int, default=0, help="per process; 0: the model's own")
    parser.add_argument("--seconds", type=float, default=2.0, help="per way")
    parser.add_argument("--port", type=int, default=29612)
    return parser.parse_args()


def mlp(nn, sizes, last):
    """Linear layers with ELU between them, and after the last one if `last`."""
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers.append(nn.Linear(a, b))
        if last or i + 2 < len(sizes):
            layers.append(nn.ELU(inplace=True))
    return nn.Sequential(*layers)


def make_dense(torch, sizes, latent, vectors):
    """Encoder of `sizes`, two heads as one matrix, decoder back; unit Gaussian likelihood. Input: angles in units of pi, or
    (cos, sin)."""
    nn, F = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = mlp(nn, sizes, last=True)
            self.head = nn.Linear(sizes[-1], 2 * latent)
            self.decoder = mlp(nn, [latent] + sizes[::-1], last=False)

        def forward(self, x):
            mu, logvar = self.head(self.encoder(x)).chunk(2, 1)
            z = torch.addcmul(mu, torch.exp(0.5 * logvar), torch.randn_like(mu))
            return self.decoder(z), mu, logvar

    def loss(net, x):
        y, mu, logvar = net(x)
        kl = -0.5 * (1 + logvar - mu * mu - logvar.exp()).sum()
        return (2.0 * F.mse_loss(y, x, reduction="sum") + kl) / len(x)

    angles = (2 * torch.rand(16384, sizes[0] // (2 if vectors else 1)) - 1) * math.pi
    data = torch.cat([angles.cos(), angles.sin()], 1) if vectors else angles / math.pi
    return VAE(), loss, data


def make_conv(torch):
    """Convolutions 2-32-64-128 of stride 2, dense 256, latent 16, mirror; outputs a mean of (cos, sin) and ln sigma per site.
    Loss: Gaussian likelihood, KL, squared difference of energies."""
    nn = torch.nn

    class VAE(nn.Module):
        def __init__(self, latent=16):
            super().__init__()
            down = [nn.Conv2d(a, b, 3, 2, 1) for a, b in ((2, 32), (32, 64), (64, 128))]
            up = [nn.ConvTranspose2d(a, b, 3, 2, 1, 1) for a, b in ((128, 64), (64, 32), (32, 3))]
            relu = nn.ReLU(inplace=True)
            self.encoder = nn.Sequential(down[0], relu, down[1], relu, down[2], relu, nn.Flatten(), nn.Linear(2048, 256), relu)
            self.head = nn.Linear(256, 2 * latent)
            self.decoder = nn.Sequential(nn.Linear(latent, 256), relu, nn.Linear(256, 2048), relu)
            self.up = nn.Sequential(up[0], relu, up[1], relu, up[2])
            self.last = False

        def forward(self, x):
            mu, logvar = self.head(self.encoder(x)).chunk(2, 1)
            z = torch.addcmul(mu, torch.exp(0.5 * logvar), torch.randn_like(mu))
            h = self.decoder(z).view(-1, 128, 4, 4)
            if self.last:
                h = h.contiguous(memory_format=torch.channels_last)
            return self.up(h), mu, logvar

    def energy(v):
        return -(v * (v.roll(1, 2) + v.roll(1, 3))).sum((1, 2, 3)) / 1024

    def loss(net, x):
        y, mu, logvar = net(x)
        mean, spread = y[:, :2], y[:, 2:]
        nll = (0.5 * (x - mean) ** 2 * torch.exp(-2 * spread)).sum() + 2 * spread.sum()
        kl = -0.5 * (1 + logvar - mu * mu - logvar.exp()).sum()
        unit = mean * torch.rsqrt((mean * mean).sum(1, keepdim=True) + 1e-8)
        difference = energy(unit) - energy(x)
        return (nll + kl + 10 * (difference * difference).sum()) / len(x)

    angles = (2 * torch.rand(2048, 32, 32) - 1) * math.pi
    return VAE(), loss, torch.stack([angles.cos(), angles.sin()], 1)


def make(torch, model):
    if model == "conv":
        return make_conv(torch)
    if model == "dense":
        return make_dense(torch, [64, 256, 256], 10, vectors=False)
    return make_dense(torch, [128, 100, 20], 2, vectors=True)


def batches(torch, data, batch):
    while True:
        order = torch.randperm(len(data))
        for i in range(0, len(data) - batch + 1, batch):
            yield data[order[i : i + batch]]


def one_step(torch, model, batch, ranks, foreach, channels_last):
    """A function that makes one training step."""
    torch.manual_seed(1)
    net, loss, data = make(torch, model)
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        data = data.contiguous(memory_format=torch.channels_last)
        net.last = True
    if ranks > 1:
        net = torch.nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=True, static_graph=True)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, foreach=foreach)
    stream = batches(torch, data, batch)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(net, next(stream)).backward()
        optimizer.step()

    return step


def rates(torch, step, samples, seconds, ranks):
    """Samples/s of chunks of a quarter of a second, after some steps that do not count."""
    for _ in range(5):
        step()
    begin = time.perf_counter()
    for _ in range(3):
        step()
    one = (time.perf_counter() - begin) / 3
    counts = torch.tensor([max(1, round(0.25 / one)), max(5, round(seconds / 0.25))])
    if ranks > 1:
        torch.distributed.broadcast(counts, 0)
    per_chunk, chunks = counts.tolist()
    out = []
    for _ in range(chunks):
        if ranks > 1:
            torch.distributed.barrier()
        begin = time.perf_counter()
        for _ in range(per_chunk):
            step()
        if ranks > 1:
            torch.distributed.barrier()
        out.append(per_chunk * samples / (time.perf_counter() - begin))
    return out


def forget_peak():
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")


def peak_mib():
    with open("/proc/self/status") as status:
        return round(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024, 1)


def work(rank, args):
    import torch

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if args.ranks > 1:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
        torch.distributed.init_process_group(
            "gloo", init_method=f"tcp://127.0.0.1:{args.port}", rank=rank, world_size=args.ranks
        )
    batch = args.batch or MODELS[args.model]
    for channels_last in (False, True) if args.model == "conv" else (False,):
        for foreach in (False, True):
            forget_peak()
            step = one_step(torch, args.model, batch, args.ranks, foreach, channels_last)
            out = rates(torch, step, batch * args.ranks, args.seconds, args.ranks)
            if rank == 0:
                line = {
                    "model": args.model, "threads": args.threads, "ranks": args.ranks, "batch": batch * args.ranks,
                    "way": " ".join(w for w, on in (("foreach", foreach), ("channels_last", channels_last)) if on) or "plain",
                    "median": round(statistics.median(out), 1), "best": round(max(out), 1), "peak_mib": peak_mib(),
                    "torch": torch.__version__, "chunks": len(out),
                }
                print(json.dumps(line), flush=True)
    if args.ranks > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    parsed = arguments()
    os.environ["OMP_NUM_THREADS"] = str(parsed.threads)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two pools of threads on the same cores would get in each other's way
    if parsed.ranks == 1:
        work(0, parsed)
    else:
        from multiprocessing import get_context

        children = [get_context("spawn").Process(target=work, args=(rank, parsed)) for rank in range(parsed.ranks)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        sys.exit(max(child.exitcode != 0 for child in children))
