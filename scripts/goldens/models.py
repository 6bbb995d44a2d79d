"""Records small CLIP encoders, UNets and autoencoders: python models.py src/models/goldens/models.safetensors

Needs torch, diffusers, transformers, safetensors and tomesd. Weights and inputs are not stored: each is a function
of its CompVis name (numbered.py, and test/models/numbered.ts), so that only the results are kept.
"""

import json
import re
import sys

import diffusers
import tomesd
import torch
import transformers
from diffusers import AutoencoderKL, UNet2DConditionModel
from numbered import numbers, weight
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel


def load(model, compvis):
    """Fills a model by the CompVis names of its parameters."""
    state = {name: weight(compvis(name), tuple(p.shape)) for name, p in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def renamed(name, pairs):
    for pattern, text in pairs:
        name = re.sub(pattern, text, name)
    return name


def unet_names(levels, res_blocks, attention):
    resnet = [
        (r"norm1(?=\.\w+$)", "in_layers.0"),
        (r"conv1(?=\.\w+$)", "in_layers.2"),
        (r"time_emb_proj", "emb_layers.1"),
        (r"norm2(?=\.\w+$)", "out_layers.0"),
        (r"conv2(?=\.\w+$)", "out_layers.3"),
        (r"conv_shortcut", "skip_connection"),
    ]

    def down(match):
        return f"input_blocks.{1 + int(match[1]) * (res_blocks + 1) + int(match[3])}.{'01'[match[2] == 'attentions']}."

    def up(match):
        return f"output_blocks.{int(match[1]) * (res_blocks + 1) + int(match[3])}.{'01'[match[2] == 'attentions']}."

    def upsample(match):
        level = int(match[1])
        return f"output_blocks.{level * (res_blocks + 1) + res_blocks}.{2 if attention[levels - 1 - level] else 1}.conv"

    blocks = [
        (r"^conv_in\.", "input_blocks.0.0."),
        (r"^time_embedding\.linear_1", "time_embed.0"),
        (r"^time_embedding\.linear_2", "time_embed.2"),
        (r"^down_blocks\.(\d+)\.downsamplers\.0\.conv", lambda m: f"input_blocks.{(int(m[1]) + 1) * (res_blocks + 1)}.0.op"),
        (r"^up_blocks\.(\d+)\.upsamplers\.0\.conv", upsample),
        (r"^down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", down),
        (r"^up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", up),
        (r"^mid_block\.attentions\.0", "middle_block.1"),
        (r"^mid_block\.resnets\.0", "middle_block.0"),
        (r"^mid_block\.resnets\.1", "middle_block.2"),
        (r"^conv_norm_out", "out.0"),
        (r"^conv_out", "out.2"),
    ]

    def compvis(name):
        in_transformer = "transformer_blocks" in name
        return "model.diffusion_model." + renamed(renamed(name, [] if in_transformer else resnet), blocks)

    return compvis


def vae_names(levels):
    pairs = [
        (r"mid_block\.resnets\.0", "mid.block_1"),
        (r"mid_block\.resnets\.1", "mid.block_2"),
        (r"mid_block\.attentions\.0", "mid.attn_1"),
        (r"group_norm", "norm"),
        (r"to_(q|k|v)", r"\1"),
        (r"to_out\.0", "proj_out"),
        (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
        (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
        (r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block"),
        (r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample"),
        (r"conv_norm_out", "norm_out"),
        (r"conv_shortcut", "nin_shortcut"),
    ]
    return lambda name: "first_stage_model." + renamed(name, pairs)


def clip_names(kind):
    if kind == "clip":
        return lambda name: "cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")
    pairs = [
        (r"^text_model\.", ""),
        (r"^embeddings\.token_embedding", "token_embedding"),
        (r"^embeddings\.position_embedding\.weight", "positional_embedding"),
        (r"^encoder\.layers", "transformer.resblocks"),
        (r"self_attn", "attn"),
        (r"layer_norm1", "ln_1"),
        (r"layer_norm2", "ln_2"),
        (r"mlp\.fc1", "mlp.c_fc"),
        (r"mlp\.fc2", "mlp.c_proj"),
        (r"^final_layer_norm", "ln_final"),
    ]
    return lambda name: "cond_stage_model.model." + renamed(name, pairs)


def circular(model):
    """What the reference does for tiling: every convolution that pads, pads with the opposite edge."""
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.padding_mode = "circular"


def build_unet(c):
    levels = len(c["mult"])
    widths = [c["channels"] * m for m in c["mult"]]
    heads = [c["heads"].get("count") or width // c["heads"]["channels"] for width in widths]
    model = UNet2DConditionModel(
        in_channels=c["inChannels"],
        out_channels=c["outChannels"],
        block_out_channels=widths,
        layers_per_block=c["resBlocks"],
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in c["attention"]],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(c["attention"])],
        attention_head_dim=heads,  # diffusers' name for the number of heads
        cross_attention_dim=c["contextWidth"],
        transformer_layers_per_block=c["transformerDepth"],
        use_linear_projection=c["isLinearInTransformer"],
    )
    return load(model, unet_names(levels, c["resBlocks"], c["attention"]))


def build_text(c):
    model = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=c["width"],
            intermediate_size=c["mlpWidth"],
            num_hidden_layers=c["layers"],
            num_attention_heads=c["heads"],
            hidden_act="quick_gelu" if c["kind"] == "clip" else "gelu",
            vocab_size=c["vocabulary"],
            max_position_embeddings=c["tokens"],
            eos_token_id=99,
        )
    )
    return load(model, clip_names(c["kind"]))


def build_vae(c):
    levels = len(c["mult"])
    model = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        block_out_channels=[c["channels"] * m for m in c["mult"]],
        layers_per_block=c["resBlocks"],
        latent_channels=c["latentChannels"],
        norm_num_groups=c.get("normGroups", 32),
    )
    return load(model, vae_names(levels))


