"""Files that torch.save writes, what is in them, and pickles that would harm a reader who runs them.

Run with PyTorch (made with 2.15.0) from the root of the repository: python scripts/goldens/pickles.py
Writes src/files/goldens/: *.pt and *.ckpt, expected.json (tensors and values of each) and malicious.json
(name -> base64 of a pickle; one that were run would leave a file called `athanor-canary`).
"""

import base64
import collections
import json
import pathlib
import pickle
import sys
import types

import numpy
import torch

out = pathlib.Path("src/files/goldens")
out.mkdir(parents=True, exist_ok=True)
expected = {}


def flat(value, path, found):
    if isinstance(value, torch.Tensor):
        found[path] = value.detach()
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, (str, int)):
                flat(item, f"{path}.{key}" if path else str(key), found)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            flat(item, f"{path}.{index}" if path else str(index), found)


def record(name, tensors, values=None):
    found = {}
    flat(tensors, "", found)
    expected[name] = {
        "tensors": {
            path: {"dtype": str(t.dtype)[6:], "shape": list(t.shape), "values": t.to(torch.float64).flatten().tolist()}
            for path, t in found.items()
        },
        "values": values or {},
    }


def save(name, root, tensors=None, values=None, **options):
    torch.save(root, out / name, **options)
    record(name, root if tensors is None else tensors, values)


generator = torch.Generator().manual_seed(1)
noise = torch.randn(4, 6, generator=generator)
everything = {
    "f64": torch.tensor([1.5, -2.25], dtype=torch.float64),
    "f32": noise,
    "f16": noise.half(),
    "bf16": noise.bfloat16(),
    "i64": torch.tensor([-(2**40), 3]),
    "i32": torch.tensor([-5, 7], dtype=torch.int32),
    "i16": torch.tensor([-300, 7], dtype=torch.int16),
    "i8": torch.tensor([-5, 7], dtype=torch.int8),
    "u8": torch.tensor([200, 7], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(3.5),
    "empty": torch.zeros(2, 0, 3),
    "transposed": noise.t(),
    "channels_last": torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
    "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
    "slice": noise[1:3, 2:],
    "rows": noise[2:],
    "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
    "nested": {"a": torch.tensor([1.0]), "list": [torch.tensor([2.0]), torch.tensor([3.0])]},
    "name": "naïve",
    "step": 500,
    "rate": 0.125,
    "huge": 2**70,
    "nothing": None,
    "yes": True,
    "tags": ["a", "b"],
}
plain = {"name": "naïve", "step": 500, "rate": 0.125, "huge": str(2**70), "nothing": None, "yes": True, "tags": ["a", "b"]}

save("zip.pt", everything, values=plain)
save("protocol4.pt", everything, values=plain, pickle_protocol=4)
save("legacy.pt", everything, values=plain, _use_new_zipfile_serialization=False)
save("float8.pt", {"e4m3": noise.to(torch.float8_e4m3fn), "e5m2": noise.to(torch.float8_e5m2)})
save("ordered.pt", torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Conv2d(2, 1, 1)).state_dict())
save("tensor.pt", torch.tensor([1.0, 2.0]), tensors={"tensor": torch.tensor([1.0, 2.0])})

from torch.utils.serialization import config

config.save.compute_crc32 = False
save("no-checksums.pt", {"a": noise})
config.save.compute_crc32 = True

# A training checkpoint as PyTorch Lightning leaves it, whose classes need not exist to be named.
module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")


class ModelCheckpoint:
    pass


ModelCheckpoint.__module__ = module.__name__
ModelCheckpoint.__qualname__ = "ModelCheckpoint"
module.ModelCheckpoint = ModelCheckpoint
for name in ["pytorch_lightning", "pytorch_lightning.callbacks"]:
    sys.modules[name] = types.ModuleType(name)
