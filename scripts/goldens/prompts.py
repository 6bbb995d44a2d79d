"""Records what stable-diffusion-webui itself makes of prompts, as a black box, for src/text/goldens/.

syntax.json  schedules, emphasis, AND, comments and extra-network tags of written and random prompts
chunks.json  tokens, weights and embedding places of 75-token chunks, new and old emphasis
styles.json  styles applied to and found in prompts
pixels.json  a textual-inversion embedding hidden in a picture's pixels

Its grammar for schedules is ambiguous where brackets are unbalanced, and it then decides by the order of a
hash table: such prompts are asked for under several hash seeds, and dropped where the answers differ.

Usage: python prompts.py WEBUI_FOLDER CLIP_TOKENIZER_FOLDER OUT_FOLDER
Versions: stable-diffusion-webui 1.10.1, lark 1.1.2, torch 2, transformers (any with CLIP's tokenizer), numpy, pillow.
"""

import json
import os
import random
import subprocess
import sys
import types
from pathlib import Path

webui, clip_folder, out = sys.argv[1:4]
sys.path.insert(0, webui)


class Anything(types.ModuleType):
    """Stands for the parts of the program that prompts do not need."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)

    def __call__(self, *args, **kwargs):
        return self


class Options:
    emphasis = "Original"
    comma_padding_backtrack = 20

    def __getattr__(self, name):
        return None


import modules  # noqa: E402

options = Options()
shared = Anything("modules.shared")
shared.opts = options
shared.options_templates = {}
shared.options_section = lambda *args, **kwargs: {}
scripts = Anything("modules.scripts")
scripts.Script = object
stubs = {"shared": shared, "scripts": scripts}
for name in ["devices", "sd_hijack", "errors", "script_callbacks"]:
    stubs[name] = Anything("modules." + name)
for name, stub in stubs.items():
    sys.modules["modules." + name] = stub
    setattr(modules, name, stub)

from modules import extra_networks, prompt_parser  # noqa: E402
from modules.processing_scripts.comments import strip_comments  # noqa: E402

atoms = (
    ["a", "b", "cat", "dog ", " ", "\n", "[", "]", "(", ")", "[", "]", "(", ")", ":", ":", ":", "|", "|", ",", "\\", "\\(", "\\\\", "0", "1", "3"]
    + ["0.5", "2.", ".25", "-3", "1e0", "+4", " BREAK ", "BREAK", "AND", " AND ", "é", "猫", "\t", "1.2", "<lora:x:1>", "#", "\u3000", "٣", "_"]
)
groups = ["[a:b:3]", "[a|b]", "[x:2]", "[y::4]", "(c:1.3)", "((d))", "[[e]]", "[|f]", "[g:h:0.3]", "[ i : j : 0.25 ]", "(:1.1)", "[:]", "[::2]", "[k:1.5]"]
written = [
    "", "a red car", "a [b:3]", "a[b:[c:d:2]:1]e", "[(a:2):3]", "a [[[b]]:2]", "((a][:b:c [d:3]", "a [b:.5] c", "a [b : c : 1] d",
    "a | b [c:d:3]", "{a|b} [c:d:2]", "(a|b)", "[a|b:3]", "a: b [c:d:3]", "[a:b:3", "\\[a:b:3\\] [c:d:2]", "[a:b:-3]", "[a:b:0]", "[a:b:25]",
    "[a:b:1.0]", "[a:b:1e0]", "[fe|]male", "[|b]", "[a|b|c|d]", "[[a|b]|[c|d]]", "[a:b:1.5]", "[a:b:1.25][c:d:1.75][e:f:12]",
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", "(a:1.2.3)", "(a : 1.5 )", "(a:+.5)(b:-1)", "a\\b\\(c\\)\\\\d", "((a (b:1.2 [c", "a) b] c:1.2)",
    "x BREAK y", "xBREAK y BREAK", "(x BREAK y)", "(BREAK:1)", "a:BREAK:b", "BREAK BREAK", "a cat :1.2 AND a dog :-0.5 AND (x:1.3)", "aAND b AND_c AND d",
    "AND", "a AND AND b:2", "a:1:2 AND b : .5 ", "a # note", "# whole\nline", "a\n# one\n# two\nb", "a#b\nc#d", "<lora:a:1> x <lyco:b:0.5:te=1:unet=0:dyn=8>",
    "<lora:x:> <:y> <b> <hypernet:h> <lora:a b:1> <é:ü:1=2=3>", "<lora:line\nbreak:1>", "a\\", "\\\nb [c:d:2]", "[a:b:٣]", "[a:b: 3 ][c:d:3 4]",
]


def random_prompt(depth=0):
    parts = []
    for _ in range(random.randint(0, 8)):
        kind = random.random()
        if kind < 0.5:
            parts.append(random.choice(atoms))
        elif kind < 0.75:
            parts.append(random.choice(groups))
        elif depth < 3:
            number = random.choice(["1", "3", "0.5", "5", "9", "0.9", "-1", "12", "1.5"])
            form = random.choice(["[{0}:{1}:{n}]", "[{0}:{n}]", "[{0}|{1}]", "[{0}|{1}|{2}]", "({0}:{n})", "({0})", "[{0}]"])
            parts.append(form.format(*(random_prompt(depth + 1) for _ in range(3)), n=number))
    return "".join(parts)


def attempt(function, *args):
    try:
        return function(*args)
    except (ValueError, OverflowError):
        return None


def schedule(text, steps, hires=None, old=False):
    return attempt(prompt_parser.get_learned_conditioning_prompt_schedules, [text], steps, hires, old)[0]


def composition(text):
    indices, flat, _ = prompt_parser.get_multicond_prompt_list([text])
    return [[flat[i], weight] for i, weight in indices[0]]


def networks(text):
    text, found = extra_networks.parse_prompt(text)
    return {"text": text, "networks": {kind: [[p.positional, p.named] for p in params] for kind, params in found.items()}}


def syntax():
    random.seed(1)
    cases = []
    for text in written + [random_prompt() for _ in range(130)]:
        steps = random.choice([1, 4, 10])
        cases.append({
            "text": text,
            "steps": steps,
            "schedule": schedule(text, steps),
            "hires": schedule(text, steps, 7),
            "old": schedule(text, steps, 7, True),
            "emphasis": attempt(prompt_parser.parse_prompt_attention, text),
            "and": composition(text),
            "comments": strip_comments(text),
            "networks": networks(text),
        })
    return cases


def write(name, cases):
    with open(Path(out) / name, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases) + "\n]\n")


def agreed_syntax():
    runs = [
        json.loads(subprocess.run([sys.executable, __file__, *sys.argv[1:4], "syntax"], env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True, check=True).stdout)
        for seed in range(6)
    ]
    return [cases[0] for cases in zip(*runs) if all(case == cases[0] for case in cases)]


def chunks():
    import torch
    from transformers import AutoTokenizer

    from modules import sd_hijack_clip, sd_hijack_clip_old

    whole = AutoTokenizer.from_pretrained(clip_folder)

    class tokenizer:
        """The little of a tokenizer that is asked for; the text of an overflow is not of interest."""

        bos_token_id = whole.bos_token_id
        eos_token_id = whole.eos_token_id
        get_vocab = whole.get_vocab
        convert_tokens_to_string = staticmethod(lambda tokens: "")

        def __new__(cls, texts, truncation=False, add_special_tokens=False):
            return whole(texts, truncation=truncation, add_special_tokens=add_special_tokens)

    class Embedding:
        shorthash = None

        def __init__(self, name, vectors):
            self.name = name
            self.vec = torch.zeros(vectors, 1)
            self.vectors = vectors
            self.ids = tokenizer(name, add_special_tokens=False)["input_ids"]

        def checksum(self):
            return ""

    class Database:
        embeddings = sorted([Embedding(*e) for e in embeddings], key=lambda e: -len(e.ids))

        def find_embedding_at_position(self, tokens, offset):
            for embedding in self.embeddings:
                if tokens[offset : offset + len(embedding.ids)] == embedding.ids:
                    return embedding, len(embedding.ids)
            return None, None

    class Wrapped(torch.nn.Module):
        max_length = 77

        def __init__(self):
            super().__init__()
            self.tokenizer = tokenizer

    hijack = types.SimpleNamespace(embedding_db=Database(), comments=[], extra_generation_params={})
    model = sd_hijack_clip.FrozenCLIPEmbedderWithCustomWords(Wrapped(), hijack)

    def record(tokens, weights, fixes):
        runs = []
        for weight in weights:
            if runs and runs[-1][0] == weight:
                runs[-1][1] += 1
            else:
                runs.append([weight, 1])
        used = len(tokens)
        while used > 1 and tokens[used - 1] == 49407:
            used -= 1
        return {"tokens": tokens[:used], "weights": runs, "fixes": fixes}

    def new(text):
        result, count = model.tokenize_line(text)
        return {"count": count, "chunks": [record(c.tokens, c.multipliers, [[f.offset + 1, f.embedding.name] for f in c.fixes]) for c in result]}

    def old(text):
        weights, tokens, _, _, fixes, count = sd_hijack_clip_old.process_text_old(model, [text])
        return {"count": count, "chunks": [record(tokens[0], weights[0], [[offset + 1, e.name] for offset, e in fixes[0]])]}

    words = "cat dog house tree river mountain road masterpiece photograph shiny detailed illustration tinyemb negtiny tiny TinyEmb".split()
    random.seed(2)
    texts = ["", "a tinyemb (cat:1.2) BREAK x", "a cat, " + "dog " * 70 + "tinyemb bird, y", "a (red car:1.4), ((blue)) [road]", "BREAK BREAK a", "wide " * 4, "cat " * 73 + "negtiny dog", "()[](([ ):) (8) x", "a" + " (b)" * 40]
    for _ in range(70):
        text = ""
        for _ in range(random.randint(1, 130)):
            word = random.choice(words)
            form = random.random()
            if form < 0.08:
                word = f"({word}:{random.choice(['1.1', '0.5', '-0.3', '2'])})"
            elif form < 0.12:
                word = random.choice(["(({}))", "[{}]", "({}"]).format(word)
            elif form < 0.13:
                word += " BREAK"
            text += word + random.choice([" "] * 5 + [", "] * random.choice([0, 1, 2]))
        texts.append(text)
    cases = []
    for text in texts:
        options.comma_padding_backtrack = random.choice([20, 20, 0, 60, 5])
        options.emphasis = random.choice(["Original", "Original", "Ignore", "No norm", "None"])
        cases.append({"text": text, "backtrack": options.comma_padding_backtrack, "emphasis": options.emphasis, "new": new(text), "old": old(text)})
    return cases


embeddings = [["tinyemb", 2], ["negtiny", 5], ["tiny", 1], ["wide", 70]]


def styles():
    from modules import styles

    random.seed(3)
    pool = ["b", "masterpiece, best quality", "a photo of {prompt}, sharp", "{prompt}", "", "{prompt} and {prompt}", "b, c", " spaced ", "quality", "x {prompt}"]
    prompts = ["a", "", "a cat", " a cat ", "a, b", "b", "a photo of a cat, sharp"]
    cases = []
    for _ in range(120):
        chosen = [styles.PromptStyle(f"s{i}", random.choice(pool), random.choice(pool)) for i in range(random.randint(1, 3))]
        database = styles.StyleDatabase.__new__(styles.StyleDatabase)
        database.styles = {style.name: style for style in chosen}
        database.no_style = styles.PromptStyle("None", "", "", None)
        names = [style.name for style in chosen]
        prompt, negative = random.choice(prompts), random.choice(prompts)
        applied = database.apply_styles_to_prompt(prompt, names), database.apply_negative_styles_to_prompt(negative, names)
        cases.append({
            "styles": [[s.name, s.prompt, s.negative_prompt] for s in chosen],
            "prompt": prompt,
            "negative": negative,
            "applied": applied,
            "extracted": database.extract_styles_from_prompt(*applied),
            "found": database.extract_styles_from_prompt(prompt, negative),
        })
    return cases


def pixels():
    import numpy
    import torch
    from PIL import Image

    from modules.textual_inversion import image_embedding

    generator = torch.Generator().manual_seed(4)
    vectors = torch.round(torch.rand(3, 8, generator=generator) * 2 - 1, decimals=3)
    data = {"string_to_param": {"*": vectors}, "name": "pixelated", "step": 7}
    gradient = numpy.add.outer(numpy.arange(64), numpy.arange(48)) % 200 + 40
    picture = Image.fromarray(numpy.stack([gradient] * 3, -1).astype(numpy.uint8))
    hidden = image_embedding.insert_image_data_embed(picture, data)
    return [{
        "width": hidden.width,
        "height": hidden.height,
        "rgb": __import__("base64").b64encode(hidden.convert("RGB").tobytes()).decode(),
        "text": image_embedding.embedding_to_b64(data).decode(),
        "vectors": vectors.tolist(),
    }]


if sys.argv[4:] == ["syntax"]:
    json.dump(syntax(), sys.stdout)
else:
    write("syntax.json", agreed_syntax())
    write("chunks.json", chunks())
    write("styles.json", styles())
    write("pixels.json", pixels())
