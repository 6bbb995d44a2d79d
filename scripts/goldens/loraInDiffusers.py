"""Loads a network that Athanor saved into diffusers, unchanged, and records what the U-Net then predicts:
python loraInDiffusers.py <checkpoint.safetensors> <lora.safetensors> <target.safetensors>.

The checkpoint is the tiny one of the tests, in CompVis names. diffusers 0.32.1, peft 0.13.2, transformers 4.46.3, float32 on the CPU.
"""
import sys

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

checkpoint, lora, target = sys.argv[1:]
weights = {key: x.float() for key, x in load_file(checkpoint).items()}
CHANNELS, CONTEXT = (32, 64, 128, 128), 96

unet = UNet2DConditionModel(block_out_channels=CHANNELS, cross_attention_dim=CONTEXT, attention_head_dim=8, sample_size=16)
unet.load_state_dict(convert_ldm_unet_checkpoint(weights, config=unet.config))
text = CLIPTextModel(CLIPTextConfig(hidden_size=CONTEXT, intermediate_size=4 * CONTEXT, num_hidden_layers=12, num_attention_heads=12))
prefix = "cond_stage_model.transformer."
text.load_state_dict({key[len(prefix):]: x for key, x in weights.items() if key.startswith(prefix)}, strict=False)
pipeline = StableDiffusionPipeline(
    vae=AutoencoderKL(block_out_channels=(32,), norm_num_groups=32), text_encoder=text, tokenizer=None, unet=unet,
    scheduler=DDIMScheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False,
)

generator = torch.Generator().manual_seed(7)
latent = torch.randn(2, 4, 16, 16, generator=generator)
timesteps = torch.tensor([40.0, 700.0])
tokens = torch.randint(0, 49406, (2, 77), generator=generator)


@torch.no_grad()
def predict():
    context = text(tokens)[0]
    return context, unet(latent, timesteps, encoder_hidden_states=context).sample


plain_context, plain = predict()
pipeline.load_lora_weights(lora)
context, adapted = predict()
assert len(unet.peft_config) == 1 and len(text.peft_config) == 1
tensors = {
    "latent": latent, "timesteps": timesteps, "tokens": tokens.int(), "plain.context": plain_context, "plain": plain,
    "context": context, "adapted": adapted,
}
save_file({key: x.contiguous() for key, x in tensors.items()}, target)
print("moved by", ((adapted - plain).norm() / plain.norm()).item(), ((context - plain_context).norm() / plain_context.norm()).item())
