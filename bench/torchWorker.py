"""PyTorch's side of the measurement: answers one JSON question a line, as worker.ts does.

Needs torch, diffusers and transformers. Weights are random, shapes those of Stable Diffusion 1.5, everything float32.
"""

import json
import resource
import sys
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

torch.set_num_threads(int(sys.argv[1]))
models = {}


def unet():
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)


def vae():
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=2,
    )


def text():
    return CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12))


def model(make):
    if make not in models:
        models[make] = make().eval()
    return models[make]


def run(question):
    op, size, batch = question["op"], question.get("size", 0), question.get("batch", 1)
    if op == "unet":
        inputs = (torch.randn(batch, 4, size, size), torch.tensor([500]), torch.randn(batch, 77, 768))
        return lambda: model(unet)(*inputs)
    if op == "decode":
        latent = torch.randn(1, 4, size, size)
        return lambda: model(vae).decode(latent)
    if op == "text":
        tokens = torch.arange(77)[None]
        return lambda: model(text)(tokens)
    raise ValueError(op)


for line in sys.stdin:
    question = json.loads(line)
    if question["op"] == "memory":
        answer = {"peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    else:
        work = run(question)
        with torch.inference_mode():
            began = time.perf_counter()
            work()
            answer = {"seconds": time.perf_counter() - began}
    print(json.dumps(answer), flush=True)
