"""Compressed pixels that are damaged, cut, followed by something, or far larger than declared; memory stays bounded."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import BadScan
from fedlung.imaging import metaimage
from fedlung.imaging.metaimage import read_metaimage

ROOT = Path(__file__).resolve().parents[2]
VOXELS = np.arange(120, dtype="<i2").tobytes()
PACKED = zlib.compress(VOXELS)


def write_scan(path: Path, stream: bytes, *, num_dims: int = 3, dim_size: str = "6 5 4", type_: str = "SHORT") -> Path:
    """A compressed scan; its pixels lie beside a ``.mhd`` and inside a ``.mha``."""
    local = path.suffix == ".mha"
    header = (
        f"NDims = {num_dims}\nCompressedData = True\nElementSpacing = 0.7 0.7 2.5\nDimSize = {dim_size}\n"
        f"ElementType = MET_{type_}\nElementDataFile = {'LOCAL' if local else path.stem + '.zraw'}\n"
    )
    path.write_bytes(header.encode() + (stream if local else b""))
    if not local:
        path.with_suffix(".zraw").write_bytes(stream)
    return path


DAMAGED = {
    "empty": (b"", "more than 0 compressed bytes can hold"),
    "first byte": (PACKED[:1], "is cut off"),
    "first half": (PACKED[: len(PACKED) // 2], "is cut off"),
    "last byte missing": (PACKED[:-1], "is cut off"),
    "wrong checksum": (PACKED[:-4] + bytes(4), "is damaged"),
    "bytes changed": (PACKED[:20] + b"\xff\xff\xff" + PACKED[23:], "is damaged"),
    "not compressed": (VOXELS, "is damaged"),
    "a byte behind": (PACKED + b"\x00", "something follows"),
    "a stream behind": (PACKED + PACKED, "something follows"),
    "a far byte behind": (PACKED + bytes(10**6), "something follows"),
    "a byte short": (zlib.compress(VOXELS[:-1]), "ends before the last voxel"),
    "nothing inside": (zlib.compress(b""), "ends before the last voxel"),
    "a byte more": (zlib.compress(VOXELS + b"\x00"), "holds more voxels than DimSize declares"),
    "far more": (zlib.compress(VOXELS * 100), "holds more voxels than DimSize declares"),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("suffix", [".mhd", ".mha"])
@pytest.mark.parametrize("type_", ["SHORT", "USHORT"])
def test_damaged_streams(tmp_path: Path, case: str, suffix: str, type_: str) -> None:
    stream, message = DAMAGED[case]
    with pytest.raises(BadScan, match=message):
        read_metaimage(write_scan(tmp_path / f"scan{suffix}", stream, type_=type_))


@pytest.mark.parametrize("num_bytes", [1, 2, len(PACKED) - 1, len(PACKED), len(PACKED) + 1])
def test_where_a_chunk_of_the_file_ends_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_bytes: int
) -> None:
    monkeypatch.setattr(metaimage, "CHUNK_BYTES", num_bytes)
    path = write_scan(tmp_path / "scan.mhd", PACKED)
    assert read_metaimage(path).voxels_zyx.tobytes() == VOXELS
    for stream, message in ((PACKED + b"\x00", "something follows"), (PACKED[:-1], "is cut off")):
        path.with_suffix(".zraw").write_bytes(stream)
        with pytest.raises(BadScan, match=message):
            read_metaimage(path)


def zeros_as_zlib(num_mebibytes: int) -> bytes:
    """A valid zlib stream of zeros, put together from one packed mebibyte: a bomb without the work of packing it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    # Adler-32 of n zeros: the first sum stays 1, the second counts the bytes modulo 65521.
    checksum = struct.pack(">HH", num_mebibytes * 2**20 % 65521, 1)
    return b"\x78\x9c" + block * num_mebibytes + b"\x03\x00" + checksum


