"""The encoder and decoder of a best.h5 of greybox-train, rebuilt in numpy. Needs h5py and PyYAML.

    from read_model import Model
    model = Model("runs/hg/best.h5")
    mu, logvar = model.encode(theta)      # theta [y, x] in radians
    direction, sigma = model.decode(mu)   # angles [y, x], and the standard deviation of the noise about them

As a program: read_model.py best.h5 dataset.h5 prints the mean KL term over the validation split.
Layers are dense, grid, conv and deconv with periodic padding; others (blocks, norms) are refused.
"""
import sys, h5py, yaml, numpy as np

ACTIVATION = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(x, 0),
}


def conv(x, w, stride):  # x [y, x, in], w [kernel, kernel, in, out]
    h = (len(w) - 1) // 2
    return sum(np.roll(x, (h - i, h - j), (0, 1))[::stride, ::stride] @ w[i, j]
               for i in range(len(w)) for j in range(len(w)))


def deconv(x, w, stride):  # its transpose: x [y, x, in], w [kernel, kernel, out, in]
    h = (len(w) - 1) // 2
    wide = np.zeros((x.shape[0] * stride, x.shape[1] * stride, x.shape[2]))
    wide[::stride, ::stride] = x
    return sum(np.roll(wide @ w[i, j].T, (i - h, j - h), (0, 1)) for i in range(len(w)) for j in range(len(w)))


class Model:
    def __init__(self, path):
        with h5py.File(path) as f:
            self.config = yaml.safe_load(f["config"][()])
            self.w = {name: f["weights"][name][()].astype(float) for name in f["weights"]}
        self.model, self.L = self.config["model"], self.config[self.config["run"]["physics"]]["L"]

    def layer(self, name, text, x):
        kind, *words = text.split()
        w, b = self.w[name + ".weight"], self.w[name + ".bias"]
        sizes = [int(v) for v in words if v.isdigit()]
        options = dict(zip(words, words[1:]))
        activation = next((v for v in words if v in ACTIVATION), self.model["activation"])
        known = {"kernel", "stride", *ACTIVATION}
        if kind not in ("dense", "grid", "conv", "deconv") or any(not v.isdigit() and v not in known for v in words):
            raise NotImplementedError(text)
        if kind in ("dense", "grid"):
            y = x.reshape(-1) @ w + b
            y = y.reshape(sizes) if kind == "grid" else y
        else:
            y = (conv if kind == "conv" else deconv)(x, w, int(options.get("stride", 1))) + b
        return ACTIVATION[activation](y)

    def network(self, part, x):
        for i, text in enumerate(self.model[part]):
            x = self.layer(f"{part}.{i}", text, x)
        return x

    def head(self, name, x):  # a convolution if the last layer is on the lattice
        kind = "conv 0 none" if self.w[name + ".weight"].ndim == 4 else "dense 0 none"
        return self.layer(name, kind, x)

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
