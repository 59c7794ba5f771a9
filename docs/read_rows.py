"""Read independent rows or images of greybox-generate: the truth, beside what is observed of it. Needs h5py."""
import sys, h5py, numpy as np

with h5py.File(sys.argv[1]) as f:
    if "images" in f:  # [row, y, x, channel], bytes of which 255 stands for 1
        x = f["images"][:] / 255.0
    else:  # [row, and the axes of a sample]
        x = f["observables"][:].astype(float)
    test = f["split"][:] == 2  # 0: training, 1: validation
    print(f"{len(x)} rows of {x.shape[1:]}, {test.sum()} for the test; mean {x.mean():.6f}, from {x.min():g} to {x.max():g}")
    for name, t in f["truth"].items():  # [row]
        print(f"{name:<20s} {t[:].min():.6g} ... {t[:].max():.6g} {t.attrs['unit']}: {t.attrs['doc']}")
