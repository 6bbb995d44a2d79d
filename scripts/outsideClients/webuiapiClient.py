"""Drives a server with webuiapi from PyPI, unmodified, and says what it got.

usage: pip install webuiapi; webuiapiClient.py HOST PORT
"""

import sys
import threading
import time

import webuiapi
from PIL import Image, ImageDraw

host, port = sys.argv[1], int(sys.argv[2])
api = webuiapi.WebUIApi(host=host, port=port, sampler="Euler a", steps=3)
small = {"width": 64, "height": 64}


def check(name, condition):
    print(f"{'ok' if condition else 'FAILED'}  {name}", flush=True)
    if not condition:
        sys.exit(1)


result = api.txt2img(prompt="a cat", negative_prompt="dog", seed=1003, cfg_scale=7, **small)
check("txt2img", result.image.size == (64, 64) and result.info["seed"] == 1003)
source = result.image
again = api.txt2img(prompt="a cat", negative_prompt="dog", seed=1003, cfg_scale=7, **small)
check("txt2img gives the same picture again", again.image.tobytes() == source.tobytes())

result = api.img2img(images=[source], prompt="a dog", seed=5, cfg_scale=6.5, denoising_strength=0.6, **small)
check("img2img", result.image.size == (64, 64))
mask = Image.new("RGB", source.size, "black")
ImageDraw.Draw(mask).ellipse((16, 16, 48, 48), fill="white")
result = api.img2img(
    images=[source], mask_image=mask, inpainting_fill=1, inpaint_full_res=False, prompt="a bird", seed=7, **small
)
check("inpainting keeps what is outside", result.image.getpixel((0, 0)) == source.convert("RGB").getpixel((0, 0)))

result = api.extra_single_image(image=source, upscaler_1="Lanczos", upscaling_resize=1.5)
check("extra_single_image", result.image.size == (96, 96))
result = api.extra_batch_images(images=[source, source], upscaler_1="Nearest", upscaling_resize=2)
check("extra_batch_images", [each.size for each in result.images] == [(128, 128)] * 2)
check("png_info", "a cat" in api.png_info(source).info)

before = api.get_options()["CLIP_stop_at_last_layers"]
api.set_options({"CLIP_stop_at_last_layers": 2})
check("set_options", api.get_options()["CLIP_stop_at_last_layers"] == 2)
api.set_options({"CLIP_stop_at_last_layers": before})
check("lists", all([api.get_samplers(), api.get_sd_models(), api.get_upscalers(), api.get_cmd_flags()]))
check("scripts", "x/y/z plot" in api.get_scripts()["txt2img"])
check("util_get_current_model", isinstance(api.util_get_current_model(), str))

long = threading.Thread(target=lambda: results.append(api.txt2img(prompt="a cat", steps=400, seed=1, **small)))
results = []
long.start()
seen = 0.0
for _ in range(600):
    seen = max(seen, api.get_progress()["progress"])
    if seen > 0.02:
        break
    time.sleep(0.1)
check("get_progress", 0 < seen <= 1)
api.interrupt()
long.join()
check("interrupt gives what there is", len(results) == 1 and results[0].image.size == (64, 64))

result = api.txt2img(
    prompt="a cat",
    seed=1,
    script_name="X/Y/Z plot",
    script_args=[4, "1,2", [], 0, "", [], 0, "", [], True, True, False, False, False, False, False, 0, True],
    **small,
)
check("X/Y/Z plot", len(result.images) == 3)
result = api.txt2img(prompt="a cat", seed=1, alwayson_scripts={"refiner": {"args": [False, "", 0.8]}}, **small)
check("alwayson_scripts", result.image.size == (64, 64))
