"""Event files by TensorBoard's own writer, and what its server answers about them.

tensorboard 2.21.0. From the repository: python scripts/goldens/eventFiles.py [LOGDIR OUT.json]
With two arguments it only asks the server about a folder of logs, such as one that this project has written.
"""

import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.record_writer import RecordWriter

goldens = pathlib.Path("src/train/log/goldens")


def write(path, events):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for each in events:
            writer.write(each.SerializeToString())
        writer.flush()


def simple(step, tag, value, time):
    return Event(wall_time=time, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def tensor(step, tag, value, time):
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1)
    proto = TensorProto(dtype=1, tensor_shape=TensorShapeProto(), float_val=[value])
    return Event(wall_time=time, step=step, summary=Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=proto)]))


def record():
    shutil.rmtree(goldens, ignore_errors=True)
    version = lambda time: Event(wall_time=time, file_version="brain.Event:2")
    start = lambda step, time: Event(wall_time=time, step=step, session_log=SessionLog(status=SessionLog.START))
    first = [simple(step, "loss/current", 1 / step, 1000 + step) for step in range(1, 9)]
    first += [simple(step, "lr/unet", 1e-4 * step, 1000 + step) for step in range(1, 9)]
    first += [tensor(step, "tensor/float", 0.25 * step, 1000 + step) for step in range(1, 4)]
    first += [simple(1, "loss/broken", float("nan"), 1001), simple(2, "loss/broken", float("inf"), 1002)]
    # A run that was cut off after step 8 goes on from step 6.
    second = [version(2000), start(6, 2000)]
    second += [simple(step, "loss/current", 10 + step, 2000 + step) for step in range(6, 8)]
    for run, beginning in [("restarted", [version(1000), start(1, 1000)]), ("first start late", [version(1000)])]:
        folder = goldens / "events" / run
        write(folder / "events.out.tfevents.0000001000.host.1", beginning + first)
        write(folder / "events.out.tfevents.0000002000.host.2", second)
    (goldens / "events.json").write_text(json.dumps(ask(goldens / "events"), indent=1) + "\n")


def ask(logdir):
    """What TensorBoard's server tells of a folder: runs, tags, scalars."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", str(port), "--load_fast=false", "--reload_interval=5"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        get = lambda path: json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).read())
        runs = []
        for _ in range(240):
            time.sleep(1)
            try:
                runs = get("/data/runs")
            except (urllib.error.URLError, ConnectionError):
                continue
            if runs:
                break
        tags = get("/data/plugin/scalars/tags")
        scalars = {
            run: {tag: get("/data/plugin/scalars/scalars?" + urllib.parse.urlencode({"run": run, "tag": tag})) for tag in of}
            for run, of in tags.items()
        }
        images = {run: list(of) for run, of in get("/data/plugin/images/tags").items()}
        return {"runs": runs, "tags": tags, "images": images, "scalars": scalars}
    finally:
        server.terminate()
        server.wait()


if len(sys.argv) > 1:
    pathlib.Path(sys.argv[2]).write_text(json.dumps(ask(pathlib.Path(sys.argv[1])), indent=1) + "\n")
else:
    record()
