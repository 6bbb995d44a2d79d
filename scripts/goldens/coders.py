"""Records what stands in for a VAE: TAESD's encoder, as diffusers runs it, and the web UI's "Approx NN" decoder.

    python scripts/goldens/coders.py src/models/goldens/coders.safetensors

Written with diffusers 0.42.1, torch 2.15.0 (CPU, float32). Weights and inputs are functions of their names
(numbered.py). The metadata `cases` has the names and shapes of each case's weights as a model file would have them; the
tensors are `case`, what the network makes of `case input` as numbered.py gives it.
"""

import json
import sys

import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from numbered import numbers, weight
from safetensors.torch import save_file

tensors, cases = {}, {}


def record(case, input_shape, output, shapes):
    tensors[case] = output.contiguous()
    cases[case] = {"input": input_shape, "weights": {name: list(shape) for name, shape in shapes.items()}}
    print(case, list(output.shape), float(output.std()))


# TAESD publishes its encoder's layers under their numbers in a sequence; diffusers prefixes them.
tiny = AutoencoderTiny(decoder_block_out_channels=(8, 8, 8, 8), encoder_block_out_channels=(8, 8, 8, 8)).eval()
keys = [name.removeprefix("encoder.layers.") for name in tiny.state_dict() if name.startswith("encoder.")]
for case, prefix in {"taesd": "", "taesd encoder": "encoder.", "taesd diffusers": "encoder.layers."}.items():
    shapes = {prefix + name: tiny.state_dict()[f"encoder.layers.{name}"].shape for name in keys}
    state = {f"encoder.layers.{name}": weight(full, shape) for name, (full, shape) in zip(keys, shapes.items())}
    tiny.load_state_dict(state, strict=False)
    picture = torch.from_numpy(numbers(f"{case} input", (2, 3, 16, 24)))
    with torch.no_grad():
        record(case, picture.shape, tiny.encode(picture).latents, shapes)

# Eight convolutions without padding on a picture of twice the size, each followed by a leaky ReLU; the margin they eat
# is added first.
layers = [(8, 4, 7), (16, 8, 5), (32, 16, 3), (64, 32, 3), (32, 64, 3), (16, 32, 3), (8, 16, 3), (3, 8, 3)]
shapes = {}
for i, (out, inputs, kernel) in enumerate(layers):
    shapes |= {f"conv{i + 1}.weight": (out, inputs, kernel, kernel), f"conv{i + 1}.bias": (out,)}
latent = torch.from_numpy(numbers("approx input", (2, 4, 3, 5)))
x = F.pad(F.interpolate(latent, scale_factor=2), (sum(kernel - 1 for *_, kernel in layers) // 2,) * 4)
for i in range(len(layers)):
    name = f"conv{i + 1}"
    kernel, bias = (weight(f"{name}.{part}", shapes[f"{name}.{part}"]) for part in ("weight", "bias"))
    x = F.leaky_relu(F.conv2d(x, kernel, bias), 0.1)
record("approx", latent.shape, x, shapes)

save_file(tensors, sys.argv[1], {"cases": json.dumps(cases)})
