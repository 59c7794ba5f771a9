"""tests/bench/torch_hybrid.py - training steps with physics in the decoder, written as one would write them in PyTorch.

Usage: torch_hybrid.py MODEL [--threads N | --ranks N] [--batch B] [--seconds S]

MODEL: pendulum, advection_diffusion (Takeishi and Kalousis, NeurIPS 2021, the regularised hybrid: four decodes, R_PPC, R_DA1,
R_DA2, KL; gradients clamped element by element; Adam with eps 1e-3 and L2 1e-6) or node (value and gradient of a pendulum with
a network in its right-hand side, 49 steps of RK4: no optimiser). --ranks: that many processes of one thread under
DistributedDataParallel with gloo, each with a batch of B; not for node. One JSON line per way: ms per step and samples/s over
all processes, median and best of chunks of a quarter of a second. Ways: Adam with and without foreach; for node a loop of our
own (classic RK4) and, where TORCHDIFFEQ_REPO names a checkout, torchdiffeq (its rk4 is the 3/8 rule, of the same cost).

What a careful user would do is done: physics-only and full state in one solve, the residual network once, the Laplacian as a
matrix, constant inputs of the network prepared before the loop. Nothing is loaded from disk: the data are solved at the start.
"""

import argparse
import contextlib
import json
import math
import os
import statistics
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when torch is loaded; two pools of threads on the same cores get in each other's way

import torch
from torch import nn
from torch.nn import functional as F

from torch_vae import batches, forget_peak, mlp, peak_mib, rates

