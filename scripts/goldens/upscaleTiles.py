"""Records how stable-diffusion-webui cuts a picture for an upscaler and joins the results.

    python scripts/goldens/upscaleTiles.py <a checkout of the web UI 1.10.1> src/models/goldens/upscaleTiles.safetensors

Written with torch 2.15.0 and Pillow. The functions are taken out of their modules and run as they are, with a model
that doubles a tile and adds a slope across it, so that every seam shows. The picture is a function of the position;
the tensors are `WxH size overlap` [2H, 2W, 3].
"""

import ast
import collections
import contextlib
import logging
import math
import pathlib
import sys
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file


def functions(path, names, namespace):
    tree = ast.parse(path.read_text())
    nodes = [node for node in tree.body if getattr(node, "name", None) in names]
    nodes += [n for n in tree.body if isinstance(n, ast.Assign) and any(getattr(t, "id", None) in names for t in n.targets)]
    for node in nodes:
        if isinstance(node, ast.FunctionDef):  # annotations name modules that are not here
            node.returns = None
            for argument in [*node.args.args, *node.args.kwonlyargs]:
                argument.annotation = None
    exec(compile(ast.Module(nodes, []), str(path), "exec"), namespace)
    return SimpleNamespace(**{name: namespace[name] for name in names})


class Progress:
    def __init__(self, *_, **__):
        self.desc = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def update(self, *_):
        return None


def main(checkout, target):
    modules = pathlib.Path(checkout) / "modules"
    common = {"np": np, "math": math, "Image": Image, "torch": torch, "namedtuple": collections.namedtuple}
    images = functions(modules / "images.py", ["Grid", "split_grid", "combine_grid"], dict(common))
    upscaling = functions(
        modules / "upscaler_utils.py",
        ["pil_image_to_torch_bgr", "torch_bgr_to_pil_image", "upscale_pil_patch", "upscale_with_model"],
        common
        | {
            "images": images,
            "logger": logging.getLogger("upscaler"),
            "tqdm": SimpleNamespace(tqdm=Progress),
            "shared": SimpleNamespace(state=SimpleNamespace(interrupted=False), opts=SimpleNamespace(enable_upscale_progressbar=False)),
            "torch_utils": SimpleNamespace(get_param=lambda model: torch.zeros(1)),
            "devices": SimpleNamespace(torch_gc=lambda: None, without_autocast=contextlib.nullcontext),
        },
    )

    def model(x):
        larger = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        height, width = larger.shape[2:]
        slope = torch.arange(width) / width + torch.arange(height)[:, None] / height
        return larger * 0.6 + slope * torch.tensor([0.2, 0.1, 0.05])[:, None, None]

    tensors = {}
    for width, height, size, overlap in [(60, 41, 32, 8), (100, 33, 32, 5), (20, 50, 32, 8), (32, 32, 32, 8), (40, 30, 0, 8)]:
        y, x, c = np.mgrid[0:height, 0:width, 0:3]
        picture = Image.fromarray(((x * 7 + y * 13 + c * 50 + x * y) % 256).astype(np.uint8))
        result = upscaling.upscale_with_model(model, picture, tile_size=size, tile_overlap=overlap)
        tensors[f"{width}x{height} {size} {overlap}"] = torch.from_numpy(np.array(result))
    save_file(tensors, target)


main(*sys.argv[1:])
