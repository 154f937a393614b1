"""An upload as the intake meets it: files with bytes of any kind under any names, and what became of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fedlung.imaging.intake.deidentify import uid_remapper
from fedlung.imaging.intake.examine import ExaminedScan, examine
from fedlung.imaging.intake.uploaded_files import RefusedFiles, UploadedFile
from fedlung.imaging.volume import CTVolume
from tests.metaimage_header import header as small_header

SECRET = b"a secret of this installation"
HOSPITAL = "hospital-a"
ROOM = 2**30
REMAP = uid_remapper(SECRET, HOSPITAL)

VOXELS_ZYX = np.arange(4 * 16 * 18, dtype="<i2").reshape(4, 16, 18) - 600
RAW = VOXELS_ZYX.tobytes()


def header(without: str | None = None, **changes: str) -> bytes:
    return small_header(without, **({"DimSize": "18 16 4"} | changes)).encode()


def sent(folder: Path, files: Mapping[str, bytes]) -> list[UploadedFile]:
    """Files as the upload queue keeps them: under numbers, names aside."""
    (folder / "uploads").mkdir(exist_ok=True)
    uploaded = []
    for number, (name, content) in enumerate(files.items()):
        path = folder / "uploads" / f"{number}.part"
        path.write_bytes(content)
        uploaded.append(UploadedFile(name, path))
    return uploaded


def examined(
    folder: Path, files: Mapping[str, bytes], *, room: int = ROOM
) -> tuple[list[ExaminedScan], list[RefusedFiles]]:
    """Everything that comes of one upload; the workspace is a new folder, as the caller of ``examine`` makes it."""
    workspace = folder / "workspace"
    workspace.mkdir()
    results = list(examine(sent(folder, files), workspace, remap=REMAP, max_unpacked_bytes=room))
    scans = [result for result in results if isinstance(result, ExaminedScan)]
    refusals = [result for result in results if isinstance(result, RefusedFiles)]
    return scans, refusals


def the_scan(folder: Path, files: Mapping[str, bytes]) -> CTVolume:
    (scan,), refusals = examined(folder, files)
    assert [refusal for refusal in refusals if not refusal.is_passed_over] == []
    return scan.volume


def the_refusal(folder: Path, files: Mapping[str, bytes], *, room: int = ROOM) -> RefusedFiles:
    scans, (refusal,) = examined(folder, files, room=room)
    assert scans == []
    return refusal


def nifti(dim: tuple[int, int, int] = (18, 16, 4)) -> bytes:
    """A NIfTI-1 file made by hand: header, no extension, voxels of the common scan."""
    content = bytearray(352)
    struct.pack_into("<i", content, 0, 348)
    struct.pack_into("<8h", content, 40, 3, *dim, 1, 1, 1, 1)
    struct.pack_into("<2h", content, 70, 4, 16)
    struct.pack_into("<8f", content, 76, 1, 0.7, 0.7, 2.5, 1, 1, 1, 1)
    struct.pack_into("<3f", content, 108, 352, 1, 0)
    content[123] = 2
    struct.pack_into("<2h", content, 252, 0, 1)
    struct.pack_into("<12f", content, 280, -0.7, 0, 0, 100, 0, -0.7, 0, 120, 0, 0, 2.5, -300)
    content[344:348] = b"n+1\0"
    return bytes(content) + RAW
