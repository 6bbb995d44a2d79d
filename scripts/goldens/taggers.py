"""What taggers see of a picture, by OpenCV and Pillow.

Run with numpy, Pillow and opencv-python-headless (made with 2.4.6, 13.0.0 and 5.0.0) from the root of the repository:
python scripts/goldens/taggers.py
Writes src/dataset/tagging/goldens/taggers.json: RGB pictures in base64, and inputs of models as numbers.
"""

import base64
import json
import pathlib

import cv2
import numpy as np
from PIL import Image

rng = np.random.default_rng(14)


def photo(width, height):
    coarse = rng.integers(0, 256, (height // 5 + 2, width // 5 + 2, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def white_square(array, least):
    height, width = array.shape[:2]
    side = max(height, width, least)
    top, left = (side - height) // 2, (side - width) // 2
    bottom, right = side - height - top, side - width - left
    return cv2.copyMakeBorder(array, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def wd(array, side):
    square = white_square(array[:, :, ::-1], side)
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)[None]


def cl(array, side):
    square = Image.fromarray(np.ascontiguousarray(white_square(array, 0)))
    pixels = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))
    return ((pixels[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / 255 - 0.5) / 0.5)[None]


record = []
for width, height in [(70, 53), (24, 96), (15, 10)]:
    array = photo(width, height)
    for family, prepare, side in [("wd", wd, 20), ("cl", cl, 18)]:
        values = prepare(array, side)
        record.append(
            {
                "family": family,
                "side": side,
                "width": width,
                "height": height,
                "rgb": base64.b64encode(array.tobytes()).decode(),
                "shape": list(values.shape),
                "input": [round(float(v), 5) for v in values.ravel()],
            }
        )
out = pathlib.Path("src/dataset/tagging/goldens")
out.mkdir(parents=True, exist_ok=True)
(out / "taggers.json").write_text(json.dumps(record) + "\n")
