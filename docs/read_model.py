"""The encoder and decoder of a best.h5 of greybox-train, rebuilt in numpy. Needs h5py and PyYAML.

    from read_model import Model
    model = Model("runs/hg/best.h5")
    mu, logvar = model.encode(theta)      # theta [y, x] in radians
    direction, sigma = model.decode(mu)   # angles [y, x], and the standard deviation of the noise about them

As a program: read_model.py best.h5 dataset.h5 prints the mean KL term over the validation split.
All layers of the table in docs/CONFIG.md, as they are after training: no dropout, norms by running statistics.
"""
import math, sys, h5py, yaml, numpy as np

ACTIVATION = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.2 * x, x),
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, 0),
}


def seen(x, dy, dx, zero):  # x [y + dy, x + dx, channels] of the periodic lattice, or 0 beyond its edges
    m = max(abs(dy), abs(dx)) if zero else 0
    wide = np.pad(x, [(m, m), (m, m)] + [(0, 0)] * (x.ndim - 2))
    return np.roll(wide, (-dy, -dx), (0, 1))[m : m + x.shape[0], m : m + x.shape[1]]


def window(w):  # elements of a kernel, and where they are from its middle
    h = (len(w) - 1) // 2
    return [(w[i, j], i - h, j - h) for i in range(len(w)) for j in range(len(w))]


def conv(x, w, stride, zero):  # x [y, x, in], w [kernel, kernel, in, out]
    return sum(seen(x, dy, dx, zero)[::stride, ::stride] @ k for k, dy, dx in window(w))


def deconv(x, w, stride, zero):  # its transpose: x [y, x, in], w [kernel, kernel, out, in]
    wide = np.zeros((x.shape[0] * stride, x.shape[1] * stride, x.shape[2]))
    wide[::stride, ::stride] = x
    return sum(seen(wide @ k.T, -dy, -dx, zero) for k, dy, dx in window(w))


