"""CT volumes in NIfTI-1 files (``.nii``, ``.nii.gz``): no more is inflated than the checked header asks for."""

from __future__ import annotations

import gzip
import os
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlung.errors import BadScan
from fedlung.imaging.intake.nifti_header import HEADER_BYTES, NiftiHeader, parse_nifti_header
from fedlung.imaging.metaimage import MAX_DEFLATE_RATIO
from fedlung.imaging.metaimage_header import naming_scan, open_regular_file
from fedlung.imaging.volume import CTVolume, HounsfieldArray

CHUNK_VOXELS = 1 << 18

Content = BufferedReader | gzip.GzipFile


def read_nifti(path: Path) -> tuple[CTVolume, NiftiHeader]:
    """Read a scan, and its header for what else it says; the ``series_uid`` is the file name without suffixes.

    Raises:
        BadScan: header or voxels are wrong, or a value does not fit int16; the message names the field.
    """
    with naming_scan(path), open_regular_file(path) as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            content = gzip.GzipFile(fileobj=file, mode="rb") if is_packed else file
            header = parse_nifti_header(content.read(HEADER_BYTES))
            _check_size(header, os.fstat(file.fileno()).st_size, is_packed)
            content.read(header.pixel_offset - HEADER_BYTES)
            voxels_zyx = _voxels(content, header)
            if content.read(1):
                raise BadScan("something follows the last voxel that dim declares")
        except (zlib.error, EOFError, gzip.BadGzipFile):
            raise BadScan("the compressed file is damaged or cut off") from None
    return CTVolume(path.name.partition(".")[0] or path.name, voxels_zyx, header.geometry), header


def _check_size(header: NiftiHeader, stored_bytes: int, is_packed: bool) -> None:
    """Before memory is taken."""
    needed = header.pixel_offset + int(np.prod(header.geometry.shape_zyx)) * header.dtype.itemsize
    if not is_packed and needed != stored_bytes:
        raise BadScan(f"dim and datatype ask for {needed} bytes, the file has {stored_bytes}")
    if is_packed and needed > stored_bytes * MAX_DEFLATE_RATIO:
        raise BadScan(f"dim and datatype ask for {needed} bytes, more than {stored_bytes} compressed bytes can hold")


def _voxels(content: Content, header: NiftiHeader) -> HounsfieldArray:
    """All voxels in HU, converted chunk by chunk. NIfTI's first index is x, which runs fastest: our zyx in C order."""
    voxels_zyx = np.empty(header.geometry.shape_zyx, np.int16)
    voxels = voxels_zyx.reshape(-1)
    for start in range(0, voxels.size, CHUNK_VOXELS):
        count = min(CHUNK_VOXELS, voxels.size - start)
        stored = np.frombuffer(_exactly(content, count * header.dtype.itemsize), header.dtype)
        voxels[start : start + count] = _hounsfield(stored, header)
    return voxels_zyx


def _exactly(content: Content, num_bytes: int) -> bytes:
    chunk = content.read(num_bytes)
    if len(chunk) != num_bytes:
        raise BadScan("the voxels end before the last one that dim declares")
    return chunk


def _hounsfield(stored: NDArray[Any], header: NiftiHeader) -> HounsfieldArray:
    rounded = np.rint(stored.astype(np.float64) * header.slope + header.intercept)
    limits = np.iinfo(np.int16)
    low, high = rounded.min(), rounded.max()
    # NaN compares false, and min() and max() hand it on.
    if not (low >= limits.min and high <= limits.max):
        raise BadScan(f"voxels must be HU of {limits.min} to {limits.max}, got {low:g} to {high:g}")
    return rounded.astype(np.int16)
