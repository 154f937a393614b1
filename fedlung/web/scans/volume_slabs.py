"""Voxels for the viewer: slices of a scan in LPS order, packed in slabs, without ever holding the whole scan.

A scan whose pixels lie on disk as we serve them is mapped; of any other one, an unpacked copy is made first. Slabs are
packed once and kept in ``cache`` until they are the oldest of more than ``limit_bytes``.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import threading
from pathlib import Path

import numpy as np

from fedlung.errors import BadScan
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.metaimage_header import MetaImageHeader, read_header
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.imaging.volume import CTVolume
from fedlung.stores.atomic_files import write_atomically

SLAB_SLICES = 16
LIMIT_BYTES = 4_000_000_000
PACKING = 1  # zlib's quickest level: a slab is waited for
UNPACKED = "voxels.raw"


def lps_geometry(geometry: Geometry) -> Geometry:
    """Where the served slices are; see `reorient_to_lps`."""
    nothing = np.broadcast_to(np.int16(0), geometry.shape_zyx)
    return reorient_to_lps(CTVolume("-", nothing, geometry)).geometry


def num_slabs(geometry_lps: Geometry) -> int:
    return -(-geometry_lps.shape_zyx[0] // SLAB_SLICES)


class VolumeReader(io.RawIOBase):
    """The bytes of a volume, int16 little-endian in C order, as a file that is made while it is read."""

    def __init__(self, volume_lps: CTVolume) -> None:
        self._voxels = volume_lps.voxels_zyx
        self._slice_bytes = int(self._voxels[0].size) * 2
        self.size = self._slice_bytes * len(self._voxels)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self.size, self._position + size)
        if self._position >= end:
            return b""
        first = self._position // self._slice_bytes
        last = -(-end // self._slice_bytes)
        content = slices_bytes(self._voxels[first:last])
        start = self._position - first * self._slice_bytes
        read = content[start : start + end - self._position]
        self._position = end
        return read


def slices_bytes(voxels_zyx: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> bytes:
    return np.ascontiguousarray(voxels_zyx, "<i2").tobytes()


class VolumeSlabs:
    """Volumes of stored scans; ``key`` names the content of a scan's voxels, in the cache and as ETag."""

    def __init__(self, cache: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._cache = cache
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def open(self, header: Path, key: str) -> CTVolume:
        """The scan in LPS order, as a view of a file on disk.

        Raises:
            BadScan: the scan cannot be read.
        """
        found = read_header(header)
        pixels, offset = _pixels(header, found)
        if found.compressed or found.dtype != np.dtype("<i2"):
            pixels, offset = self._unpacked(header, key), 0
        expected = int(np.prod(found.geometry.shape_zyx)) * 2
        if pixels.stat().st_size - offset != expected:
            raise BadScan(f"{header.name}: {expected} pixel bytes were expected")
        voxels = np.memmap(pixels, "<i2", "r", offset, found.geometry.shape_zyx)
        return reorient_to_lps(CTVolume(header.stem, voxels, found.geometry))

    def slab(self, header: Path, key: str, number: int) -> Path:
        """File with slices ``16 * number`` and the 15 after it, in gzip form. Raises BadScan."""
        path = self._cache / key / f"{number}.gz"
        with self._one_maker(path):
            if not path.exists():
                start = SLAB_SLICES * number
                voxels = self.open(header, key).voxels_zyx[start : start + SLAB_SLICES]
                is_first = not path.parent.exists()
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, gzip.compress(slices_bytes(voxels), PACKING, mtime=0))
                if is_first:
                    self._sweep(keep=key)
        os.utime(path.parent)  # used at this moment: the last to go
        return path

    def forget(self, key: str) -> None:
        """The scan is not there any more."""
        shutil.rmtree(self._cache / key, ignore_errors=True)

    def _unpacked(self, header: Path, key: str) -> Path:
        path = self._cache / key / UNPACKED
        with self._one_maker(path):
            if not path.exists():
                volume = read_metaimage(header)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, slices_bytes(volume.voxels_zyx))
        return path

    def _one_maker(self, path: Path) -> threading.Lock:
        with self._lock:
            return self._making.setdefault(str(path), threading.Lock())

    def _sweep(self, keep: str) -> None:
        folders = [path for path in self._cache.iterdir() if path.is_dir() and path.name != keep]
        sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in folders}
        total = sum(sizes.values())
        for path in sorted(folders, key=lambda folder: folder.stat().st_mtime):
            if total <= self._limit_bytes:
                return
            shutil.rmtree(path, ignore_errors=True)
            total -= sizes[path]


def _pixels(header: Path, found: MetaImageHeader) -> tuple[Path, int]:
    return (header, found.header_bytes) if found.pixel_file is None else (header.with_name(found.pixel_file), 0)
