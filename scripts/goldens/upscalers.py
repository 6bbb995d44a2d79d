"""Records upscalers of the ESRGAN family, as spandrel runs them, and TAESD's decoder, as diffusers runs it.

    python scripts/goldens/upscalers.py src/models/goldens/upscalers.safetensors

Written with spandrel 0.4.2, diffusers 0.42.1, torch 2.15.0 (CPU, float32). Weights and inputs are functions of their
names (numbered.py). The metadata `cases` has the names and shapes of each case's weights as a model file would have
them; the tensors are `case`, what the network makes of `case input` as numbered.py gives it.
"""

import json
import sys

import torch
from diffusers import AutoencoderTiny
from numbered import numbers, weight
from safetensors.torch import save_file
from spandrel import ModelLoader

tensors, cases = {}, {}


def record(case, input_shape, output, shapes, **facts):
    tensors[case] = output.contiguous()
    cases[case] = {"input": input_shape, "weights": {name: list(shape) for name, shape in shapes.items()}, **facts}
    print(case, list(output.shape), float(output.std()))


def conv(name, out, inputs, kernel=3):
    return {f"{name}.weight": (out, inputs, kernel, kernel), f"{name}.bias": (out,)}


def rrdb(style, ups, inputs=3, features=8, blocks=2, is_plus=False):
    """Names and shapes of an RRDB network; spandrel takes 32 channels of growth for granted."""
    growth = 32
    shapes = conv(style["first"], features, inputs) | conv(style["trunk"](blocks), features, features)
    for i in range(blocks):
        for j in (1, 2, 3):
            for k in range(1, 6):
                out = features if k == 5 else growth
                shapes |= conv(style["dense"](i, j, k), out, features + (k - 1) * growth)
            if is_plus:
                shapes[f"model.1.sub.{i}.RDB{j}.conv1x1.weight"] = (growth, features, 1, 1)
    hr, last = style["ends"](ups)
    for name in [*style["ups"](ups), hr]:
        shapes |= conv(name, features, features)
    return shapes | conv(last, 3, features)


old = {
    "first": "model.0",
    "dense": lambda i, j, k: f"model.1.sub.{i}.RDB{j}.conv{k}.0",
    "trunk": lambda n: f"model.1.sub.{n}",
    "ups": lambda n: [f"model.{3 + 3 * i}" for i in range(n)],
    "ends": lambda n: (f"model.{2 + 3 * n}", f"model.{4 + 3 * n}"),
}
new = {
    "first": "conv_first",
    "dense": lambda i, j, k: f"RRDB_trunk.{i}.RDB{j}.conv{k}",
    "trunk": lambda n: "trunk_conv",
    "ups": lambda n: [f"upconv{1 + i}" for i in range(n)],
    "ends": lambda n: ("HRconv", "conv_last"),
}
real = {
    "first": "conv_first",
    "dense": lambda i, j, k: f"body.{i}.rdb{j}.conv{k}",
    "trunk": lambda n: "conv_body",
    "ups": lambda n: [f"conv_up{1 + i}" for i in range(n)],
    "ends": lambda n: ("conv_hr", "conv_last"),
}


def compact(scale, features=8, convs=2):
    shapes = {}
    for i in range(convs + 1):
        shapes |= conv(f"body.{2 * i}", features, features if i else 3) | {f"body.{2 * i + 1}.weight": (features,)}
    return shapes | conv(f"body.{2 * convs + 2}", 3 * scale * scale, features)


def upscaler(case, shapes, wrapper=None):
    names = {f"{wrapper}.{name}" if wrapper else name: shape for name, shape in shapes.items()}
    state = {name: weight(full, shape) for (name, shape), full in zip(shapes.items(), names)}
    model = ModelLoader().load_from_state_dict({wrapper: state} if wrapper else state).eval()
    picture = torch.from_numpy(numbers(f"{case} input", (1, 3, 8, 12)))
    with torch.no_grad():
        record(case, picture.shape, model.model(picture), names, scale=model.scale)


upscaler("old x4", rrdb(old, 2))
upscaler("old x2", rrdb(old, 1))
upscaler("old x1", rrdb(old, 0))
upscaler("old x8", rrdb(old, 3, blocks=1))
upscaler("old plus x4", rrdb(old, 2, is_plus=True))
upscaler("new x4", rrdb(new, 2))
upscaler("real x4", rrdb(real, 2), "params_ema")
upscaler("real x2", rrdb(real, 2, inputs=12), "params_ema")
upscaler("real x1", rrdb(real, 2, inputs=48), "params_ema")
upscaler("compact x2", compact(2), "params")
upscaler("compact x4", compact(4), "params_ema")

# TAESD publishes its decoder's layers under their numbers in a sequence, of which the first is a clamp; diffusers
# leaves that one out and prefixes the rest.
tiny = AutoencoderTiny(decoder_block_out_channels=(8, 8, 8, 8), encoder_block_out_channels=(8, 8, 8, 8)).eval()
keys = [name.removeprefix("decoder.layers.") for name in tiny.state_dict() if name.startswith("decoder.")]


def published(name, prefix):
    number, _, rest = name.partition(".")
    return f"{prefix}{int(number) + 1}.{rest}"


for case, rename in {
    "taesd": lambda name: published(name, ""),
    "taesd decoder": lambda name: published(name, "decoder."),
    "taesd diffusers": lambda name: f"decoder.layers.{name}",
}.items():
    shapes = {rename(name): tiny.state_dict()[f"decoder.layers.{name}"].shape for name in keys}
    state = {f"decoder.layers.{name}": weight(full, shape) for name, (full, shape) in zip(keys, shapes.items())}
    tiny.load_state_dict(state, strict=False)
    latent = torch.from_numpy(numbers(f"{case} input", (2, 4, 3, 5)))
    with torch.no_grad():
        record(case, latent.shape, tiny.decode(4 * latent).sample, shapes)

save_file(tensors, sys.argv[1], {"cases": json.dumps(cases)})