BATCH = 200
SAMPLES = 1000


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=["pendulum", "advection_diffusion", "node"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--batch", type=int, default=BATCH, help="per process")
    parser.add_argument("--seconds", type=float, default=4.0, help="per way")
    parser.add_argument("--port", type=int, default=29613)
    return parser.parse_args()


def rk4(rate, t, y, h):
    """One classic step."""
    a = rate(t, y)
    b = rate(t + h / 2, y + h / 2 * a)
    c = rate(t + h / 2, y + h / 2 * b)
    return y + h / 6 * (a + 2 * b + 2 * c + rate(t + h, y + h * c))


def trajectories(rate, y, frames, dt, substeps=20):
    """Observed frames in double precision, (n, frames, width)."""
    out, h = [y], dt / substeps
    for k in range((frames - 1) * substeps):
        y = rk4(rate, k * h, y, h)
        if (k + 1) % substeps == 0:
            out.append(y)
    return torch.stack(out, 1)


def uniform(low, high, n):
    return low + (high - low) * torch.rand(n, 1, dtype=torch.float64)


def laplacian(points, dx):
    """Second differences on a grid that is zero outside; symmetric."""
    ones = torch.ones(points - 1, dtype=torch.float64)
    return (ones.diag(1) + ones.diag(-1) - 2 * torch.eye(points, dtype=torch.float64)) / dx**2


class Normal(nn.Module):
    """Mean and ln variance of some latents from features, by a network each."""

    def __init__(self, features, latents, positive=False):
        super().__init__()
        self.mean = mlp(nn, [features, 64, 32, latents], last=False)
        self.ln_variance = mlp(nn, [features, 64, 32, latents], last=False)
        self.positive = positive

    def expected(self, h):
        return F.softplus(self.mean(h)) if self.positive else self.mean(h)

    def forward(self, h):
        return self.expected(h), self.ln_variance(h)


def sample(mean, ln_variance):
    return torch.addcmul(mean, torch.exp(0.5 * ln_variance), torch.randn_like(mean))


def divergence(mean, ln_variance, prior_mean=0.0, prior_spread=1.0):
    """KL of diagonal normals, summed over latents and rows."""
    ln_ratio = ln_variance - 2 * math.log(prior_spread)
    return 0.5 * (ln_ratio.exp() - 1 - ln_ratio + (mean - prior_mean) ** 2 / prior_spread**2).sum()


def squared(x):
    return (x * x).sum()


class Hybrid(nn.Module):
    """A grey-box VAE of one physical parameter. forward(x) is the loss of a batch x (n, frames, width).

    A model adds `solve` (frames of the full and the physics-only state, (2, n, frames, width); without the latents: (n, ...)),
    `unmix`, and, where it has them, `observe` (a map of the state) and `residual` (added after it)."""

    def __init__(self, frames, width, aux, hidden):
        super().__init__()
        self.frames, self.width = frames, width
        sizes = [frames * width] + hidden + [256]
        self.aux_features = nn.ModuleList(mlp(nn, sizes, last=True) for _ in aux)
        self.aux_heads = nn.ModuleList(Normal(256, dim) for dim in aux)
        self.physics_features = mlp(nn, sizes, last=True)
        self.physics_head = Normal(256, 1, positive=True)

    def observe(self, y):
        return y

    def residual(self, physics, aux):
        return None

    def augmented(self, first):
        """R_DA2: the parameter of a physics-only trajectory, recognised."""
        low, high = self.prior
        with torch.no_grad():
            truth = low + (high - low) * torch.rand(len(first), 1)
            x = self.solve(first, truth)
        return F.mse_loss(self.physics_head.expected(self.physics_features(x.flatten(1))), truth)

    def forward(self, x):
        n, flat, first = len(x), x.flatten(1), x[:, 0]
        aux = [head(features(flat)) for features, head in zip(self.aux_features, self.aux_heads)]
        unmixed = self.unmix(x, [mean for mean, _ in aux])
        physics = self.physics_head(self.physics_features(unmixed.flatten(1)))
        z_aux = [sample(*each) for each in aux]
        z_physics = sample(*physics).clamp(*self.box)

        x_pa, x_p = self.observe(self.solve(first, z_physics, z_aux[0])).unbind(0)
        r = self.residual(z_physics, z_aux)
        x_pab = x_pa if r is None else x_pa + r
        # Mean of the four squared distances between neighbours among x_p, x_pa, x_pb, x_pab: with an additive residual two are equal.
        ppc = 0.5 * squared(x_pa - x_p)
        if r is not None:
            ppc = ppc + 0.5 * squared(r)

        low, high = self.prior
        kl = divergence(*physics, 0.5 * (low + high), max(1e-3, 0.866 * (high - low)))
        kl = kl + sum(divergence(*each) for each in aux)
        total = squared(x_pab - x) + (1 + self.ppc_weight) * math.exp(self.ln_variance) * kl
        total = total + self.unmix_weight * squared(unmixed - x_p.detach()) + self.ppc_weight * ppc
        return total / n + self.augment_weight * self.augmented(first)


class Pendulum(Hybrid):
    """theta'' = -omega^2 sin theta + network(z, theta, theta', t), Euler; a residual on the trajectory."""

    ln_variance, ppc_weight, unmix_weight, augment_weight = -9.0, 1e-2, 1e-3, 1e-1
    box, prior, dt = (0.0, 20.0), (0.392, 3.53), 0.05
    parameters_wanted = 337645

    def __init__(self):
        super().__init__(50, 1, [1, 2], [128, 128])
        self.inside = mlp(nn, [4, 64, 64, 1], last=False)
        self.after = mlp(nn, [4, 128, 128, 50], last=False)
        self.unmixer = mlp(nn, [53, 128, 128, 50], last=False)

    def unmix(self, x, means):
        return x + self.unmixer(torch.cat([x.flatten(1), *means], 1)).unsqueeze(2)

    def residual(self, physics, aux):
        return self.after(torch.cat([physics, *aux], 1)).unsqueeze(2)

    def solve(self, first, omega, aux=None):
        n, minus = len(first), -(omega * omega)
        if aux is not None:
            times = (self.dt * torch.arange(self.frames)).view(-1, 1, 1).expand(-1, n, 1)
            known = torch.cat([aux.expand(self.frames, -1, -1), times], 2).unbind(0)
            first, zero = first.expand(2, -1, -1), torch.zeros(n, 1)
        theta, speed = first, torch.zeros_like(first)
        out = [theta]
        for k in range(self.frames - 1):
            rate = minus * torch.sin(theta)
            if aux is not None:
                rate = rate + torch.stack([self.inside(torch.cat([theta[0], speed[0], known[k]], 1)), zero])
            theta = torch.add(theta, speed, alpha=self.dt)
            speed = torch.add(speed, rate, alpha=self.dt)
            out.append(theta)
        return torch.stack(out, -2)

    @staticmethod
    def data():
        """theta'' = A omega^2 cos(2 pi f t) - zeta theta' - omega^2 sin theta, noise 0.01."""
        n = SAMPLES
        theta, omega, zeta = uniform(-1.57, 1.57, n), uniform(0.785, 3.14, n), uniform(0, 0.8, n)
        amplitude, frequency = uniform(0, 40, n), uniform(3.14, 6.28, n)

        def rate(t, y):
            angle, speed = y[:, :1], y[:, 1:]
            force = omega**2 * (amplitude * torch.cos(2 * math.pi * frequency * t) - torch.sin(angle))
            return torch.cat([speed, force - zeta * speed], 1)

        x = trajectories(rate, torch.cat([theta, torch.zeros_like(theta)], 1), 50, 0.05)[:, :, :1]
        return (x + 0.01 * torch.randn_like(x)).float()


class AdvectionDiffusion(Hybrid):
    """y_t = a y_xx + network(z, y, sin t, cos t) on 20 points, Euler with two substeps a frame; a linear map of every frame."""

    ln_variance, ppc_weight, unmix_weight, augment_weight = -13.8, 1e-1, 1e-2, 1e6
    box, prior, dt, substeps, dx = (5e-3, 0.2), (5e-3, 0.2), 0.02, 2, 0.1
    parameters_wanted = 1182222

    def __init__(self):
        super().__init__(50, 20, [4], [256, 256])
        self.inside = mlp(nn, [26, 64, 64, 20], last=False)
        self.map = nn.Linear(20, 20)
        self.unmix_map = nn.Linear(20, 20)
        self.unmixer = mlp(nn, [4, 256, 256, 1000], last=False)
        self.register_buffer("laplacian", laplacian(20, self.dx).float())

    def observe(self, y):
        return self.map(y)

    def unmix(self, x, means):
        return self.unmix_map(x) + self.unmixer(means[0]).view(x.shape)

    def solve(self, first, a, aux=None):
        n, steps, h = len(first), (self.frames - 1) * self.substeps, self.dt / self.substeps
        if aux is not None:
            t = h * torch.arange(steps)
            times = torch.stack([t.sin(), t.cos()], 1).unsqueeze(1).expand(-1, n, -1)
            known = torch.cat([aux.expand(steps, -1, -1), times], 2).unbind(0)
            first, zero = first.expand(2, -1, -1), torch.zeros_like(first)
        y, out = first, [first]
        for k in range(steps):
            rate = a * (y @ self.laplacian)
            if aux is not None:
                rate = rate + torch.stack([self.inside(torch.cat([y[0], known[k]], 1)), zero])
            y = torch.add(y, rate, alpha=h)
            if (k + 1) % self.substeps == 0:
                out.append(y)
        return torch.stack(out, -2)

    @staticmethod
    def data():
        """y_t = a y_xx + c y_x, central differences, zero outside; noise 0.001."""
        magnitude, a, c = uniform(0.5, 1.5, SAMPLES), uniform(0.01, 0.1, SAMPLES), uniform(0.01, 0.1, SAMPLES)
        second, ones = laplacian(20, 0.1), torch.ones(19, dtype=torch.float64)
        first = (ones.diag(-1) - ones.diag(1)) / 0.2  # from the right of a row vector
        bump = torch.sin(math.pi * torch.arange(20, dtype=torch.float64) / 19)
        x = trajectories(lambda t, y: a * (y @ second) + c * (y @ first), magnitude * bump, 50, 0.02)
        return (x + 0.001 * torch.randn_like(x)).float()


class Node(nn.Module):
    """theta'' = -w^2 sin theta + network(theta, theta', z, t) with w and z of every row; loss: half the squared error at 49 times."""

    parameters_wanted = 4545
    intervals, dt = 49, 0.05

    def __init__(self, batch):
        super().__init__()
        self.inside = mlp(nn, [4, 64, 64, 1], last=False)
        self.w = nn.Parameter(0.8 + 2.3 * torch.rand(batch, 1))
        self.z = nn.Parameter(2 * torch.rand(batch, 1) - 1)
        self.first = nn.Parameter(torch.cat([3 * torch.rand(batch, 1) - 1.5, torch.zeros(batch, 1)], 1))
        self.times = self.dt * torch.arange(self.intervals + 1)
        self.data = self.first.detach()[:, 0] * torch.cos(2 * self.times[1:, None])

    def rate(self, t, y):
        theta, speed = y[:, :1], y[:, 1:]
        time = torch.full_like(theta, float(t))
        force = self.inside(torch.cat([theta, speed, self.z, time], 1)) - self.w * self.w * torch.sin(theta)
        return torch.cat([speed, force], 1)

    def loop(self):
        y, out = self.first, []
        for k in range(self.intervals):
            y = rk4(self.rate, k * self.dt, y, self.dt)
            out.append(y[:, 0])
        return torch.stack(out)

    def forward(self, odeint=None):
        theta = odeint(self.rate, self.first, self.times, method="rk4")[1:, :, 0] if odeint else self.loop()
        return 0.5 * squared(theta - self.data)


def check_parameters(net):
    """The number of weights of the paper's network, or this is not the step that is compared."""
    per_row = ("w", "z", "first")
    count = sum(p.numel() for name, p in net.named_parameters() if name not in per_row)
    if count != net.parameters_wanted:
        sys.exit(f"torch_hybrid.py: {count} parameters instead of {net.parameters_wanted}")


def training_step(args, foreach):
    """A function that makes one training step."""
    torch.manual_seed(1)
    net = {"pendulum": Pendulum, "advection_diffusion": AdvectionDiffusion}[args.model]()
    check_parameters(net)
    stream = batches(torch, net.data(), args.batch)
    if args.ranks > 1:
        net = torch.nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=True, static_graph=True)
    parameters = list(net.parameters())
    optimizer = torch.optim.Adam(parameters, 1e-3, eps=1e-3, weight_decay=1e-6, foreach=foreach)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = net(next(stream))
        loss.backward()
        torch.nn.utils.clip_grad_value_(parameters, 5.0)
        optimizer.step()
        return loss

    return step


