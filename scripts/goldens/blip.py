"""Records what a small BLIP sees in a picture and writes about it, as transformers' BlipForConditionalGeneration does.

    python scripts/goldens/blip.py src/models/goldens/blip.safetensors

Written with transformers 5.24.0 and torch 2.15.0 (CPU, float32). Weights and pictures are functions of their names
(numbered.py), so the file has results alone. Its metadata `cases` holds for each layout of names ("salesforce" as the
checkpoint was first published, "transformers") the names and shapes of a model file; `captions` the token ids of
searches and what they were asked.
"""

import json
import sys

import torch
from numbered import numbers, weight
from safetensors.torch import save_file
from transformers import BlipConfig, BlipForConditionalGeneration
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

WORDS = 60
BOS = WORDS
# Tokens that end a sentence are those that these weights come to early in some searches and late in others.
LAYOUTS = {
    "salesforce": {"epsilon": 1e-6, "is_tied": False, "sep": 55},
    "transformers": {"epsilon": 1e-5, "is_tied": True, "sep": 20},
}
# Heads are 64 wide in every BLIP that was published; widths differ so that no dimension can stand for another.
text = {
    "hidden_size": 128,
    "encoder_hidden_size": 192,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 40,
    "vocab_size": WORDS + 2,
    "bos_token_id": BOS,
    "pad_token_id": 0,
    "layer_norm_eps": 1e-12,
}
vision = {
    "hidden_size": 192,
    "intermediate_size": 224,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "image_size": 32,
    "patch_size": 8,
}

renamed = [
    ("vision_model.embeddings.class_embedding", "visual_encoder.cls_token"),
    ("vision_model.embeddings.position_embedding", "visual_encoder.pos_embed"),
    ("vision_model.embeddings.patch_embedding.", "visual_encoder.patch_embed.proj."),
    ("vision_model.post_layernorm.", "visual_encoder.norm."),
    ("vision_model.encoder.layers.", "visual_encoder.blocks."),
    (".layer_norm1.", ".norm1."),
    (".layer_norm2.", ".norm2."),
    (".self_attn.qkv.", ".attn.qkv."),
    (".self_attn.projection.", ".attn.proj."),
]


def salesforce(name):
    for ours, theirs in renamed:
        if name.startswith("vision_model") or name.startswith("visual_encoder"):
            name = name.replace(ours, theirs)
    return name


tensors, cases = {}, {}
for layout, facts in LAYOUTS.items():
    rename = salesforce if layout == "salesforce" else lambda name: name
    config = BlipConfig(
        text_config=text | {"sep_token_id": facts["sep"], "tie_word_embeddings": facts["is_tied"]},
        vision_config=vision | {"layer_norm_eps": facts["epsilon"]},
        tie_word_embeddings=facts["is_tied"],
    )
    model = BlipForConditionalGeneration(config).eval()
    head = "text_decoder.cls.predictions"
    # The head's bias has two names, and its weight may be the table of words; a file then holds one of them.
    tied = {f"{head}.decoder.bias": f"{head}.bias"}
    if facts["is_tied"]:
        tied[f"{head}.decoder.weight"] = "text_decoder.bert.embeddings.word_embeddings.weight"
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: weight(rename(tied.get(name, name)), shape) for name, shape in shapes.items()})
    pixels = torch.from_numpy(numbers("picture", (1, 3, 32, 32)))
    prompt = [BOS, 5, 9, 30]
    captions = []
    with torch.no_grad():
        image = model.vision_model(pixels).last_hidden_state
        mask = torch.ones(image.shape[:-1], dtype=torch.long)
        logits = model.text_decoder(
            torch.tensor([[*prompt, 17, 41]]), encoder_hidden_states=image, encoder_attention_mask=mask
        ).logits
        for asked in [
            {"num_beams": 1, "min_length": 5, "max_length": 30, "repetition_penalty": 1.0},
            {"num_beams": 1, "min_length": 24, "max_length": 30, "repetition_penalty": 1.0},
            {"num_beams": 1, "min_length": 5, "max_length": 30, "repetition_penalty": 1.5},
            {"num_beams": 3, "min_length": 5, "max_length": 30, "repetition_penalty": 1.0},
            {"num_beams": 4, "min_length": 12, "max_length": 20, "repetition_penalty": 1.3},
            {"num_beams": 2, "min_length": 5, "max_length": 8, "repetition_penalty": 1.0},
        ]:
            ids = model.generate(pixels, torch.tensor([[*prompt, facts["sep"]]]), do_sample=False, **asked)
            captions.append(asked | {"ids": ids[0].tolist()})
            print(layout, asked, ids[0].tolist())
    tensors[f"{layout} image"] = image.contiguous()
    tensors[f"{layout} logits"] = logits.contiguous()
    stored = {rename(name): shape for name, shape in shapes.items() if name not in tied}
    cases[layout] = {"weights": stored, "sep": facts["sep"], "prompt": prompt, "captions": captions}

# What is left of a token's chances before one is drawn: after the penalty, the best 50, then the nucleus.
seen = torch.tensor([[BOS, 5, 9, 30, 17]])
scores = torch.from_numpy(numbers("chances", (1, WORDS + 2))) * 6
for step in [RepetitionPenaltyLogitsProcessor(1.1), TopKLogitsWarper(50), TopPLogitsWarper(0.9)]:
    scores = step(seen, scores)
tensors["nucleus"] = scores.softmax(-1)

save_file(tensors, sys.argv[1], {"cases": json.dumps(cases)})
