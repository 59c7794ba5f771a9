"""tests/oracle/make_oracle.py - loss terms and gradients of one batch of VAEs of angles, with layers of every kind, by PyTorch in double precision.

An implementation of its own of everything between a config and a gradient: the language of layers, periodic convolutions
and their transposes, likelihoods of angles, the energy, Philox random numbers, and PyTorch's automatic differentiation. It
shares no code with greybox; tests/unit/gradient_oracle.c compares.

    python3 tests/oracle/make_oracle.py            write tests/oracle/*.txt
    python3 tests/oracle/make_oracle.py --check    compare with the stored files, write nothing

A file holds the config, the pass (rows, parts, seed, step, first row), the weights of the terms, the value of every term in every row,
and per weight tensor its shape, how its values are drawn (centre, reach) and its gradient. Weights and data are drawn, not
stored: number k of tensor i is centre + reach (2 u - 1), u from word k of the stream (seed 2026, purpose TEST, index 1000 + i,
step 0); angle i is pi (2 u - 1), rounded to float, u from word 0 of the stream of index i.

Needs python3-torch, python3-numpy, python3-yaml."""

import ctypes
import glob
import math
import os
import platform
import re
import sys

import numpy as np
import torch
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 2026  # of data and weights
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def purposes():
    """The numbers of GB_RNG_TEST and the others, from the list in base/rng.h."""
    with open(f"{HERE}/../../libcore/base/rng.h") as header:
        listed = re.search(r"typedef enum gb_purpose \{(.*?)\} gb_purpose", header.read(), re.S).group(1)
    return {name: i + 1 for i, name in enumerate(re.findall(r"GB_RNG_([A-Z]+)\b[^,]*,", listed))}


PURPOSE = purposes()


def hash64(text):
    """XXH3, by the library itself."""
    xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    xxh3.restype, xxh3.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t)
    return xxh3(text.encode(), len(text.encode()))


def philox(key, counter):
    """Philox4x32-10 (Salmon et al., SC'11, section 3.3) of counters [n, 4]."""
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k = [np.uint64(key[0]), np.uint64(key[1])]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ k[0], b & low, (a >> np.uint64(32)) ^ c[3] ^ k[1], a & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return np.stack(c, 1)


def words(n, seed, purpose, index, step):
    """The first n words of a stream: base/rng.h says which counter that is."""
    blocks = (n + 3) // 4
    high = PURPOSE[purpose] << 24 | (index >> 32) << 12 | step >> 32
    counter = np.zeros((blocks, 4), np.uint64)
    counter[:, 0] = np.arange(blocks)
    counter[:, 1:] = (step & 0xFFFFFFFF, index & 0xFFFFFFFF, high)
    return philox((seed & 0xFFFFFFFF, seed >> 32), counter).reshape(-1)[:n]


def unit(n, *stream):
    return (words(n, *stream).astype(np.float64) + 0.5) * 2.0**-32


