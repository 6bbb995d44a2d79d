"""Records how transformers' BertTokenizer reads and writes text by the vocabulary of assets/bert-vocabulary.txt.

Run with transformers 5.24.0 from the root of the repository: python scripts/goldens/wordPieces.py
Writes src/text/goldens/wordPieces.json: texts with their tokens, and tokens with the text they stand for.
"""

import json
import pathlib

from transformers import BertTokenizer

tokenizer = BertTokenizer("assets/bert-vocabulary.txt", do_lower_case=True)
texts = [
    "a picture of ",
    "A Picture of\ttwo  dogs,running!",
    "unaffable embroideries of bokeh",
    "Crème brûlée à la naïve façade",
    "İstanbul Straße ﬁne",
    "一只猫 sits on 桌子。",
    "it's the dog's don't-know $5.00 (approx.) `x^2~y|z`",
    "zero\u200bwidth\u00a0space\u0000null\ufffd control\u0007",
    "emoji 😀 and ½ ٣ cafe\u0301",
    "日本語のカタカナ 한국어",
    "x" * 101 + " " + "y" * 100,
    "",
]
written = [
    "a man's hat , isn't it ? no . yes !",
    "two dogs don ' t know they ' ve been unaffable",
    "i ' m sure he ' s here and we ' re not",
    "a sign that says \" hello - world \" ( 1 / 2 )",
]
record = {
    "read": [{"text": text, "tokens": tokenizer.encode(text, add_special_tokens=False)} for text in texts],
    "written": [],
}
for text in written:
    tokens = [101, *tokenizer.encode(text, add_special_tokens=False), 102, 0]
    back = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=True)
    record["written"].append({"tokens": tokens, "text": back})
path = pathlib.Path("src/text/goldens/wordPieces.json")
path.write_text(json.dumps(record, ensure_ascii=True) + "\n")
print(len(record["read"]), "texts")
