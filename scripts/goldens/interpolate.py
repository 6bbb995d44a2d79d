"""Records torch's interpolation of small arrays: python interpolate.py > src/image/goldens/interpolate.json

Needs torch.
"""

import json

import torch
import torch.nn.functional as F

MODES = {
    "nearest": ("nearest", False),
    "nearest-exact": ("nearest-exact", False),
    "bilinear": ("bilinear", False),
    "bilinear-antialias": ("bilinear", True),
    "bicubic": ("bicubic", False),
    "bicubic-antialias": ("bicubic", True),
}
SIZES = [((6, 9), (12, 18)), ((7, 5), (11, 13)), ((10, 12), (4, 7)), ((3, 8), (8, 3)), ((1, 4), (3, 9))]

generator = torch.Generator().manual_seed(21)
cases = []
for name, (mode, antialias) in MODES.items():
    for size, new_size in SIZES:
        x = torch.randn(1, 2, *size, generator=generator)
        y = F.interpolate(x, size=new_size, mode=mode, antialias=antialias)
        cases.append(
            {
                "mode": name,
                "shape": list(x.shape),
                "size": list(new_size),
                "source": [float(f"{v:.8g}") for v in x.flatten().tolist()],
                "expected": [float(f"{v:.8g}") for v in y.flatten().tolist()],
            }
        )
print(json.dumps({"torch": torch.__version__, "cases": cases}))
