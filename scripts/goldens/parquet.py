"""Parquet files as img2dataset, the Hugging Face hub and LAION's lists have them. Written by pyarrow.

    python scripts/goldens/parquet.py src/dataset/captioned/goldens
"""

import struct
import sys
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def png(red: int, green: int, blue: int) -> bytes:
    """A picture of 2 by 2 equal pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes([red, green, blue]) * 2) * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


folder = Path(sys.argv[1])
colors = [(10 * i, 200 - 10 * i, 7) for i in range(5)]

pq.write_table(
    pa.table({
        "key": [f"{i:09d}" for i in range(5)],
        "caption": ["a red thing", None, "a café", "", "the last"],
        "status": ["success"] * 5,
        "width": pa.array([2] * 5, pa.int32()),
        "jpg": pa.array([png(*color) for color in colors], pa.binary()),
    }),
    folder / "img2dataset.parquet",
    row_group_size=2,
)
pq.write_table(
    pa.table({
        "image": pa.array(
            [{"bytes": png(*color), "path": f"{i}.png"} for i, color in enumerate(colors)],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
        "text": pa.array([["one", "another"], ["two"], [], ["three"], ["four"]], pa.list_(pa.string())),
    }),
    folder / "hub.parquet",
)
pq.write_table(
    pa.table({"URL": ["https://example.org/a.jpg"], "TEXT": ["a thing"], "WIDTH": [640]}),
    folder / "laion.parquet",
)
pq.write_table(
    pa.table({"key": ["000000000", "000000001"], "caption": ["from the table", "another"]}),
    folder / "captions.parquet",
    compression="none",
)
