"""Writes assets/letters.json: outlines of the letters that grids are labelled with, from DejaVu Sans.

usage: letterShapes.py /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
"""

import json
import sys
from pathlib import Path

from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont

font = TTFont(sys.argv[1])
names = font.getBestCmap()
glyphs = font.getGlyphSet()
units = font["head"].unitsPerEm
ranges = [(0x20, 0x7E), (0xA0, 0x17F), (0x391, 0x3C9), (0x410, 0x44F), (0x2010, 0x2026), (0x2190, 0x2193)]
scale = 1000 / units

letters = {}
for first, last in ranges:
    for code in range(first, last + 1):
        name = names.get(code)
        if name is None:
            continue
        pen = SVGPathPen(glyphs, ntos=lambda v: str(round(v)))
        glyphs[name].draw(TransformPen(pen, (scale, 0, 0, -scale, 0, 0)))
        letters[chr(code)] = [round(glyphs[name].width * scale), pen.getCommands()]

hhea = font["hhea"]
out = {"ascent": round(hhea.ascent * scale), "descent": round(-hhea.descent * scale), "letters": letters}
path = Path(__file__).parent.parent / "assets" / "letters.json"
lines = ",\n".join(f"{json.dumps(k, ensure_ascii=False)}:{json.dumps(v)}" for k, v in letters.items())
path.write_text(f'{{"ascent":{out["ascent"]},"descent":{out["descent"]},"letters":{{\n{lines}\n}}}}\n', encoding="utf8")
