"""Weights that are a function of their names, so that goldens keep results only: test/models/numbered.ts in Python."""

import numpy as np
import torch


def numbers(name, shape):
    """Uniform in [-1, 1): a hash of the name and the position (FNV-1a, then the finaliser of MurmurHash3)."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    h = np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
    h = (h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    h = (h ^ h >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return (h / 2**31 - 1).astype(np.float32).reshape(shape)


def weight(name, shape):
    """Numbers that keep activations near one: norms about 1, biases small, the rest by their fan-in."""
    u = numbers(name, shape)
    if len(shape) == 1:
        return torch.from_numpy(0.2 * u + (0 if name.endswith("bias") else 1))
    return torch.from_numpy(u * np.float32((3 / np.prod(shape[1:])) ** 0.5))
