"""Records picture arithmetic of Pillow, OpenCV and scikit-image on small noise: python pictures.py > src/image/goldens/pictures.json

Needs Pillow 9.5.0, numpy, opencv-python-headless 4.9 and scikit-image 0.21.
"""

import base64
import io
import json

import cv2
import numpy as np
import PIL
import skimage
from PIL import Image, ImageChops, ImageFilter, ImageOps
from skimage.exposure import match_histograms

WIDTH, HEIGHT = 23, 17
rng = np.random.default_rng(22)


def noise(channels):
    return rng.integers(0, 256, (HEIGHT, WIDTH, channels), dtype=np.uint8)


def record(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def premultiplied_paste(image, mask):
    """What stays of an RGB image outside a mask, in Pillow's premultiplied mode."""
    canvas = Image.new("RGBa", image.size)
    canvas.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    return canvas


first = Image.fromarray(noise(4), "RGBA")
second = Image.fromarray(noise(4), "RGBA")
rgb = Image.fromarray(noise(3), "RGB")
other = Image.fromarray(noise(3) // 2, "RGB")
hard = Image.fromarray(np.uint8(np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) > 18) * 255)
mask = hard.filter(ImageFilter.GaussianBlur(2))

over_color = Image.new("RGBA", first.size, "#12ef80")
over_color.paste(first, mask=first)
mixed = first.copy()
mixed.paste(second, mask=mask)

# Colour bleeding into the masked part: blurs of what is outside, the coarsest at the bottom.
outside = premultiplied_paste(rgb, mask)
filled = Image.new("RGBA", rgb.size)
for radius, repeats in ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1)):
    layer = outside.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
    for _ in range(repeats):
        filled.alpha_composite(layer)

# A picture's edge rows and columns resized from a box of no height or width.
edges = {
    "above": rgb.resize((WIDTH, 1), box=(0, 0, WIDTH, 0)),
    "below": rgb.resize((WIDTH, 1), box=(0, HEIGHT, WIDTH, HEIGHT)),
    "before": rgb.resize((1, HEIGHT), box=(0, 0, 0, HEIGHT)),
    "after": rgb.resize((1, HEIGHT), box=(WIDTH, 0, WIDTH, HEIGHT)),
}

ink = io.BytesIO()
rgb.convert("CMYK").save(ink, "jpeg", quality=90)

sigmas = (0.3, 1, 2, 4, 8, 33)
grey = noise(1)[:, :, 0]
print(
    json.dumps(
        {
            "versions": {"pillow": PIL.__version__, "opencv": cv2.__version__, "skimage": skimage.__version__},
            "width": WIDTH,
            "height": HEIGHT,
            "first": record(first),
            "second": record(second),
            "rgb": record(rgb),
            "other": record(other),
            "mask": record(mask),
            "grey": record(grey),
            "inkJpeg": base64.b64encode(ink.getvalue()).decode(),
            "inkAsLight": record(Image.open(ink).convert("RGB")),
            "luma": record(rgb.convert("L")),
            "inverted": record(ImageChops.invert(rgb)),
            "flattened": record(over_color.convert("RGB")),
            "alphaComposite": record(Image.alpha_composite(first, second)),
            "mixed": record(mixed),
            "overlay": record(premultiplied_paste(rgb, mask).convert("RGBA")),
            "filled": record(filled.convert("RGB")),
            "edges": {name: record(edge) for name, edge in edges.items()},
            "pillowBlur": [
                {"sigma": s, "expected": record(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(s)))}
                for s in (*sigmas, 256)
            ],
            "opencvBlur": [
                {
                    "sigma": s,
                    "across": record(cv2.GaussianBlur(grey, (2 * int(2.5 * s + 0.5) + 1, 1), s)),
                    "down": record(cv2.GaussianBlur(grey, (1, 2 * int(2.5 * s + 0.5) + 1), s)),
                }
                for s in sigmas
            ],
            "toLab": record(cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2LAB)),
            "fromLab": record(cv2.cvtColor(np.asarray(rgb), cv2.COLOR_LAB2RGB)),
            "matched": record(match_histograms(np.asarray(rgb), np.asarray(other), channel_axis=2)),
        },
        indent=0,
    )
)
