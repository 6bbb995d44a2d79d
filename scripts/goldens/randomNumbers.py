"""Numbers of PyTorch's CPU generator and of NumPy's SeedSequence.

Run with torch and numpy (made with 2.15.0 and 1.26.4) from the root of the repository: python scripts/goldens/randomNumbers.py
Writes src/tensor/goldens/random.json. Seeds are strings, as JSON's numbers end at 2^53.
"""

import json
import pathlib

import numpy as np
import torch


def normals(seed, sizes):
    """Tensors drawn one after the other: the first and the last four numbers of each."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(size, generator=generator).double().tolist() for size in sizes]
    return {"seed": str(seed), "sizes": sizes, "ends": [[values[:4], values[-4:]] for values in drawn]}


def integer(seed):
    generator = torch.Generator().manual_seed(seed)
    return {"seed": str(seed), "value": str(torch.randint(0, 2**63 - 1, [], generator=generator).item())}


def first_word(entropy, path):
    sequence = np.random.SeedSequence(entropy=entropy, spawn_key=path, pool_size=24)
    return {"entropy": str(entropy), "path": path, "word": int(sequence.generate_state(4)[0])}


seeds = [0, 42, 1234, 2**32 - 1, 2**32 + 5, 987654321012, 2**63 - 1, -1]
sizes = [16, 256, 4 * 9 * 11, 17, 5, 3, 8, 4096, 15, 16]
paths = [(), (0, 0), (1, 1), (3, 2), (2**24 - 1, 24), (2**33 + 7, 34)]
entropies = [0, 42, 2**32, 2**40 + 7, 2**63 - 2, 2**800 + 3]

out = pathlib.Path("src/tensor/goldens")
out.mkdir(parents=True, exist_ok=True)
(out / "random.json").write_text(
    json.dumps(
        {
            "normals": [normals(seed, sizes) for seed in seeds],
            "integers": [integer(seed) for seed in seeds],
            "seedSequences": [first_word(entropy, path) for entropy in entropies for path in paths],
        },
        indent=1,
    )
    + "\n"
)
