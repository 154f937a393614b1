"""U5: small uploads that would become gigabytes, examined in a child process: little time, little memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.crafted_archives import zipped
from tests.intake_world import header, nifti
from tests.packed_dicom import DEFLATED, slice_file

ROOT = Path(__file__).resolve().parents[2]
GIBIBYTE = 2**30
MOST_MIB = 48
MOST_SECONDS = 5.0

CHILD = """
import sys, time
from pathlib import Path
from fedlung.imaging.intake.examine import ExaminedScan, examine
from fedlung.imaging.intake.uploaded_files import UploadedFile

def peak_kib():  # of this program: ru_maxrss would begin with the parent's peak
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

for folder in map(Path, sys.argv[1:]):
    (folder / "workspace").mkdir()
    files = [UploadedFile(path.name, path) for path in folder.iterdir() if path.is_file()]
    before, start = peak_kib(), time.perf_counter()
    results = list(examine(files, folder / "workspace", remap=str, max_unpacked_bytes=2**31))
    assert not any(isinstance(result, ExaminedScan) for result in results)
    print(time.perf_counter() - start, (peak_kib() - before) >> 10, results[0].sentence, sep="|")
"""


def zeros(packer: zlib._Compress, num_mebibytes: int = GIBIBYTE >> 20) -> bytes:
    """One flushed block of packed zeros over and over: a gibibyte without the work of packing one."""
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * num_mebibytes


def raw_deflate() -> zlib._Compress:
    return zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)


def bombs() -> dict[str, dict[str, bytes]]:
    packed = header(CompressedData="True", ElementDataFile="LOCAL")
    gz_head = gzip.compress(b"")[:10]
    head = raw_deflate()
    nifti_start = head.compress(nifti()) + head.flush(zlib.Z_FULL_FLUSH)
    deflated = slice_file(syntax=DEFLATED)
    name = deflated.index(DEFLATED.encode()) + len(DEFLATED)
    return {
        "mha": {"scan.mha": packed + b"\x78\x9c" + zeros(raw_deflate())},
        "nifti": {"scan.nii.gz": gz_head + nifti_start + zeros(raw_deflate())},
        "zip": {"scans.zip": zipped({"scan.raw": bytes(GIBIBYTE // 8)})},
        "zip of zips": {"scans.zip": zipped({"a.zip": zipped({"scan.raw": bytes(GIBIBYTE // 64)})})},
        "dicom": {"1.dcm": deflated[:name] + zeros(raw_deflate())},
        "table": {"scans.zip": zipped({f"{number}": b"" for number in range(40_000)})},
    }


@pytest.mark.slow
def test_bombs_take_neither_time_nor_memory(tmp_path: Path) -> None:
    for kind, files in bombs().items():
        (tmp_path / kind).mkdir()
        for name, content in files.items():
            assert len(content) < 8 * 2**20
            (tmp_path / kind / name).write_bytes(content)
    command = [sys.executable, "-c", CHILD, *map(str, tmp_path.iterdir())]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (child.returncode, child.stderr) == (0, "")
    rows = [line.split("|") for line in child.stdout.splitlines()]
    assert len(rows) == len(list(tmp_path.iterdir()))
    assert max(float(seconds) for seconds, _, _ in rows) < MOST_SECONDS
    assert max(int(mib) for _, mib, _ in rows) < MOST_MIB
    assert all(sentence for _, _, sentence in rows)
