"""Records Pillow's resizing of small pictures: python resize.py > src/image/goldens/resize.json

Needs Pillow (9.5.0, the reference's version) and numpy.
"""

import base64
import json

import numpy as np
import PIL
from PIL import Image

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}
SIZES = [((17, 11), (8, 23)), ((9, 14), (40, 14)), ((23, 7), (23, 3)), ((12, 12), (5, 31)), ((1, 6), (4, 4))]
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

rng = np.random.default_rng(20)
cases = []
for name, number in FILTERS.items():
    for channels, mode in MODES.items():
        for (width, height), (new_width, new_height) in SIZES:
            pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
            image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode)
            resized = np.asarray(image.resize((new_width, new_height), number))
            cases.append(
                {
                    "filter": name,
                    "channels": channels,
                    "width": width,
                    "height": height,
                    "newWidth": new_width,
                    "newHeight": new_height,
                    "source": base64.b64encode(pixels.tobytes()).decode(),
                    "expected": base64.b64encode(resized.tobytes()).decode(),
                }
            )
print(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=0))
