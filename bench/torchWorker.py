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


class EmbeddedTraining:
    """One optimizer step of a net with the numbers of training/unet.toml on a batch of noise."""

    def __init__(self, batch):
        self.batch = batch
        self.net = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(64, 128, 192),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",) * 3,
            up_block_types=("CrossAttnUpBlock2D",) * 3,
            cross_attention_dim=256,
            # Heads of 64 channels: what diffusers calls a dimension here is their number.
            attention_head_dim=(1, 2, 3),
        )
        self.optimizer = torch.optim.AdamW(self.net.parameters(), 1e-4, foreach=True)
        self.averages = [p.detach().clone() for p in self.net.parameters()]

    def step(self):
        latent, target = torch.randn(2, self.batch, 4, 16, 16)
        timesteps, context = torch.randint(1000, (self.batch,)), torch.randn(self.batch, 77, 256)
        loss = torch.nn.functional.mse_loss(self.net(latent, timesteps, context).sample, target)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, list(self.net.parameters()), 0.001)


class LoraTraining:
    """A LoRA of rank 16 on the UNet's and the text encoder's linear layers, by peft."""

    def __init__(self, size):
        from peft import LoraConfig, inject_adapter_in_model

        self.size = size
        targets = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
        self.net = inject_adapter_in_model(LoraConfig(r=16, lora_alpha=16, target_modules=targets), unet())
        text_targets = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
        self.text = inject_adapter_in_model(LoraConfig(r=16, lora_alpha=16, target_modules=text_targets), text())
        learnt = [p for m in (self.net, self.text) for n, p in m.named_parameters() if "lora_" in n]
        for m in (self.net, self.text):
            for n, p in m.named_parameters():
                p.requires_grad_("lora_" in n)
        self.learnt, self.optimizer = learnt, torch.optim.AdamW(learnt, 1e-4)

    def step(self):
        context = self.text(torch.arange(77)[None]).last_hidden_state
        latent, target = torch.randn(1, 4, self.size, self.size), torch.randn(1, 4, self.size, self.size)
        loss = torch.nn.functional.mse_loss(self.net(latent, torch.tensor([500]), context).sample, target)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learnt, 1)
        self.optimizer.step()


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
    if op == "train":
        if "training" not in models:
            models["training"] = EmbeddedTraining(batch)
        return models["training"].step
    if op == "trainLora":
        if "lora" not in models:
            models["lora"] = LoraTraining(size)
        return models["lora"].step
    raise ValueError(op)


for line in sys.stdin:
    question = json.loads(line)
    if question["op"] == "memory":
        answer = {"peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    else:
        work = run(question)
        with torch.set_grad_enabled(question["op"].startswith("train")):
            began = time.perf_counter()
            work()
            answer = {"seconds": time.perf_counter() - began}
    print(json.dumps(answer), flush=True)
