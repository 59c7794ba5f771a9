"""Read a data set of greybox-generate: e(T) from the configurations, beside what the program stored. Needs h5py."""
import sys, h5py, numpy as np

with h5py.File(sys.argv[1]) as f:
    theta = f["configurations"]  # [temperature, chain, sample, y, x], radians or 16-bit codes
    for t, T in enumerate(f["temperature"]):
        x = theta[t].astype(float)
        if theta.dtype == np.uint16:  # 16-bit codes: middles of cells of the circle
            x = (x + 0.5) * (2 * np.pi / 65536) - np.pi
        bonds = sum(np.cos(x - np.roll(x, -1, axis)).sum() for axis in (-1, -2))
        e, error = f["summary/energy"][t]
        print(f"T = {T:<8g} e = {-bonds / x.size:.8f}   stored: {e:.8f} +- {error:.8f}")
