"""Records what the reference's two tokenizers make of difficult prompts, for src/text/goldens/tokens.json.

clip: transformers' Python CLIPTokenizer with ftfy installed, as stable-diffusion-webui 1.10 has it.
openclip: open_clip's SimpleTokenizer.

Usage: python tokens.py CLIP_TOKENIZER_FOLDER OUT.json
Versions: transformers 4.30.2, ftfy 6.3.1, open-clip-torch 2.20.0 (its tokenizer file is loaded by itself).
"""

import importlib.util
import json
import random
import sys
from pathlib import Path

from transformers import CLIPTokenizer

folder, out = sys.argv[1:3]
clip = CLIPTokenizer.from_pretrained(folder)
path = Path(importlib.util.find_spec("open_clip").submodule_search_locations[0]) / "tokenizer.py"


def open_clip_tokenizer():
    """open_clip/tokenizer.py alone: the package around it would want torchvision and more."""
    sys.modules.setdefault("torch", type(sys)("torch"))
    sys.modules["torch"].LongTensor = object
    sys.modules["torch"].Tensor = object
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()


openclip = open_clip_tokenizer()

written = [
    "", " ", "a photo of a cat", "  a   cat ,,  dog  ", "A RED CAR, Ultra-HD 4K!!! 1girl",
    "it's a cat's toy... don't; we're: 50% #1 & more", "I'LL they'Ve he'D i'm 'TIS rock'n'roll", "'s't're've'm'll'd",
    "1234567890 8k 35mm f/1.8", "a <cat> <b>bold</b> &amp; &lt;", "fish &amp; chips &eacute; &EACUTE; &hellip;",
    "&amp;amp; &amp;lt;b &copy &notit; &#65; &#x41; &#128; &#0; &#x1F600; &#xD800; &nope; &ampx",
    "one &amp; two\nthree < four &amp; five\nsix &amp; seven", "un café 猫 in the “garden” — naïve ☃", "cat 😀 dog",
    "👨‍👩‍👧‍👦 family 🇨🇳 flag 👍🏽", "❤️‍🔥", "zero\u200bwidth\u200cnon\u200djoiner \u2060 soft\u00adhyphen",
    "ｆｕｌｌ　ｗｉｄｔｈ，（１２３）！", "ｶﾞｷﾞ ﾊﾝｶｸ", "ﬁne ﬂow eﬀort ﬃx ﬅ ﬆ ĳ ǆ", "‘single’ “double” „low‚ ‛odd‟ ʼn ŉ",
    "line\r\nbreak\rold\u2028sep\u2029para\u0085next", "tab\tand\u000bvertical\u000cform", "nul\u0000bell\u0007esc\u001b[31mred\u001b[0m",
    "\ufeffbom \ufffd replacement \ufffc object", "combining e\u0301 a\u030a n\u0303 \u1e9b\u0323", "İstanbul ISTANBUL ıI ẞß ΣΑΣ ΟΔΟΣ",
    "Привет, мир! Ёлка", "Ελληνικά ψ", "עִבְרִית שלום", "العربية مرحبا ١٢٣", "हिन्दी नमस्ते ४५", "ไทย สวัสดี", "한국어 안녕하세요",
    "日本語のテキスト、縦書き。", "一个女孩，长发，高质量，杰作", "大师作品,最佳质量,(猫:1.3)", "漢字かな交じり文", "𝓯𝓪𝓷𝓬𝔂 𝕥𝕖𝕩𝕥 ①②③ Ⅻ ½ x² H₂O",
    "cafÃ© naÃ¯ve l’Ã©tÃ©", "â€œquotedâ€\u009d â€“ dash", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "çŒ« æ—¥æœ¬", "CAFÉ… “VOILÀ”", "25Â°C Â£5", "Ã",
    "<|startoftext|>", "a<|endoftext|>b", "<|STARTOFTEXT|> <|EndOfText|>", "<start_of_text> a <end_of_text>", "<START_OF_TEXT>",
    "<|endoftext|><|endoftext|>x<|startoftext|>", "a <|endoftext|", "snake_case camelCase kebab-case", "__init__ ___ _a_ a_", "---===+++///\\\\\\",
    "....,,,,;;;;::::", "!!!???", "\"'\"'", "`~@#$%^&*()_+-=[]{}|;':\",./<>?", "a.b,c;d:e/f", "(masterpiece:1.2), [lowres], {best}",
    "http://example.com/path?query=1&x=2#frag", "user@example.com", "C:\\Users\\name", "3.14159e-10", "1,000,000.00", "0x1F", "v1.5-pruned",
    "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "abababababababababababababab", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "qwrtpsdfghjklzxcvbnm", "the" * 40, "x" * 300, "é" * 50, "猫" * 40,
    "😀" * 20, "1" * 50, "!" * 50, "a b " * 60, ", ".join(["cat"] * 80), "tinyemb negtiny TinyEmb", "BREAK AND break and", "don’t can’t it’s we’re",
    "l'été d’hiver", "¿Qué? ¡Sí! ñandú", "Größe STRASSE straße", "smörgåsbord Ærø Łódź", "Việt Nam tiếng", "ǅ ǈ", "ⅷ ⓐ ㋿ ㎏ ﷺ",
]

random.seed(20240727)
pieces = (
    list("abcdefgzABCXYZ0123456789.,;:!?'\"()[]{}<>|/\\-_+=*&^%$#@~` \n\t")
    + ["'s", "'S", "'re", "’s", "cat", "dog", "photo", "masterpiece", "8k", " ", " ", "  ", "é", "É", "ñ", "ü", "ß", "İ", "ſ", "Σ"]
    + ["猫", "日本", "カ", "ﾞ", "한", "я", "Ж", "ع", "ת", "ไ", "½", "²", "Ⅳ", "٣", "😀", "👍🏽", "\u200d", "\ufe0f", "\u0301", "\u00a0", "\u3000"]
    + ["“", "”", "‘", "…", "—", "ﬁ", "Ａ", "１", "，", "&amp;", "&lt;", "&eacute;", "&copy", "&#65;", "<|endoftext|>", "\u001c"]
)
random_prompts = ["".join(random.choice(pieces) for _ in range(random.randint(1, 24))) for _ in range(400)]

cases = []
for text in written + random_prompts:
    cases.append({"text": text, "clip": clip(text, add_special_tokens=False)["input_ids"], "openclip": openclip.encode(text)})

with open(out, "w", encoding="utf-8") as file:
    file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
