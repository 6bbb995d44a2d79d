"""Increments of torchsde's Brownian trees.

Run with torch and torchsde (made with 2.15.0 and 0.2.6) from the root of the repository: python scripts/goldens/brownian.py
Writes src/diffusion/goldens/brownian.json: {trees: [{start, end, entropy, shape, increments: [{from, to, values}]}]},
values being the first four numbers.
"""

import json
import pathlib

import torch
import torchsde


def record(start, end, entropy, shape, queries):
    tree = torchsde.BrownianTree(start, torch.zeros(shape), end, entropy=entropy)
    increments = [
        {"from": a, "to": b, "values": tree(a, b).flatten()[:4].double().tolist()} for a, b in queries
    ]
    return {"start": start, "end": end, "entropy": str(entropy), "shape": shape, "increments": increments}


low, high = 0.029167158529162407, 14.614641189575195
trees = [
    record(
        low, high, 42, [4, 8, 8],
        [(10.0, 14.0), (low, high), (7.3219, 7.32191), (0.0292, 0.0293), (3.14159265, 9.000001), (14.6, high)],
    ),
    # 5.05 is the first middle; the ends of a step; a tie of the grid of 10⁻⁶.
    record(0.1, 10.0, 1234, [16], [(0.1, 5.05), (0.100001, 0.100003), (9.999999, 10.0), (1.0078125, 1.5)]),
    record(low, 4518.7275390625, 2**63 - 3, [4, 5, 5], [(100.0, 4000.0), (0.5, 0.75), (2500.123456, 2500.123457)]),
    record(low, high, 987654321012, [4, 16, 16], [(i / 2 + 0.1, i / 2 + 0.6) for i in reversed(range(28))]),
]

out = pathlib.Path("src/diffusion/goldens")
out.mkdir(parents=True, exist_ok=True)
(out / "brownian.json").write_text(json.dumps({"trees": trees}, indent=1) + "\n")
