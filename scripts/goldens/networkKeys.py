"""Records how diffusers and PEFT name the layers of a checkpoint and the tensors of a LoRA.

    python scripts/goldens/networkKeys.py test/golden/models/tiny-sd1.safetensors src/lora/goldens/keys.json

Written with diffusers 0.42.1, peft 0.21.2, transformers (CPU). `layers` pairs diffusers' path of each UNet layer with
the checkpoint's, found by converting a checkpoint whose every tensor holds its own number. `styles` are the tensor
names of one LoRA over the attention of a small model, in each spelling that diffusers has written.
"""

import json
import sys

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from transformers import CLIPTextConfig, CLIPTextModel

prefix = "model.diffusion_model."
with safe_open(sys.argv[1], "pt") as file:
    names = [name for name in file.keys() if name.startswith(prefix)]
numbered = {name: torch.tensor(float(i)) for i, name in enumerate(names)}
converted = convert_ldm_unet_checkpoint(dict(numbered), {"layers_per_block": 2, "class_embed_type": None})
layers = {
    name.removesuffix(".weight"): names[int(value)].removesuffix(".weight")
    for name, value in converted.items()
    if name.endswith(".weight")
}

unet = UNet2DConditionModel(
    sample_size=8,
    block_out_channels=(32, 64),
    layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=16,
    attention_head_dim=8,
)
text = CLIPTextModel(CLIPTextConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2))
unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_k", "to_q", "to_v", "to_out.0", "conv1"]))
text.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "k_proj", "v_proj", "out_proj"]))
of_unet = {f"unet.{k}": v for k, v in get_peft_model_state_dict(unet).items()}
of_text = {f"text_encoder.{k}": v for k, v in get_peft_model_state_dict(text).items()}
peft = {**of_unet, **of_text}

# Attention processors as diffusers saved them in 2023: no version at hand writes them, so they are spelled out here.
processors = {}
for name in of_unet:
    for projection in ("to_q", "to_k", "to_v", "to_out.0"):
        if f".{projection}." in name:
            side = "down" if "lora_A" in name else "up"
            place = name.split(f".{projection}.")[0]
            processors[f"{place}.processor.{projection.removesuffix('.0')}_lora.{side}.weight"] = name

styles = {
    "peft": sorted(peft),
    "base model": sorted(f"base_model.model.{k.removeprefix('unet.')}" for k in of_unet),
    "diffusers": sorted({**convert_state_dict_to_diffusers(dict(peft))}),
    "kohya": sorted(convert_state_dict_to_kohya(dict(peft))),
    "processors": sorted(processors),
}
json.dump({"layers": layers, "styles": styles}, open(sys.argv[2], "w"), indent=0)
