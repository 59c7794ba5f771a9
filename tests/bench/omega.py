"""Which omega a norm of what is not known would ask for, were the data explained without an error. Needs h5py.

Usage: omega.py DATASET.h5      of configs/pendulum.yaml

The unknown force F(t) = theta'' + w^2 sin theta depends on the w that is chosen; along the true solutions of the test rows, this
finds the w that makes F, its integral (a velocity) or its second integral (an angle) least in the mean square, and the w
of the undamped, unforced pendulum that is nearest in the angles: what regularizer.reduced_model compares with."""
import sys, h5py, numpy as np

FRAMES, FINE, DT = 50, 40, 0.05
BOX = 0.392, 3.53  # pendulum.omega_box


def solve(rate, theta, fine):
    """theta'' = rate(t, theta, theta') from rest by classical Runge-Kutta steps: theta and theta', [step, row]"""
    h, u = DT / fine, np.stack([theta, 0 * theta])
    f = lambda t, u: np.stack([u[1], rate(t, u[0], u[1])])
    out = [u]
    for t in h * np.arange((FRAMES - 1) * fine):
        a = f(t, u)
        b = f(t + h / 2, u + h / 2 * a)
        c = f(t + h / 2, u + h / 2 * b)
        u = u + h / 6 * (a + 2 * b + 2 * c + f(t + h, u + h * c))
        out.append(u)
    return np.moveaxis(np.array(out), 1, 0)


def integral(y):
    return np.vstack([0 * y[:1], np.cumsum((y[1:] + y[:-1]) / 2 * DT / FINE, 0)])


def least(y, x):
    """w where the mean square of y + w^2 x is least"""
    return np.sqrt(np.maximum(-(y * x).sum(0) / (x * x).sum(0), 0))


with h5py.File(sys.argv[1]) as f:
    test = f["split"][:] == 2
    w, b, start, A, freq = (f["truth"][k][:][test] for k in ("omega", "damping", "initial_angle", "amplitude", "forcing_frequency"))

t = DT / FINE * np.arange((FRAMES - 1) * FINE + 1)[:, None]
theta, v = solve(lambda t, q, v: A * w * w * np.cos(2 * np.pi * freq * t) - b * v - w * w * np.sin(q), start, FINE)
s, force = np.sin(theta), A * w * w * np.cos(2 * np.pi * freq * t)
acceleration = force - b * v - w * w * s

grid, frames = np.linspace(*BOX, 400), theta[::FINE]
miss = [((solve(lambda t, q, v: -g * g * np.sin(q), start, 4)[0][::4] - frames) ** 2).sum(0) for g in grid]
found = {
    "force": least(acceleration, s),
    "force, were there damping only": least(acceleration - force, s),
    "its integral": least(v, integral(s)),
    "its second integral": least(theta - start, integral(integral(s))),
    "distance of angles": grid[np.argmin(miss, 0)],
}
for name, x in found.items():
    x = np.clip(x, *BOX)
    print(f"{name:32s} MAE {abs(x - w).mean():.3f}, bias {(x - w).mean():+.3f}, correlation {np.corrcoef(x, w)[0, 1]:.3f}")