def run_unet(model, name, c, height, width):
    x = torch.from_numpy(numbers(f"{name} latent", (2, c["inChannels"], height, width)))
    context = torch.from_numpy(numbers(f"{name} context", (2, 7, c["contextWidth"])))
    return model(x, torch.tensor([801.0, 3.25]), context).sample


class ReferenceCat:
    """torch.cat as the reference's UNet has it: a map of another size than its twin is resized to it."""

    def __enter__(self):
        self.cat = torch.cat

        def cat(tensors, dim=0):
            if len(tensors) == 2 and tensors[0].shape[-2:] != tensors[1].shape[-2:] and tensors[0].ndim == 4:
                resized = torch.nn.functional.interpolate(tensors[0], tensors[1].shape[-2:], mode="nearest")
                tensors = (resized, tensors[1])
            return self.cat(tensors, dim=dim)

        torch.cat = cat

    def __exit__(self, *_):
        torch.cat = self.cat


unet1 = {
    "inChannels": 4,
    "outChannels": 4,
    "channels": 32,
    "mult": [1, 2, 4],
    "resBlocks": 2,
    "attention": [True, True, False],
    "heads": {"count": 4},
    "transformerDepth": 1,
    "contextWidth": 24,
    "isLinearInTransformer": False,
}
unet2 = {**unet1, "mult": [1, 2], "resBlocks": 1, "attention": [False, True], "heads": {"channels": 16}}
unet2 = {**unet2, "transformerDepth": 2, "contextWidth": 40, "isLinearInTransformer": True}
inpainting = {**unet1, "inChannels": 9, "channels": 64, "mult": [1, 1], "resBlocks": 1, "attention": [True, True]}
text1 = {
    "kind": "clip",
    "layers": 3,
    "width": 48,
    "heads": 4,
    "mlpWidth": 128,
    "vocabulary": 100,
    "tokens": 77,
    "skippedLayers": 0,
}
text2 = {**text1, "kind": "openclip", "width": 32, "heads": 2, "skippedLayers": 1}
vae1 = {"channels": 32, "mult": [1, 2, 2], "resBlocks": 1, "latentChannels": 4}
vae2 = {"channels": 64, "mult": [1, 1, 1, 2], "resBlocks": 2, "latentChannels": 4}

cases = {}
tensors = {}


def record(name, tensor, **case):
    cases[name] = case
    tensors[name] = tensor.contiguous()


@torch.no_grad()
def unets():
    for name, config, size in [("sd1", unet1, (8, 12)), ("sd2", unet2, (6, 10)), ("inpainting", inpainting, (4, 4))]:
        record(f"unet/{name}", run_unet(build_unet(config), f"unet/{name}", config, *size), config=config, size=size)

    model = build_unet(unet1)
    circular(model)
    record("unet/tiling", run_unet(model, "unet/tiling", unet1, 8, 4), config=unet1, size=(8, 4), tiling=True)

    model = build_unet(unet1)
    model.num_upsamplers = 0  # keeps diffusers' own treatment of odd sizes out
    with ReferenceCat():
        record("unet/odd", run_unet(model, "unet/odd", unet1, 9, 7), config=unet1, size=(9, 7))

    for name, ratio, size in [("merged", 0.5, (8, 12)), ("merged-odd", 0.3, (9, 7))]:
        model = build_unet(unet1)
        model.num_upsamplers = 0
        tomesd.apply_patch(model, ratio=ratio, use_rand=False)
        with ReferenceCat():
            merged = run_unet(model, f"unet/{name}", unet1, *size)
        record(f"unet/{name}", merged, config=unet1, size=size, tokenMergingRatio=ratio)


@torch.no_grad()
def texts():
    for name, config, skip in [("clip", text1, 0), ("clip-skip", text1, 2), ("openclip", text2, 1)]:
        model = build_text(config)
        tokens = torch.arange(2 * 77).reshape(2, 77) * 37 % 99
        injected = torch.from_numpy(numbers(f"text/{name} injected", (2, 77, config["width"])))
        places = torch.zeros(2, 77, 1, dtype=torch.bool)
        places[1, 5:9] = True
        text = getattr(model, "text_model", model)
        text.embeddings.token_embedding.register_forward_hook(lambda *_, rows=injected, at=places: torch.where(at, rows, _[2]))
        hidden = text(tokens, output_hidden_states=True).hidden_states[-1 - skip]
        record(f"text/{name}", text.final_layer_norm(hidden), config=config, skip=skip)


@torch.no_grad()
def autoencoders():
    for name, config, size, tiling in [
        ("sd", vae1, (6, 5), False),
        ("deep", vae2, (3, 4), False),
        ("tiling", vae1, (4, 4), True),
    ]:
        levels = len(config["mult"])
        model = build_vae(config)
        if tiling:
            circular(model)
        latent = torch.from_numpy(numbers(f"vae/{name} latent", (2, config["latentChannels"], *size)))
        picture = torch.from_numpy(numbers(f"vae/{name} picture", (2, 3, *[s * 2 ** (levels - 1) for s in size])))
        decoded = model.decode(latent).sample
        record(f"vae/{name} decoded", decoded, config=config, size=size, tiling=tiling)
        encoded = model.encode(picture).latent_dist.parameters
        record(f"vae/{name} encoded", encoded, config=config, size=size, tiling=tiling)


if __name__ == "__main__":
    unets()
    texts()
    autoencoders()
    versions = {m.__name__: m.__version__ for m in (torch, diffusers, transformers)}
    save_file(tensors, sys.argv[1], {"cases": json.dumps(cases), "versions": json.dumps(versions)})