def test_the_bomb_is_a_valid_stream() -> None:
    assert zlib.decompress(zeros_as_zlib(3)) == bytes(3 * 2**20)


CHILD = """
import resource, sys, time
from pathlib import Path
from fedlung.errors import BadScan
from fedlung.imaging.metaimage import read_metaimage

def peak_kib():  # of this program: ru_maxrss would begin with the parent's peak
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, ((used << 10) + (int(sys.argv[1]) << 20),) * 2)
before = peak_kib()
for name in sys.argv[2:]:
    start = time.perf_counter()
    try:
        print("read", read_metaimage(Path(name)).voxels_zyx.nbytes, end=" ")
    except BadScan as error:
        print("refused", end=" ")
    print(f"{time.perf_counter() - start:.3f}", (peak_kib() - before) >> 10)
"""


def in_child(room_mib: int, paths: list[Path]) -> list[tuple[str, float, int]]:
    """Read scans one after the other in a process that may take ``room_mib`` more of address space.

    Returns:
        per scan: ``refused`` or ``read`` with a size, seconds, and the growth of the peak memory so far, MiB.
    """
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(room_mib), *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, "")
    rows = [line.rsplit(maxsplit=2) for line in child.stdout.splitlines()]
    return [(outcome, float(seconds), int(mib)) for outcome, seconds, mib in rows]


def test_a_bomb_takes_no_more_memory_than_its_declared_volume(tmp_path: Path) -> None:
    gibibyte = zeros_as_zlib(1024)
    assert len(gibibyte) < 2**21
    declared_mib, slack_mib = 16, 8
    paths = [
        # Declared 1 GiB, but a kilobyte cannot hold it; declared 16 MiB, but 1 GiB comes.
        write_scan(tmp_path / "declared.mhd", zeros_as_zlib(1), dim_size="2048 2048 128"),
        write_scan(tmp_path / "declared.mha", zeros_as_zlib(1), dim_size="2048 2048 128"),
        write_scan(tmp_path / "actual.mhd", gibibyte, dim_size="512 512 32"),
        write_scan(tmp_path / "actual.mha", gibibyte, dim_size="512 512 32"),
        write_scan(tmp_path / "float.mhd", gibibyte, dim_size="512 512 32", type_="FLOAT"),
    ]
    results = in_child(256, paths)
    assert [outcome for outcome, _, _ in results] == ["refused"] * len(paths)
    assert max(seconds for _, seconds, _ in results) < 1
    assert results[1][2] < slack_mib
    assert results[-1][2] < declared_mib + slack_mib


@pytest.mark.parametrize(("type_", "num_mebibytes"), [("SHORT", 64), ("FLOAT", 128)])
def test_a_good_scan_is_held_once(tmp_path: Path, type_: str, num_mebibytes: int) -> None:
    path = write_scan(tmp_path / "big.mhd", zeros_as_zlib(num_mebibytes), dim_size="512 512 128", type_=type_)
    ((outcome, _, mib),) = in_child(256, [path])
    assert outcome == f"read {64 * 2**20}"
    assert 60 < mib < 64 + 8


def test_headers_that_crash_metaio_leave_the_process_alive(tmp_path: Path) -> None:
    paths = [write_scan(tmp_path / f"dims{count}.mhd", PACKED, num_dims=count) for count in (-1, 99, 1000, 100000)]
    for count in (0, -1, 2048, 60000, 2**32):
        dim_size = f"{count} {count} {count}"
        paths.append(write_scan(tmp_path / f"size{count}.mhd", PACKED, dim_size=dim_size))
    paths.append(write_scan(tmp_path / "float.mhd", PACKED, dim_size="2048 2048 128", type_="FLOAT"))
    results = in_child(64, paths)
    assert [outcome for outcome, _, _ in results] == ["refused"] * len(paths)
    assert max(seconds for _, seconds, _ in results) < 1
    assert results[-1][2] < 8
