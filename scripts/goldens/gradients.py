"""Records gradients of small models: python gradients.py src/train/goldens/gradients.json

Needs torch, diffusers and transformers. Models, weights and inputs are those of models.py, in double precision. The
loss is the sum of the output times numbers of its own name. Of each gradient g only its norm and its products with
eight vectors of numbers are kept, of which the mean square tells how far another gradient is from it.
"""

import json
import sys

import diffusers
import torch
import transformers
from models import build_text, build_unet, build_vae, clip_names, text1, text2, unet1, unet2, unet_names, vae1, vae_names
from numbered import numbers

probes = 8


def sketch(name, gradient):
    shape = tuple(gradient.shape)
    products = [float((gradient * torch.from_numpy(numbers(f"{name} probe {i}", shape)).double()).sum()) for i in range(probes)]
    return [float(gradient.norm()), *products]


def double(name, shape):
    return torch.from_numpy(numbers(name, shape)).double().requires_grad_()


def record(case, config, output, inputs, model, names, **more):
    loss = (output * torch.from_numpy(numbers(f"{case} loss", tuple(output.shape))).double()).sum()
    loss.backward()
    gradients = {name: sketch(name, x.grad) for name, x in inputs.items()}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradients[names(name)] = sketch(names(name), parameter.grad)
    return {"name": case, "config": config, "loss": loss.item(), "gradients": gradients, **more}


def unet_case(case, config, height, width):
    model = build_unet(config).double()
    inputs = {
        f"{case} latent": double(f"{case} latent", (2, config["inChannels"], height, width)),
        f"{case} context": double(f"{case} context", (2, 7, config["contextWidth"])),
    }
    latent, context = inputs.values()
    output = model(latent, torch.tensor([801.0, 3.25]), context).sample
    names = unet_names(len(config["mult"]), config["resBlocks"], config["attention"])
    return record(case, config, output, inputs, model, names, size=[height, width])


def text_case(case, config):
    model = build_text(config).double()
    tokens = torch.arange(2 * 77).reshape(2, 77) * 37 % 99
    return record(case, config, model(tokens).last_hidden_state, {}, model, clip_names(config["kind"]))


def vae_case(case, config, height, width, decodes):
    model = build_vae(config).double()
    levels = len(config["mult"])
    names = vae_names(levels)
    if decodes:
        x = double(f"{case} latent", (2, config["latentChannels"], height, width))
        return record(case, config, model.decode(x).sample, {f"{case} latent": x}, model, names, size=[height, width])
    scale = 2 ** (levels - 1)
    x = double(f"{case} picture", (2, 3, height * scale, width * scale))
    output = model.encode(x).latent_dist.parameters
    return record(case, config, output, {f"{case} picture": x}, model, names, size=[height, width])


small_vae = {**vae1, "channels": 16, "normGroups": 8}
cases = [
    unet_case("gradients/unet sd1", {**unet1, "mult": [1, 2], "attention": [True, False], "resBlocks": 1}, 4, 6),
    unet_case("gradients/unet sd2", unet2, 4, 4),
    text_case("gradients/text clip", text1),
    text_case("gradients/text openclip", {**text2, "skippedLayers": 0}),
    vae_case("gradients/vae decoder", small_vae, 3, 4, True),
    vae_case("gradients/vae encoder", small_vae, 3, 4, False),
]
versions = {m.__name__: m.__version__ for m in (torch, diffusers, transformers)}
rounded = json.loads(json.dumps({"versions": versions, "cases": cases}), parse_float=lambda x: float(f"{float(x):.9g}"))
with open(sys.argv[1], "w") as file:
    json.dump(rounded, file, indent=None, separators=(",", ":"))
    file.write("\n")