def normal(n, *stream):
    """Box-Muller on pairs of words."""
    u = unit((n + 3) // 4 * 4, *stream).reshape(-1, 2)
    r, phi = np.sqrt(-2 * np.log(u[:, 0])), 2 * np.pi * u[:, 1]
    return np.stack([r * np.cos(phi), r * np.sin(phi)], 1).reshape(-1)[:n]


ACTIVATIONS = {
    "none": lambda x: x,
    "relu": torch.relu,
    "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.2),
    "elu": torch.nn.functional.elu,
    "gelu": torch.nn.functional.gelu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
}


class Weights:
    """Tensors in the order in which they are asked for."""

    def __init__(self):
        self.names, self.tensors, self.rule, self.averaged = [], [], [], {}

    def get(self, name, shape, centre, reach):
        if name in self.names:
            return self.tensors[self.names.index(name)]
        u = unit(int(np.prod(shape)), SEED, "TEST", 1000 + len(self.names), 0)
        value = torch.tensor((centre + reach * (2 * u - 1)).reshape(shape), requires_grad=True)
        self.names.append(name)
        self.tensors.append(value)
        self.rule.append((centre, reach))
        return value

    def gradient(self, i):
        """Of statistics: what is averaged, summed over the rows."""
        name = self.names[i]
        return self.averaged[name] if name in self.averaged else self.tensors[i].grad

    def matrix(self, name, shape, fan_in):
        return self.get(name + ".weight", shape, 0.0, round(1.5 / math.sqrt(fan_in), 3))

    def bias(self, name, n, there=True):
        return self.get(name + ".bias", (n,), 0.1, 0.3) if there else 0.0


def around(x, kernel, zero):
    """x [n, h, w, c] with what windows of this kernel see beyond the edges: the other side, or zeros."""
    before, after = (kernel - 1) // 2, kernel - 1 - (kernel - 1) // 2
    edge = torch.zeros_like if zero else lambda t: t
    x = torch.cat([edge(x[:, x.shape[1] - before :]), x, edge(x[:, :after])], 1)
    return torch.cat([edge(x[:, :, x.shape[2] - before :]), x, edge(x[:, :, :after])], 2)


def conv(w, name, x, channels, kernel=3, stride=1, padding="circular", pad=None, bias=True):
    weight = w.matrix(name, (kernel, kernel, x.shape[3], channels), kernel * kernel * x.shape[3])
    x = (x if pad is not None else around(x, kernel, padding == "zero")).permute(0, 3, 1, 2)
    y = torch.nn.functional.conv2d(x, weight.permute(3, 2, 0, 1).contiguous(), stride=stride, padding=pad or 0)
    return y.permute(0, 2, 3, 1) + w.bias(name, channels, bias)


def deconv(w, name, x, channels, kernel=3, stride=1, padding="circular", pad=None, bias=True):
    n, height, width, inputs = x.shape
    weight = w.matrix(name, (kernel, kernel, channels, inputs), kernel * kernel * inputs / stride**2)
    weight = weight.permute(3, 2, 0, 1).contiguous()
    y = torch.nn.functional.conv_transpose2d(x.permute(0, 3, 1, 2), weight, stride=stride, padding=pad or 0)
    if pad is not None:
        return y.permute(0, 2, 3, 1) + w.bias(name, channels, bias)
    for axis, size in ((2, height * stride), (3, width * stride)):
        to = torch.arange(y.shape[axis]) - (kernel - 1) // 2
        if padding == "zero":  # what hangs over the edges is lost,
            y, to = y.index_select(axis, torch.nonzero((to >= 0) & (to < size))[:, 0]), to[(to >= 0) & (to < size)]
        folded = torch.zeros(*y.shape[:axis], size, *y.shape[axis + 1 :])
        y = folded.index_add(axis, to % size, y)  # or comes in on the other side
    return y.permute(0, 2, 3, 1) + w.bias(name, channels, bias)


def turned_conv(w, name, x, channels, kernel=3, stride=1):
    """Convolution of the group p4. Orientations lie beside each other: [n, h, 4 h, c] is [n, h, h, 4, c]."""
    n, side, turns, c = len(x), x.shape[1], x.shape[2] // x.shape[1], x.shape[3]
    weight = w.matrix(name, (kernel, kernel, turns * c, channels), kernel * kernel * turns * c)
    weight = weight.reshape(kernel, kernel, turns, c, channels)
    x = around(x.reshape(n, side, side, turns * c), kernel, False).permute(0, 3, 1, 2)
    out = []
    for r in range(4):  # the filter turned r times; orientations of the input are counted from its own
        seen = torch.rot90(weight, -r, (0, 1))
        seen = (seen.roll(r, 2) if turns == 4 else seen).reshape(kernel, kernel, turns * c, channels)
        out.append(torch.nn.functional.conv2d(x, seen.permute(3, 2, 0, 1).contiguous(), stride=stride).permute(0, 2, 3, 1))
    y = torch.stack(out, 3)
    return y.reshape(n, side // stride, 4 * (side // stride), channels) + w.bias(name, channels)


def batch_norm(w, name, x, run):
    c, n = x.shape[3], len(x) // run["parts"]
    gamma, beta = w.get(name + ".weight", (c,), 1.0, 0.4), w.bias(name, c)
    mean, var = w.get(name + ".running_mean", (c,), 0.0, 0.5), w.get(name + ".running_var", (c,), 1.0, 0.5)
    w.averaged[name + ".running_mean"] = w.averaged[name + ".running_var"] = torch.zeros(c)
    if not run["training"]:
        return gamma * (x - mean.detach()) / torch.sqrt(var.detach() + 1e-5) + beta
    out = []
    for piece in x.split(n):
        values = piece.reshape(-1, c)
        out.append(gamma * (piece - values.mean(0)) / torch.sqrt(values.var(0, unbiased=False) + 1e-5) + beta)
        w.averaged[name + ".running_mean"] = w.averaged[name + ".running_mean"] + n * values.detach().mean(0)
        w.averaged[name + ".running_var"] = w.averaged[name + ".running_var"] + n * values.detach().var(0)
    return torch.cat(out)


def layer_norm(w, name, x, run):
    c = x.shape[3]
    gamma, beta = w.get(name + ".weight", (c,), 1.0, 0.4), w.bias(name, c)
    return gamma * (x - x.mean(3, True)) / torch.sqrt(x.var(3, False, keepdim=True) + 1e-5) + beta


def dropout(name, x, rate, run):
    if not run["training"]:
        return x
    seed, n = run["seed"] ^ hash64(name), x[0].numel()
    rows = [words(n, seed, "DROPOUT", run["first_row"] + r, run["step"]) for r in range(len(x))]
    return x * torch.tensor(np.array(rows) >= int(rate * 2**32)).reshape(x.shape) / (1 - rate)


def projected(w, name, x, shape):
    """The input of a residual block in the shape of its output."""
    if x.shape[1:] == shape:
        return x
    if x.shape[1:3] == (1, 1) or shape[:2] == (1, 1):
        return dense(w, name, x, shape)
    if x.shape[1] >= shape[0]:
        return conv(w, name, x, shape[2], 1, x.shape[1] // shape[0])
    return deconv(w, name, x, shape[2], shape[0] // x.shape[1], shape[0] // x.shape[1])


def resized(kind, x, size):
    """Pooling or interpolation of x [n, h, w, c]."""
    x = x.permute(0, 3, 1, 2)
    if kind == "maxpool":
        x = torch.nn.functional.max_pool2d(x, size)
    else:
        x = torch.nn.functional.interpolate(x, scale_factor=size, mode="bilinear", align_corners=True)
    return x.permute(0, 2, 3, 1)


def dense(w, name, x, shape, bias=True):
    x = x.reshape(len(x), -1)
    n = int(np.prod(shape))
    return (x @ w.matrix(name, (x.shape[1], n), x.shape[1]) + w.bias(name, n, bias)).reshape(-1, *shape)


def network(w, part, layers, activation, x, run):
    """A list of layers in the words of docs/CONFIG.md; x [n, h, w, c]."""
    kept = []
    for i, text in enumerate(layers):
        kind, *rest = text.split()
        name, window, product = f"{part}.{i}", {}, kind in ("dense", "grid", "conv", "deconv")
        f = activation if product else "none"
        sized = {"grid": 3, "dropout": 1, "maxpool": 1, "upsample": 1}
        sizes = [float(rest.pop(0)) for _ in range(sized.get(kind, int(product)))]
        turned, bias = "p4" in rest, "nobias" not in rest
        rest = [word for word in rest if word not in ("p4", "nobias")]
        while rest:
            word = rest.pop(0)
            if word in ("kernel", "stride", "padding", "pad"):
                window[word] = rest[0] if word == "padding" else int(rest[0])
                rest.pop(0)
            else:
                f = word
        if kind == "dense":
            x = dense(w, name, x, (1, 1, int(sizes[0])), bias)
        elif kind == "grid":
            x = dense(w, name, x, tuple(map(int, sizes)), bias)
        elif turned:
            x = turned_conv(w, name, x, int(sizes[0]), **window)
        elif kind == "mean":
            x = x.mean((1, 2), True)
        elif product:
            x = {"conv": conv, "deconv": deconv}[kind](w, name, x, int(sizes[0]), **window, bias=bias)
        elif kind in ("maxpool", "upsample"):
            x = resized(kind, x, int(sizes[0]))
        elif kind in ("batchnorm", "layernorm"):
            x = {"batchnorm": batch_norm, "layernorm": layer_norm}[kind](w, name, x, run)
        elif kind == "dropout":
            x = dropout(name, x, sizes[0], run)
        elif kind == "skip":
            kept.append(x)
        elif kind == "add":
            x = projected(w, name, kept.pop(), x.shape[1:]) + x
        else:
            sys.exit(f"make_oracle.py: no layer `{kind}`")
        x = ACTIVATIONS[f](x)
    return x


def energy(config, field):
    """Per site, of planar vectors [n, L, L, 2]: -J sum over bonds."""
    bonds = (field * (field.roll(-1, 1) + field.roll(-1, 2))).sum((1, 2, 3))
    return -config["xy"].get("J", 1.0) * bonds / (field.shape[1] * field.shape[2])


def field_for_energy(model, mode, run, u, spread):
    """The planar vectors whose energy enters the loss."""
    n, size = len(u), u.shape[1]
    if mode == "mean":
        return u
    if mode == "expected":
        if model["likelihood"] == "gaussian":
            return u * torch.exp(-torch.exp(spread) / 2)[..., None]
        kappa = torch.exp(-spread)
        return u * (torch.special.i1e(kappa) / torch.special.i0e(kappa))[..., None]
    assert model["likelihood"] == "gaussian"  # the other is drawn by rejection, of which there is no derivative
    eps = [normal(size * size, run["seed"], "OUTPUT", run["first_row"] + r, run["step"]) for r in range(n)]
    turn = torch.tensor(np.array(eps)).reshape(n, size, size) * torch.exp(spread / 2)
    c, s = torch.cos(turn), torch.sin(turn)
    return torch.stack([c * u[..., 0] - s * u[..., 1], s * u[..., 0] + c * u[..., 1]], -1)


def forward(config, run, w):
    """The terms of every row."""
    model, objective, size = config["model"], config["objective"], config["xy"]["L"]
    n, sites, latent = run["rows"], size * size, model["latent"]
    angles = np.array([unit(1, SEED, "TEST", i, 0)[0] for i in range(n * sites)])
    x = (np.pi * (2 * angles - 1)).astype(np.float32).astype(np.float64).reshape(n, size, size)
    if model.get("align"):
        x = x - np.arctan2(np.sin(x).sum((1, 2)), np.cos(x).sum((1, 2)))[:, None, None]
        x = (x + np.pi) % (2 * np.pi) - np.pi
    x = torch.tensor(x)
    vectors = torch.stack([torch.cos(x), torch.sin(x)], -1)
    cossin, learned = model["encoding"] == "cossin", model["spread"] == "learned"
    h = network(w, "encoder", model["encoder"], model["activation"], vectors if cossin else x[..., None] / np.pi, run)
    mu = dense(w, "mu", h, (latent,))
    logvar = dense(w, "logvar", h, (latent,))
    eps = np.array([normal(latent, run["seed"], "LATENT", run["first_row"] + r, run["step"]) for r in range(n)])
    z = mu + torch.exp(logvar / 2) * torch.tensor(eps)
    h = network(w, "decoder", model["decoder"], model["activation"], z.reshape(n, 1, 1, latent), run)
    channels = (2 if cossin else 1) + learned
    if h.shape[1:3] == (size, size) and size >= 3:
        raw = conv(w, "output", h, channels)
    elif 1 < h.shape[1] < size and size % h.shape[1] == 0:
        raw = deconv(w, "output", h, channels, 2 * (size // h.shape[1]) - 1, size // h.shape[1])
    else:
        raw = dense(w, "output", h, (size, size, channels))
    if cossin:
        u = raw[..., :2] / torch.sqrt((raw[..., :2] ** 2).sum(-1, keepdim=True) + 1e-8)
    else:
        u = torch.stack([torch.cos(np.pi * raw[..., 0]), torch.sin(np.pi * raw[..., 0])], -1)
    spread = -4 + 8 * torch.tanh((raw[..., -1] + 4) / 8) if learned else torch.full_like(x, 2 * math.log(model["sigma"]))
    c = vectors[..., 0] * u[..., 0] + vectors[..., 1] * u[..., 1]
    if model["likelihood"] == "gaussian":
        d = torch.atan2(vectors[..., 1] * u[..., 0] - vectors[..., 0] * u[..., 1], c)
        nll = (d * d * torch.exp(-spread) + spread + math.log(2 * math.pi)) / 2
    else:
        kappa = torch.exp(-spread)
        far = ((vectors - u) ** 2).sum(-1) / 2  # 1 - cos of the residual, as |u| = 1 within 1e-8
        nll = math.log(2 * math.pi) + torch.log(torch.special.i0e(kappa)) + kappa * far
    field = field_for_energy(model, objective["energy_mode"], run, u, spread)
    difference = energy(config, vectors) - energy(config, field)
    kl = (torch.exp(logvar) + mu * mu - 1 - logvar) / 2
    terms = {"nll": nll.sum((1, 2)), "kl": kl.sum(1), "energy": sites * difference**2}
    if objective.get("free_bits"):
        terms["free_bits"] = torch.relu(objective["free_bits"] - kl).sum(1)
    return terms


def run_case(config, run):
    """The text of a file."""
    w = Weights()
    term = forward(config, run, w)
    sum(run["weights"][key] * value.sum() for key, value in term.items()).backward()
    head = f"torch {torch.__version__}, numpy {np.__version__}, yaml {yaml.__version__}, Python {platform.python_version()}"
    lines = [f"# Written by tests/oracle/make_oracle.py with {head}. Do not edit."]
    lines += ["config"] + yaml.safe_dump(config, default_flow_style=None, sort_keys=False, width=200).splitlines() + ["end"]
    lines.append("pass " + " ".join(f"{run[k]:d}" for k in ("rows", "parts", "seed", "step", "first_row", "training")))
    for key, value in term.items():
        lines.append(f"term {key} {run['weights'][key]} " + " ".join(f"{v:.14g}" for v in value.tolist()))
    for i, (tensor, value, (centre, reach)) in enumerate(zip(w.names, w.tensors, w.rule)):
        shape = " ".join(map(str, value.shape))
        lines.append(f"tensor {tensor} {value.dim()} {shape} {centre} {reach}")
        lines.append(" ".join(f"{g:.13g}" for g in w.gradient(i).reshape(-1).tolist()))
    return "\n".join(lines) + "\n"


# Small models, so that the files are small; odd numbers, so that no two sizes are confused.
DENSE = {"encoder": ["dense 6", "dense 5 tanh"], "decoder": ["dense 4 softplus", "dense 7 elu"]}
CONV = {
    "encoder": ["conv 3 stride 2", "conv 4 kernel 2", "dense 5"],
    "decoder": ["dense 6 tanh", "grid 2 2 3", "deconv 4 kernel 4 stride 2", "conv 3 relu"],
}
DECONV = {
    "encoder": ["conv 2 kernel 4 stride 2", "deconv 3 kernel 3 stride 2", "conv 2 stride 2 relu"],
    "decoder": ["grid 1 1 4", "deconv 5 kernel 2 stride 2", "deconv 3 stride 2"],
}


RUN = {"rows": 4, "parts": 1, "seed": 77, "step": 5, "first_row": 9, "training": 1,
       "weights": {"nll": 0.9, "kl": 1.7, "energy": 0.6, "free_bits": 1.3}}


def case(layers, activation, likelihood="gaussian", spread="learned", mode="mean", encoding="cossin", free_bits=0, align=False, **run):
    """A config, and what of RUN is another."""
    model = {"encoding": encoding, **layers, "activation": activation, "latent": 2, "likelihood": likelihood,
             "spread": spread, "sigma": 0.6, "align": align}
    objective = {"energy_weight": 1, "energy_mode": mode, "free_bits": free_bits}
    return {"xy": {"L": 4, "J": 1.3}, "model": model, "objective": objective}, {**RUN, **run}


RESIDUAL = {
    "encoder": ["conv 3 padding zero none", "skip", "conv 3 none", "layernorm gelu", "conv 4 stride 2", "add", "dense 5 gelu"],
    "decoder": ["dense 4", "skip", "grid 2 2 3", "layernorm", "add", "skip", "deconv 3 kernel 4 stride 2 padding zero", "add relu"],
}
BATCHNORM = {
    "encoder": ["conv 3 stride 2 none", "batchnorm elu", "skip", "conv 3 kernel 2", "batchnorm", "add relu", "dense 5 none", "batchnorm"],
    "decoder": ["dense 6", "batchnorm tanh", "grid 2 2 3", "deconv 2 stride 2 none", "batchnorm elu"],
}
DROPOUT = {
    "encoder": ["dropout 0.1", "conv 3 stride 2", "dropout 0.3", "dense 6", "dropout 0.5"],
    "decoder": ["dense 7", "dropout 0.25", "grid 2 2 3", "dropout 0.4"],
}
P4 = {
    "encoder": ["conv 2 p4", "layernorm", "conv 3 stride 2 p4 none", "dropout 0.2", "mean", "dense 4"],
    "decoder": ["dense 5", "grid 2 2 3"],
}
IMAGE = {
    "encoder": ["conv 3 kernel 2 pad 2 leaky_relu", "maxpool 2", "conv 4 stride 2 pad 1 nobias sigmoid", "dense 5 nobias"],
    "decoder": ["dense 4 sigmoid", "deconv 3 pad 0", "upsample 2", "deconv 2 kernel 4 stride 2 pad 3 nobias", "maxpool 2"],
}

CASES = {
    "dense": case(DENSE, "elu", mode="mean", free_bits=0.3),
    "dense_angle": case(DENSE, "softplus", spread="fixed", mode="sample", encoding="angle", align=True),
    "dense_von_mises": case(DENSE, "tanh", "von_mises", mode="expected"),
    "conv": case(CONV, "elu", mode="sample"),
    "conv_von_mises": case(CONV, "softplus", "von_mises", spread="fixed", encoding="angle", mode="expected"),
    "deconv": case(DECONV, "relu", mode="expected"),
    "residual": case(RESIDUAL, "softplus"),
    "batchnorm": case(BATCHNORM, "tanh"),
    "batchnorm_parts": case(BATCHNORM, "tanh", rows=12, parts=4),
    "batchnorm_learned": case(BATCHNORM, "tanh", training=0),
    "dropout": case(DROPOUT, "elu"),
    "p4": case(P4, "gelu", "von_mises"),
    "image": case(IMAGE, "leaky_relu"),
}
def numbers(text):
    out = []
    for word in text.split():
        try:
            out.append(float(word))
        except ValueError:
            continue
    return np.array(out)


def check(path, text):
    with open(path) as stored:
        old, new = stored.read().split("\n", 1)[1], text.split("\n", 1)[1]
    a, b = numbers(old), numbers(new)
    worst = np.abs(a - b).max() / np.abs(b).max() if a.shape == b.shape else math.inf
    print(f"{os.path.basename(path)}: largest difference {worst:.1e} of the largest number")
    return worst < 1e-12


def main():
    paths, good = [], True
    for name, (config, run) in CASES.items():
        path, text = f"{HERE}/{name}.txt", run_case(config, run)
        paths.append(path)
        if "--check" in sys.argv[1:]:
            good &= check(path, text)
        else:
            with open(path, "w") as out:
                out.write(text)
    for path in sorted(set(glob.glob(f"{HERE}/*.txt")) - set(paths)):
        print(f"{os.path.basename(path)}: no longer made by this script", file=sys.stderr)
        good = False
    sys.exit(not good)


if __name__ == "__main__":
    main()
