"""Records what LyCORIS makes of a weight for every family of adapter, and PEFT for DoRA.

    python scripts/goldens/networks.py src/lora/goldens/families.safetensors

Written with lycoris_lora 4.1.3, peft 0.21.2, torch 2.15.0 (CPU, float32). Every case is one layer whose adapter has
random numbers; tensors are named `case/part`. `weight` and `bias` are the layer's, `merged` and `mergedBias` what it
applies with the adapter on it, read off its answers to impulses, and `net.…` the adapter's state dict as the package
would save it.
"""

import sys

import torch
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

torch.manual_seed(20)
tensors = {}


def linear():
    return torch.nn.Linear(24, 16)


def conv(kernel=3):
    return torch.nn.Conv2d(8, 16, kernel, padding=kernel // 2)


def record(case, layer, Module, **options):
    original = {name: value.detach().clone() for name, value in layer.named_parameters()}
    module = Module("layer", layer, 1.0, **options)
    module.apply_to()
    module.eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("org_"):
                continue
            spread = 0.1 if "oft" in name else 0.4
            centre = 1.0 if "dora_scale" in name or "rescale" in name else 0.0
            parameter.copy_(torch.randn_like(parameter) * spread + centre)
    state = {k: v for k, v in module.state_dict().items() if not k.startswith("org_")}
    with torch.no_grad():
        merged, merged_bias = effective(layer, original["weight"].shape)
    keep(case, original, merged, merged_bias, state)


def effective(layer, shape):
    """The weight and bias that a layer applies, read off what it makes of impulses."""
    if len(shape) == 1:  # the weight and bias of a normalisation, from two inputs of known statistics
        x = torch.randn(1, shape[0], 8, 8)
        normal = torch.nn.functional.group_norm(x, layer.num_groups, eps=layer.eps)
        y = layer(x)
        points = normal.reshape(shape[0], -1), y.reshape(shape[0], -1)
        pairs = [torch.linalg.lstsq(torch.stack([n, torch.ones_like(n)], 1), v).solution for n, v in zip(*points)]
        weight, bias = torch.stack(pairs).unbind(1)
        return weight, bias
    if len(shape) == 2:
        bias = layer(torch.zeros(1, shape[1]))[0]
        return (layer(torch.eye(shape[1])) - bias).T, bias
    out, inputs, size, _ = shape
    bias = layer(torch.zeros(1, inputs, size, size))[0, :, 0, 0]
    impulses = torch.zeros(inputs, inputs, size, size)
    impulses[range(inputs), range(inputs), size // 2, size // 2] = 1
    answer = layer(impulses) - bias[:, None, None]
    return answer.flip(2, 3).transpose(0, 1), bias


def keep(case, original, merged, merged_bias, state):
    tensors[f"{case}/weight"] = original["weight"]
    tensors[f"{case}/bias"] = original["bias"]
    tensors[f"{case}/merged"] = merged.contiguous()
    tensors[f"{case}/mergedBias"] = merged_bias.contiguous()
    for name, value in state.items():
        tensors[f"{case}/net.{name}"] = value.detach().clone().contiguous()


rank = dict(lora_dim=4, alpha=2)
record("lora", linear(), LoConModule, **rank)
record("lora-conv", conv(), LoConModule, **rank)
record("lora-conv1", conv(1), LoConModule, **rank)
record("lora-tucker", conv(), LoConModule, use_tucker=True, **rank)
record("lora-rs", linear(), LoConModule, rs_lora=True, **rank)
record("dora", linear(), LoConModule, weight_decompose=True, **rank)
record("dora-conv", conv(), LoConModule, weight_decompose=True, **rank)
record("dora-input", linear(), LoConModule, weight_decompose=True, wd_on_out=False, **rank)
record("dora-input-conv", conv(), LoConModule, weight_decompose=True, wd_on_out=False, **rank)
record("loha", linear(), LohaModule, **rank)
record("loha-conv", conv(), LohaModule, **rank)
record("loha-tucker", conv(), LohaModule, use_tucker=True, **rank)
record("loha-dora", linear(), LohaModule, weight_decompose=True, **rank)
record("lokr", linear(), LokrModule, factor=4, lora_dim=1, alpha=0.5)
record("lokr-both", linear(), LokrModule, factor=4, decompose_both=True, lora_dim=1, alpha=0.5)
record("lokr-full", linear(), LokrModule, factor=4, full_matrix=True, **rank)
record("lokr-conv", conv(), LokrModule, factor=2, lora_dim=1, alpha=0.5)
record("lokr-tucker", conv(), LokrModule, factor=2, use_tucker=True, lora_dim=1, alpha=0.5)
record("lokr-conv1", conv(1), LokrModule, factor=2, lora_dim=1, alpha=0.5)
record("lokr-dora", linear(), LokrModule, factor=4, weight_decompose=True, lora_dim=1, alpha=0.5)
record("ia3", linear(), IA3Module)
record("ia3-input", linear(), IA3Module, train_on_input=True)
record("ia3-conv", conv(), IA3Module)
record("ia3-input-conv", conv(), IA3Module, train_on_input=True)
record("full", linear(), FullModule)
record("full-conv", conv(), FullModule)
record("norm", torch.nn.GroupNorm(4, 16), NormModule)
record("oft", linear(), DiagOFTModule, lora_dim=4, alpha=1)
record("oft-constraint", linear(), DiagOFTModule, lora_dim=4, alpha=1, constraint=0.01)
record("oft-rescaled-conv", conv(), DiagOFTModule, lora_dim=4, alpha=1, rescaled=True)
record("boft", linear(), ButterflyOFTModule, lora_dim=4, alpha=1)
record("boft-rescaled-conv", conv(), ButterflyOFTModule, lora_dim=4, alpha=1, rescaled=True)
record("boft-constraint", linear(), ButterflyOFTModule, lora_dim=4, alpha=1, constraint=0.01)
record("glora", linear(), GLoRAModule, **rank)
record("glora-conv1", conv(1), GLoRAModule, **rank)
record("glora-conv", conv(), GLoRAModule, **rank)

# PEFT's own DoRA: magnitudes of output rows, alpha outside the file.
layer = torch.nn.Sequential(linear())
original = {name.removeprefix("0."): value.detach().clone() for name, value in layer.named_parameters()}
adapted = get_peft_model(layer, LoraConfig(r=4, lora_alpha=4, target_modules=["0"], use_dora=True)).eval()
with torch.no_grad():
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.add_(torch.randn_like(parameter) * 0.3)
    merged, merged_bias = effective(adapted, original["weight"].shape)
state = {k.removeprefix("base_model.model.0."): v for k, v in get_peft_model_state_dict(adapted).items()}
keep("peft-dora", original, merged, merged_bias, state)

save_file(tensors, sys.argv[1])
