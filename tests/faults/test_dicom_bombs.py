"""DICOM files of a few megabytes after which a general reader holds gigabytes or runs for minutes: refused, or read,
within a second and in a few megabytes.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

from fedlung.imaging.dicom_elements import MAX_ELEMENTS
from tests.packed_dicom import (
    COLUMNS,
    DEFLATED,
    ITEM,
    JPEG_2000,
    RLE,
    ROWS,
    UNDEFINED,
    compressed,
    element,
    flat_jpeg_2000,
    many_items,
    slice_file,
)

ROOT = Path(__file__).resolve().parents[2]


def zeros_as_deflate(num_mebibytes: int) -> bytes:
    """A raw deflate stream, made of one flushed block over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * num_mebibytes + packer.flush()


def nested(depth: int) -> bytes:
    start = element((0x0008, 0x1140), "SQ", ITEM + struct.pack("<I", UNDEFINED), UNDEFINED)
    return start * depth


def bombs() -> dict[str, bytes]:
    large = {"rows": struct.pack("<H", 2048), "columns": struct.pack("<H", 2048)}
    deflated = slice_file(syntax=DEFLATED)
    rle = struct.pack("<16I", 2, 64, 64 + 2**14, *[0] * 13)
    jpeg_2000 = flat_jpeg_2000(ROWS, COLUMNS)
    eight_thousand = struct.pack(">8I", 8192, 8192, 0, 0, 8192, 8192, 0, 0)  # size and tiles
    return {
        "deflated": deflated[: deflated.index(DEFLATED.encode()) + len(DEFLATED)] + zeros_as_deflate(1024),
        "rows and columns": slice_file(**large),
        "nested": slice_file(before=nested(200_000)),
        "items": slice_file(before=many_items(500_000)),
        "character sets": slice_file(before=element((0x0008, 0x0005), "UN", b"\\" * 2**22)),
        "rle": slice_file(syntax=RLE, pixels=compressed(rle + b"\x81\x00" * 2**14)),
        "rle without end": slice_file(syntax=RLE, pixels=compressed(rle + b"\x80" * 2**15)),
        "rle too long": slice_file(syntax=RLE, pixels=compressed(rle + b"\x81\x00" * 2**20)),
        "jpeg 2000": slice_file(syntax=JPEG_2000, pixels=compressed(jpeg_2000[:8] + eight_thousand + jpeg_2000[40:])),
    }


CHILD = """
import resource, sys, time
from pathlib import Path
from fedlung.errors import BadScan
from fedlung.imaging.dicom_series import read_dicom_series
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for folder in map(Path, sys.argv[1:]):
    start, before = time.perf_counter(), peak()
    try:
        outcome = f"read {read_dicom_series(folder).voxels_zyx.size}"
    except BadScan as error:
        outcome = str(error)
    print(f"{folder.name}|{outcome}|{time.perf_counter() - start}|{(peak() - before) / 1024}")
"""


def test_bombs_take_neither_time_nor_memory(tmp_path: Path) -> None:
    contents = bombs()
    assert max(len(content) for content in contents.values()) < 5 * 2**20
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.dcm").write_bytes(content)
        (tmp_path / name / "1.dcm").write_bytes(slice_file(1))
    command = [sys.executable, "-c", CHILD, *(str(tmp_path / name) for name in contents)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert child.stderr == ""
    rows = [line.split("|") for line in child.stdout.splitlines()]
    outcomes = {name: outcome.removeprefix("0.dcm: ") for name, outcome, *_ in rows}
    assert max(float(seconds) for _, _, seconds, _ in rows) < 1
    assert max(float(mib) for *_, mib in rows) < 16
    too_many = f"the DICOM header has more than {MAX_ELEMENTS} elements"
    assert outcomes.pop("deflated").startswith("the file is deflated, which is not read")
    assert outcomes.pop("rows and columns") == "Rows and Columns ask for 8388608 pixel bytes, PixelData has 576"
    assert (outcomes.pop("nested"), outcomes.pop("items")) == (too_many, too_many)
    assert outcomes.pop("character sets") == outcomes.pop("rle") == f"read {2 * ROWS * COLUMNS}"
    assert outcomes.pop("rle without end").startswith("the RLE pixels end before the last one")
    assert outcomes.pop("rle too long").endswith(" bytes of compressed pixels are too many for 576 bytes of pixels")
    assert outcomes.pop("jpeg 2000") == "Rows and Columns are 16 and 18, JPEG 2000 says 8192 and 8192"
    assert outcomes == {}
