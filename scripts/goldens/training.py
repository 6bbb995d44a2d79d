"""Trims recordings of kohya-ss/sd-scripts (rev 48d368fa, CPU, float32; a folder of runs, vectors, tools and a dataset, as its
README describes) to what the tests read: python training.py <recordings> <test/golden-training>.

Of a network's gradients and later parameters every sixth module is kept, of its beginning all that is not zero. A file that
equals another run's is stored once, under the name of the first.
"""
import hashlib
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

source, target = Path(sys.argv[1]), Path(sys.argv[2])
BATCH = ["latents", "noise", "noise_base", "extra_randn0", "timesteps", "input_ids", "loss_weights", "loss_per_sample"]
BATCH += ["loss_per_sample_before_weighting", "loss", "alpha_masks"]
STEP = ["captions", "flipped", "timesteps", "loss", "global_step", "epoch", "logs", "grad_norm_before_clip", "target_hw"]


def load(path):
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}


def every_sixth(tensors):
    modules = sorted({key.split(".")[0] for key in tensors})[::6]
    return {key: x for key, x in tensors.items() if key.split(".")[0] in modules and not key.endswith(".alpha")}


def resolve(run, name):
    path = run / name
    same = run / "same_as.json"
    if not path.exists() and same.exists():
        other = json.loads(same.read_text()).get(name)
        path = source / other if other else path
    return path if path.exists() else None


def narrow(key, x):
    # Whole numbers below 2^31, and masks of 0 and 1 in 255 steps, of which an eighth of the points is read.
    if key == "alpha_masks":
        return (x * 255).round().to(torch.uint8)
    return x.to(torch.int32) if x.dtype == torch.int64 else x.contiguous()


# Another rank of what a2 shows.
ABOUT_ONLY = ["a"]
# Runs whose every batch the tests draw anew, as torch drew it.
REDRAWN = ["k1_epochs"]


def trim_run(run, starts):
    tensors, batches = {}, 0
    while run.name not in ABOUT_ONLY and (path := resolve(run, f"batch{batches + 1:03}.safetensors")):
        batches += 1
        for key, x in load(path).items():
            if key in BATCH and not (key == "alpha_masks" and batches > 1):
                tensors[f"batch{batches:03}.{key}"] = narrow(key, x)
    if run.name == "p_alphamask":
        for key, x in load(run / "batch007.safetensors").items():
            if key in BATCH:
                tensors[f"batch007.{key}"] = narrow(key, x)
    for kind in ["grads", "params"]:
        for number in range(1, 11):
            path = resolve(run, f"{kind}{number:03}.safetensors")
            if path and run.name not in ABOUT_ONLY:
                for key, x in every_sixth(load(path)).items():
                    tensors[f"{kind}{number:03}.{key}"] = x
    about = {"args": json.loads((run / "args.json").read_text()), "batches": batches}
    steps = json.loads((run / "steps.json").read_text())
    for path in sorted((run / "out").glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            number = int(file.metadata()["ss_steps"])
        if number <= batches or run.name in REDRAWN:
            for key, x in every_sixth(load(path)).items():
                tensors[f"params{number:03}.{key}"] = x
    if run.name not in ABOUT_ONLY and (path := resolve(run, "params000.safetensors")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest not in starts:
            starts[digest] = run.name
            begin = {key: x for key, x in load(path).items() if not key.endswith(".alpha")}
            save_file(begin, target / "runs" / f"{run.name}.start.safetensors")
        about["start"] = starts[digest]
    about["steps"] = [{key: step[key] for key in STEP if key in step} for step in steps]
    optimizer = json.loads((run / "optimizer.json").read_text())
    about["optimizer"] = {key: optimizer[key] for key in ["name", "args"]}
    about["buckets"] = json.loads((run / "buckets0.json").read_text())
    outputs = json.loads((run / "outputs.json").read_text())
    about["saved"] = outputs["save_order"]
    about["metadata"] = {name: file["metadata"] for name, file in outputs["files"].items() if "metadata" in file and name == f"{run.name}.safetensors"}
    about["tensorboard"] = json.loads((run / "tensorboard.json").read_text())
    for folder in ["val.json", "buckets1.json"]:
        if (run / folder).exists():
            about[folder.split(".")[0]] = json.loads((run / folder).read_text())
    (target / "runs" / f"{run.name}.json").write_text(json.dumps(about, separators=(",", ":")) + "\n")
    if tensors:
        save_file(tensors, target / "runs" / f"{run.name}.safetensors")


def main():
    shutil.rmtree(target, ignore_errors=True)
    (target / "runs").mkdir(parents=True)
    starts = {}
    for run in sorted((source / "runs").iterdir(), key=lambda run: (run.name != "a2", run.name)):
        trim_run(run, starts)
    (target / "tools").mkdir()
    for path in sorted((source / "tools").glob("*.safetensors")):
        if not path.name.startswith("model_plus"):
            name = path.name.replace(".every6th", "")
            # alpha stays, as tools change it.
            tensors = load(path)
            modules = sorted({key.split(".")[0] for key in tensors})
            modules = modules if "every6th" in path.name else modules[::6]
            save_file({key: x for key, x in tensors.items() if key.split(".")[0] in modules}, target / "tools" / name)
    for path in (source / "tools").glob("*.args.json"):
        shutil.copyfile(path, target / "tools" / path.name)
    for name in ["model_plus_a_b.changed.json", "resize_a_sv_fro.log"]:
        shutil.copyfile(source / "tools" / name, target / "tools" / name)
    for name in ["a", "a2", "b", "c1_noise_offset"]:
        tensors = load(source / "runs" / name / "out" / f"{name}.safetensors")
        # All of a is what z_baseweights begins from.
        modules = sorted({key.split(".")[0] for key in tensors})[:: 1 if name == "a" else 6]
        kept = {key: x for key, x in tensors.items() if key.split(".")[0] in modules}
        with safe_open(source / "runs" / name / "out" / f"{name}.safetensors", "pt") as file:
            save_file(kept, target / "tools" / f"input.{name}.safetensors", file.metadata())
    shutil.copytree(source / "runs" / "a" / "vae", target / "vae", copy_function=shutil.copyfile)
    shutil.copytree(source / "dataset", target / "dataset", copy_function=shutil.copyfile)
    (target / "vectors").mkdir()
    for name in ["bucket_tables", "buckets", "captions", "loss", "noise", "loss_recorder", "names", "prompt_attention"]:
        shutil.copyfile(source / "vectors" / f"{name}.json", target / "vectors" / f"{name}.json")
    shutil.copyfile(source / "vectors" / "noise.safetensors", target / "vectors" / "noise.safetensors")
    shutil.copyfile(source / "vectors" / "python_shuffle.json", target / "vectors" / "python_shuffle.json")


main()