def conv_padded(x, w, stride, pad):  # zeros around x, then nothing but windows that fit
    x, k = np.pad(x, [(pad, pad), (pad, pad), (0, 0)]), len(w)
    h, w_out = ((n - k) // stride + 1 for n in x.shape[:2])
    ends = ((h - 1) * stride + 1, (w_out - 1) * stride + 1)
    return sum(x[i : i + ends[0] : stride, j : j + ends[1] : stride] @ w[i, j] for i in range(k) for j in range(k))


def deconv_padded(x, w, stride, pad):
    k, (h, w_in) = len(w), x.shape[:2]
    y = np.zeros(((h - 1) * stride + k, (w_in - 1) * stride + k, w.shape[2]))
    for i in range(k):
        for j in range(k):
            y[i : i + (h - 1) * stride + 1 : stride, j : j + (w_in - 1) * stride + 1 : stride] += x @ w[i, j].T
    return y[pad : len(y) - pad, pad : y.shape[1] - pad]


def maxpool(x, s):
    h, w = x.shape[0] // s, x.shape[1] // s
    return x[: h * s, : w * s].reshape(h, s, w, s, -1).max((1, 3))


def upsample(x, s):  # one axis after the other: corners keep their places
    for axis in (0, 1):
        n = x.shape[axis]
        at = np.linspace(0, n - 1, n * s)
        first = np.minimum(at.astype(int), max(n - 2, 0))
        share = (at - first).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        x = (1 - share) * x.take(first, axis) + share * x.take(np.minimum(first + 1, n - 1), axis)
    return x


def conv_p4(x, w, stride):  # x [y, x, in] or [y, x, 4, in]: the kernel turned four times, orientations counted from it
    out = []
    for turn in range(4):
        y = 0
        for k, dy, dx in window(w):
            for _ in range(turn):
                dy, dx = dx, -dy
            z = seen(x, dy, dx, False)[::stride, ::stride]
            z = z if z.ndim == 3 else np.roll(z, -turn, 2).reshape(*z.shape[:2], -1)
            y = y + z @ k
        out.append(y)
    return np.stack(out, 2)


class Model:
    def __init__(self, path):
        with h5py.File(path) as f:
            self.config = yaml.safe_load(f["config"][()])
            self.w = {name: f["weights"][name][()].astype(float) for name in f["weights"]}
        self.model, self.L = self.config["model"], self.config[self.config["run"]["physics"]]["L"]

    def linear(self, name, x, stride, zero=False, p4=False, up=False, pad=None):
        w, b = self.w[name + ".weight"], self.w.get(name + ".bias", 0)
        if w.ndim == 2:
            return x.reshape(-1) @ w + b
        x = x if x.ndim > 1 else x.reshape(1, 1, -1)
        if pad is not None:
            return (deconv_padded if up else conv_padded)(x, w, stride, pad) + b
        return (deconv(x, w, stride, zero) if up else conv_p4(x, w, stride) if p4 else conv(x, w, stride, zero)) + b

    def norm(self, name, x, mean, variance):
        return (x - mean) / np.sqrt(variance + 1e-5) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def to_shape(self, name, x, like):  # what an `add` makes of what its `skip` remembers
        if x.shape == like.shape:
            return x
        n, m = (v.shape[0] if v.ndim > 1 else 1 for v in (x, like))
        return self.linear(name, x, max(n // m, m // n), p4=like.ndim == 4, up=m > n).reshape(like.shape)

    def layer(self, name, text, x, skipped):
        kind, *words = text.split()
        options = dict(zip(words, words[1:]))
        stride, zero = int(options.get("stride", 1)), options.get("padding") == "zero"
        standard = self.model["activation"] if kind in ("dense", "grid", "conv", "deconv") else "none"
        if kind == "skip":
            skipped.append(x)
        elif kind == "add":
            x = self.to_shape(name, skipped.pop(), x) + x
        elif kind == "mean":
            x = x.reshape(-1, x.shape[-1]).mean(0)
        elif kind in ("maxpool", "upsample"):
            x = x if x.ndim > 1 else x.reshape(1, 1, -1)
            x = {"maxpool": maxpool, "upsample": upsample}[kind](x, int(words[0]))
        elif kind == "batchnorm":
            x = self.norm(name, x, self.w[name + ".running_mean"], self.w[name + ".running_var"])
        elif kind == "layernorm":
            x = self.norm(name, x, x.mean(-1, keepdims=True), x.var(-1, keepdims=True))
        elif kind != "dropout":
            pad = int(options["pad"]) if "pad" in words else None
            x = self.linear(name, x, stride, zero, "p4" in words, kind == "deconv", pad)
            x = x.reshape([int(v) for v in words[:3]]) if kind == "grid" else x
        return ACTIVATION[next((v for v in words if v in ACTIVATION), standard)](x)

    def network(self, part, x):
        skipped = []
        for i, text in enumerate(self.model[part]):
            x = self.layer(f"{part}.{i}", text, x, skipped)
        return x

    def head(self, name, x):  # on a lattice a convolution, on a coarser one a transposed one
        stride = self.L // x.shape[0]
        return self.linear(name, x, stride, up=stride > 1)

    def encode(self, theta):
        vector = np.stack([np.cos(theta), np.sin(theta)], -1)
        if self.model["align"]:  # the frame in which the magnetisation points along x
            m = vector.sum((0, 1))
            theta = theta - np.arctan2(m[1], m[0])
            vector = np.stack([np.cos(theta), np.sin(theta)], -1)
        wrapped = np.arctan2(vector[..., 1], vector[..., 0])[..., None] / np.pi
        h = self.network("encoder", vector if self.model["encoding"] == "cossin" else wrapped)
        return self.head("mu", h), self.head("logvar", h)

    def decode(self, z):
        raw = self.head("output", self.network("decoder", np.asarray(z, float))).reshape(self.L, self.L, -1)
        vector = self.model["encoding"] == "cossin"
        angle = np.arctan2(raw[..., 1], raw[..., 0]) if vector else np.pi * raw[..., 0]
        sigma = np.full(angle.shape, float(self.model["sigma"]))
        if self.model["spread"] == "learned":  # ln sigma^2, bent into (-12, 4)
            sigma = np.exp((-4 + 8 * np.tanh((raw[..., -1] + 4) / 8)) / 2)
        return angle, sigma


if __name__ == "__main__":
    model = Model(sys.argv[1])
    with h5py.File(sys.argv[2]) as f:
        theta, split = f["configurations"], f["split"][()]
        kl = []
        for t, c, s in np.argwhere(split == 1):
            mu, logvar = model.encode(theta[t, c, s].astype(float))
            kl.append((np.exp(logvar) + mu**2 - 1 - logvar).sum() / 2)
    print(f"{np.mean(kl):.8f}")
