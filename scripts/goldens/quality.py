"""Measures of pictures by OpenCV, Pillow and ImageHash on small drawn pictures.

Run with Pillow, numpy, opencv-python-headless and ImageHash (made with 13.0.0, 2.4.6, 5.0.0 and 4.3.2) from the root of
the repository: python scripts/goldens/quality.py
Writes src/dataset/quality/goldens/quality.json: pictures with their RGB pixels in base64 and what the libraries say.
"""

import base64
import io
import json
import pathlib

import cv2
import imagehash
import numpy as np
from PIL import Image, ImageDraw

rng = np.random.default_rng(6)


def scene(width, height, soft):
    """Shapes on a gradient, with a little noise, blurred where `soft`."""
    y, x = np.mgrid[0:height, 0:width]
    ground = np.stack([x * 255 / width, y * 255 / height, (x + y) * 120 / (width + height)], -1)
    image = Image.fromarray(np.uint8(ground))
    draw = ImageDraw.Draw(image)
    draw.rectangle([width * 0.15, height * 0.2, width * 0.45, height * 0.7], fill=(230, 40, 60))
    draw.ellipse([width * 0.5, height * 0.3, width * 0.85, height * 0.9], fill=(20, 30, 200), outline=(250, 250, 250))
    draw.line([0, height, width, 0], fill=(255, 255, 0), width=2)
    array = np.clip(np.asarray(image).astype(float) + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(array, (0, 0), soft) if soft else array


def jpeg(array, quality):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(file).convert("RGB"))


def measures(name, array):
    image = Image.fromarray(array)
    grey = np.asarray(image.convert("L"))
    corners = cv2.goodFeaturesToTrack(grey, 100, 0.04, min(grey.shape) * 0.06, useHarrisDetector=False)
    histogram = np.bincount(grey.ravel(), minlength=256) / grey.size
    used = histogram[histogram > 0]
    return {
        "name": name,
        "width": image.width,
        "height": image.height,
        "rgb": base64.b64encode(array.tobytes()).decode(),
        "phash": str(imagehash.phash(image)),
        "laplacianVariance": float(cv2.Laplacian(grey, cv2.CV_64F).var()),
        "canny": base64.b64encode(np.packbits(cv2.Canny(grey, 100, 200).ravel() > 0).tobytes()).decode(),
        "corners": corners.reshape(-1, 2).astype(int).tolist(),
        "entropy": float(-(used * np.log2(used)).sum()),
        "percentiles": [float(np.percentile(grey, p)) for p in (1, 5, 50, 95, 99)],
        "lab": (np.float64(cv2.cvtColor(array, cv2.COLOR_RGB2LAB)).reshape(-1, 3).mean(0) - [0, 128, 128]).tolist(),
        "saturation": float(cv2.cvtColor(array, cv2.COLOR_RGB2HSV)[..., 1].mean()),
    }


sharp = scene(96, 64, 0)
record = [
    measures("sharp", sharp),
    measures("soft", scene(64, 88, 2.5)),
    measures("jpeg", jpeg(sharp, 12)),
    measures("half size", np.asarray(Image.fromarray(sharp).resize((48, 32), Image.Resampling.LANCZOS))),
]
out = pathlib.Path("src/dataset/quality/goldens")
out.mkdir(parents=True, exist_ok=True)
(out / "quality.json").write_text(json.dumps(record) + "\n")
