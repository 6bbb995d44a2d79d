"""The names diffusers gives to a checkpoint's tensors.

Run with diffusers (made with 0.42.1) from the root of the repository: python scripts/goldens/diffusersNames.py
Every tensor of an SD 1 and an SD 2 layout becomes one different number, diffusers converts the lot, and the numbers
tell which name went where. Writes src/models/goldens/diffusers-names.json: {part: [[diffusers name, checkpoint name]]},
with `name[0]`, `name[1]`, `name[2]` for the thirds of a joint projection.
"""

import json
import pathlib

import torch
from diffusers.loaders import single_file_utils as converter
from safetensors import safe_open

out = pathlib.Path("src/models/goldens")
out.mkdir(parents=True, exist_ok=True)
models = "test/golden/models"


def numbered(path, prefix, rows=None):
    """One number for each tensor of a checkpoint under a prefix, and the way back."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]
    names = [name for name in names if "position_ids" not in name and "logit_scale" not in name]
    tensors, meaning = {}, {}
    for index, name in enumerate(names):
        if rows and "in_proj" in name:
            values = torch.tensor([3.0 * index + third for third in range(3) for _ in range(rows)])
            tensors[name] = values[:, None].expand(-1, rows).clone() if name.endswith("weight") else values
            for third in range(3):
                meaning[3 * index + third] = f"{name}[{third}]"
        else:
            tensors[name] = torch.full((rows or 1, rows or 1), 3.0 * index)
            meaning[3 * index] = name
    return tensors, meaning


def pairs(converted, meaning, prefix):
    found = [[name, meaning[int(value.flatten()[0])][len(prefix):]] for name, value in converted.items()]
    assert len({name for _, name in found}) == len(found)
    return sorted(found)


unet_config = {"layers_per_block": 2, "class_embed_type": None, "addition_embed_type": None}
result = {}

prefix = "model.diffusion_model."
tensors, meaning = numbered(f"{models}/tiny-sd1.safetensors", prefix)
result["unet"] = pairs(converter.convert_ldm_unet_checkpoint(dict(tensors), unet_config), meaning, prefix)

prefix = "first_stage_model."
tensors, meaning = numbered(f"{models}/tiny-sd1.safetensors", prefix)
vae_config = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
result["vae"] = pairs(converter.convert_ldm_vae_checkpoint(dict(tensors), vae_config), meaning, prefix)

prefix = "cond_stage_model.transformer.text_model."
tensors, meaning = numbered(f"{models}/tiny-sd1.safetensors", prefix)
result["clip"] = pairs(converter.convert_ldm_clip_checkpoint(dict(tensors)), meaning, prefix)


class TextModel:
    """What the conversion asks of the model it fills: that it exists, and the width of its projections."""

    class config:
        num_hidden_layers = 23
        hidden_size = 2
        projection_dim = 2


prefix = "cond_stage_model.model."
tensors, meaning = numbered(f"{models}/tiny-sd2v.safetensors", prefix, rows=2)
converted = converter.convert_open_clip_checkpoint(TextModel, dict(tensors), prefix=prefix)
result["openclip"] = pairs(
    {name: value for name, value in converted.items() if "text_projection" not in name}, meaning, prefix
)

(out / "diffusers-names.json").write_text(
    "{\n" + ",\n".join(
        f'"{part}": [\n' + ",\n".join(json.dumps(pair) for pair in found) + "\n]" for part, found in result.items()
    ) + "\n}\n"
)
print({part: len(found) for part, found in result.items()})