sys.modules[module.__name__] = module
weights = collections.OrderedDict(
    [("model.diffusion_model.out.2.bias", torch.tensor([1.0, 2.0])), ("betas", torch.tensor([0.1]))]
)
lightning = {
    "epoch": 3,
    "global_step": 470000,
    "pytorch-lightning_version": "1.4.2",
    "state_dict": weights,
    "callbacks": {ModelCheckpoint: {"monitor": "loss", "best_model_score": torch.tensor(0.5), "best": numpy.float64(0.5)}},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}],
    "lr_schedulers": [],
}
beside = {"epoch": 3, "global_step": 470000, "pytorch-lightning_version": "1.4.2"}
save("lightning.ckpt", lightning, tensors=weights, values=beside)
save("lightning-legacy.ckpt", lightning, tensors=weights, values=beside, _use_new_zipfile_serialization=False)

vectors = torch.randn(2, 8, generator=generator)
save(
    "textual-inversion.pt",
    {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)}), "name": "art"},
    tensors={"string_to_token": {"*": torch.tensor(265)}, "string_to_param": {"*": vectors}},
    values={"string_to_token": {}, "string_to_param": {}, "name": "art"},
)

(out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


# What follows is made of names alone: nothing is imported and nothing run to write it.
class Call:
    def __init__(self, name, *args):
        self.name, self.args = name, args


def text(value, protocol):
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data if protocol >= 1 else b"V" + data + b"\n"


def build(value, protocol):
    """The pickle program that would make this value."""
    if isinstance(value, Call):
        module, name = value.name.rsplit(" ", 1)
        if protocol >= 4:
            callee = text(module, protocol) + text(name, protocol) + b"\x93"
        else:
            callee = b"c" + module.encode() + b"\n" + name.encode() + b"\n"
        return callee + b"(" + b"".join(build(arg, protocol) for arg in value.args) + b"tR"
    if isinstance(value, str):
        return text(value, protocol)
    if isinstance(value, int):
        return b"I%d\n" % value
    if isinstance(value, list):
        return b"(" + b"".join(build(item, protocol) for item in value) + b"l"
    if value is None:
        return b"N"
    raise TypeError(value)


def program(value, protocol):
    start = b"\x80" + bytes([protocol]) if protocol >= 2 else b""
    return start + build(value, protocol) + b"."


shell = "touch athanor-canary"
python = "open('athanor-canary', 'w')"
calls = {
    "os.system": Call("os system", shell),
    "posix.system": Call("posix system", shell),
    "nt.system": Call("nt system", shell),
    "os.popen": Call("os popen", shell),
    "subprocess.Popen": Call("subprocess Popen", ["touch", "athanor-canary"]),
    "subprocess.check_output": Call("subprocess check_output", ["touch", "athanor-canary"]),
    "builtins.eval": Call("builtins eval", python),
    "builtins.exec": Call("builtins exec", python),
    "__builtin__.eval": Call("__builtin__ eval", python),
    "builtins.compile": Call("builtins compile", python, "x", "exec"),
    "builtins.open": Call("builtins open", "athanor-canary", "w"),
    "builtins.getattr": Call("builtins getattr", Call("builtins __import__", "os"), "system"),
    "builtins.__import__": Call("builtins __import__", "antigravity"),
    "io.open": Call("io open", "athanor-canary", "w"),
    "pip.main": Call("pip main", ["install", "athanor-canary"]),
    "pip._internal.main": Call("pip._internal main", ["install", "athanor-canary"]),
    "timeit.timeit": Call("timeit timeit", python),
    "runpy._run_code": Call("runpy _run_code", python, None),
    "code.InteractiveInterpreter": Call("code InteractiveInterpreter"),
    "pdb.run": Call("pdb run", python),
    "bdb.Bdb.run": Call("bdb Bdb.run", python),
    "cProfile.run": Call("cProfile run", python),
    "doctest.debug_script": Call("doctest debug_script", python),
    "numpy.f2py.crackfortran.getlincoef": Call("numpy.f2py.crackfortran getlincoef", python, None),
    "numpy.testing._private.utils.runstring": Call("numpy.testing._private.utils runstring", python, None),
    "numpy.load": Call("numpy load", "athanor-canary"),
    "torch.load": Call("torch load", "athanor-canary"),
    "torch.hub.load": Call("torch.hub load", "a/b", "c"),
    "torch.jit.load": Call("torch.jit load", "athanor-canary"),
    "torch.serialization.load": Call("torch.serialization load", "athanor-canary"),
    "torch._inductor.codecache.compile_file": Call("torch._inductor.codecache compile_file", python),
    "torch.utils._config_module.load_config": Call("torch.utils._config_module load_config", "x"),
    "torch.storage._load_from_bytes": Call("torch.storage _load_from_bytes", "x"),
    "pickle.loads": Call("pickle loads", "cos\nsystem\n(S'touch athanor-canary'\ntR."),
    "_pickle.loads": Call("_pickle loads", "x"),
    "dill.loads": Call("dill loads", "x"),
    "marshal.loads": Call("marshal loads", "x"),
    "shutil.rmtree": Call("shutil rmtree", "athanor-canary"),
    "pathlib.Path.write_text": Call("pathlib Path.write_text", "athanor-canary", "x"),
    "socket.create_connection": Call("socket create_connection", "127.0.0.1", 80),
    "urllib.request.urlopen": Call("urllib.request urlopen", "http://127.0.0.1/"),
    "webbrowser.open": Call("webbrowser open", "http://127.0.0.1/"),
    "ctypes.CDLL": Call("ctypes CDLL", "athanor-canary"),
    "importlib.import_module": Call("importlib import_module", "antigravity"),
    "operator.attrgetter": Call("operator attrgetter", "system"),
    "functools.partial": Call("functools partial", Call("os system", shell)),
    "asyncio.subprocess": Call("asyncio.unix_events _UnixSubprocessTransport._start", shell),
    "collections.OrderedDict.update": Call("collections OrderedDict.update", "x"),
    "sys.modules": Call("sys modules"),
    "one harmless call around a harmful one": Call("collections OrderedDict", Call("os system", shell)),
    "a submodule of a harmless one": Call("torch._utils.os system", shell),
    "a harmless name in another module": Call("os OrderedDict", shell),
}
malicious = {}
for name, call in calls.items():
    for protocol in (0, 2, 4):
        malicious[f"{name}, protocol {protocol}"] = program(call, protocol)

header = b"\x80\x02"
malicious["INST"] = b"(S'touch athanor-canary'\nios\nsystem\n."
malicious["OBJ"] = b"(cos\nsystem\nS'touch athanor-canary'\no."
malicious["NEWOBJ"] = header + b"cos\nsystem\nX\x14\x00\x00\x00touch athanor-canary\x85\x81."
malicious["NEWOBJ_EX"] = b"\x80\x04cos\nsystem\n)}\x92."
malicious["EXT1"] = header + b"\x82\x01)R."
malicious["PERSID of text"] = b"Pos.system\n."
malicious["BINPERSID of a call"] = header + build(Call("os system", shell), 2) + b"Q."
malicious["STACK_GLOBAL with a number"] = b"\x80\x04K\x01X\x06\x00\x00\x00system\x93)R."
malicious["BUILD with __setstate__"] = header + b"ctorch.nn.modules.container\nParameterDict\n)R}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb."
malicious["a call of a value"] = header + b"X\x09\x00\x00\x00os.system)R."
malicious["a call of what was called"] = header + b"ccollections\nOrderedDict\n)R)R."
malicious["a call of a class of storages"] = header + b"ctorch\nFloatStorage\n)R."
malicious["harm after the end of the value"] = header + b"}0" + build(Call("os system", shell), 2) + b"."
malicious["harm hidden by a memo"] = header + b"cos\nsystem\nq\x000h\x00X\x14\x00\x00\x00touch athanor-canary\x85R."
(out / "malicious.json").write_text(
    json.dumps({name: base64.b64encode(data).decode() for name, data in malicious.items()}, indent=1) + "\n"
)