def gradient_step(args, odeint):
    """A function that makes one value and gradient of the neural pendulum."""
    torch.manual_seed(1)
    net = Node(args.batch)
    check_parameters(net)

    def step():
        net.zero_grad(set_to_none=True)
        loss = net(odeint)
        loss.backward()
        return loss

    return step


def find_odeint():
    """torchdiffeq's solver, if TORCHDIFFEQ_REPO says where it is."""
    if "TORCHDIFFEQ_REPO" not in os.environ:
        return None
    sys.path.append(os.environ["TORCHDIFFEQ_REPO"])
    from torchdiffeq import odeint

    return odeint


def ways(args, odeint):
    """Name and step of every way to time."""
    if args.model != "node":
        yield "plain", training_step(args, False)
        yield "foreach", training_step(args, True)
        return
    yield "loop", gradient_step(args, None)
    if odeint:
        yield "torchdiffeq", gradient_step(args, odeint)


@contextlib.contextmanager
def group(rank, args):
    """The processes of one timing, each on a core of its own."""
    if args.ranks == 1:
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{args.port}", rank=rank, world_size=args.ranks)
    yield
    torch.distributed.destroy_process_group()


def work(rank, args):
    odeint = find_odeint() if args.model == "node" else None  # before denormals are flushed: NumPy complains on loading
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    with group(rank, args):
        forget_peak()
        for way, step in ways(args, odeint):
            first = step().item()
            out = rates(torch, step, args.batch * args.ranks, args.seconds, args.ranks)
            last = step().item()
            if rank == 0:
                median, best = statistics.median(out), max(out)
                rows = 1000 * args.batch * args.ranks
                line = {
                    "model": args.model, "threads": args.threads, "ranks": args.ranks, "batch": args.batch * args.ranks, "way": way,
                    "ms": round(rows / median, 3), "ms_best": round(rows / best, 3), "median": round(median, 1), "best": round(best, 1),
                    "peak_mib": peak_mib(), "loss": [float(f"{first:.6g}"), float(f"{last:.6g}")], "torch": torch.__version__,
                    "chunks": len(out),
                }
                print(json.dumps(line), flush=True)
            forget_peak()


if __name__ == "__main__":
    parsed = arguments()
    if parsed.model == "node" and parsed.ranks > 1:
        sys.exit("torch_hybrid.py: node has no optimiser and no processes: use --threads")
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
