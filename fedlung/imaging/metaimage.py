"""CT volumes in MetaImage files (``.mhd`` with ``.raw`` or ``.zraw``, and ``.mha``): read with care, written whole.

Reading never trusts a number of the header beyond what the file's own size allows: memory grows with the
voxels that are really there, whatever is declared. Writing builds the header from nothing, so no patient
data of a source file comes along, and shows it last, so a reader never meets half a scan.
"""

from __future__ import annotations

import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fedlung.errors import BadScan, WrongArgument
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage_header import (
    MetaImageHeader,
    naming_scan,
    open_regular_file,
    parse_header,
    read_header,
)
from fedlung.imaging.volume import CTVolume, HounsfieldArray

CHUNK_BYTES = 1 << 17
MAX_DEFLATE_RATIO = 1032
"""No deflate stream expands further (zlib technical details, https://zlib.net/zlib_tech.html)."""
COMPRESSION_LEVEL = 2
"""On a real CT three times as fast as zlib's level 6, for files that are 2 % larger."""

ReadInto = Callable[[memoryview], int]
"""Fills the front of a buffer and returns how many bytes it wrote; 0 at the end."""


def read_metaimage(path: Path, pixel_path: Path | None = None) -> CTVolume:
    """Read a scan; its ``series_uid`` is the header's file name without the suffix.

    Args:
        path: the ``.mhd`` or ``.mha`` file.
        pixel_path: the pixel file, where it lies elsewhere than beside the header under the plain name that
            the header gives (an upload that is stored under a generated name).

    Returns:
        int16 Hounsfield units. Other stored types are converted when every value fits; fractions are rounded
        to the nearest whole number, halves to the even one.

    Raises:
        BadScan: header or pixels are wrong, or a value does not fit int16; the message names the field.
    """
    header = read_header(path)
    with naming_scan(path):
        if header.pixel_file is None:
            if pixel_path is not None:
                raise BadScan("ElementDataFile is LOCAL, so no pixel file may come with the header")
            voxels_zyx = _read_pixels(path, header.header_bytes, header)
        else:
            voxels_zyx = _read_pixels(pixel_path or path.with_name(header.pixel_file), 0, header)
    return CTVolume(path.stem, voxels_zyx, header.geometry)


def _read_pixels(source: Path, offset: int, header: MetaImageHeader) -> HounsfieldArray:
    with open_regular_file(source) as file:
        stored_bytes = os.fstat(file.fileno()).st_size - offset
        file.seek(offset)
        if not header.compressed:
            if stored_bytes != header.pixel_bytes:
                raise BadScan(f"DimSize and ElementType ask for {header.pixel_bytes} pixel bytes, got {stored_bytes}")
            return _decode(file.readinto, header)
        _check_compressed_size(header, stored_bytes)
        stream = _InflatedStream(file)
        voxels_zyx = _decode(stream.readinto, header)
        stream.check_end()
        return voxels_zyx


def _check_compressed_size(header: MetaImageHeader, stored_bytes: int) -> None:
    if header.compressed_bytes not in (None, stored_bytes):
        raise BadScan(f"CompressedDataSize says {header.compressed_bytes} pixel bytes, got {stored_bytes}")
    # Before memory is taken: a small file cannot hold what a huge DimSize declares.
    if header.pixel_bytes > stored_bytes * MAX_DEFLATE_RATIO:
        raise BadScan(
            f"DimSize and ElementType ask for {header.pixel_bytes} pixel bytes,"
            f" more than {stored_bytes} compressed bytes can hold"
        )


def _decode(read_into: ReadInto, header: MetaImageHeader) -> HounsfieldArray:
    """All voxels, read straight into the result, or converted chunk by chunk when they are stored otherwise."""
    voxels_zyx = np.empty(header.geometry.shape_zyx, np.int16)
    voxels = voxels_zyx.reshape(-1)
    if header.dtype == voxels.dtype:
        _read_exactly(read_into, voxels)
        return voxels_zyx
    chunk = np.empty(min(CHUNK_BYTES, voxels.size), header.dtype)
    for start in range(0, voxels.size, chunk.size):
        stored = chunk[: voxels.size - start]
        _read_exactly(read_into, stored)
        voxels[start : start + stored.size] = _as_int16(stored)
    return voxels_zyx


def _read_exactly(read_into: ReadInto, destination: NDArray[Any]) -> None:
    empty = destination.view(np.uint8).data
    while empty:
        count = read_into(empty)
        if not count:
            raise BadScan("the pixel data ends before the last voxel that DimSize declares")
        empty = empty[count:]


def _as_int16(stored: NDArray[Any]) -> HounsfieldArray:
    """Nearest whole numbers.

    Raises:
        BadScan: a value, NaN included, is outside the range of int16.
    """
    rounded = np.rint(stored) if stored.dtype.kind == "f" else stored
    limits = np.iinfo(np.int16)
    low, high = rounded.min(), rounded.max()
    # NaN compares false, and min() and max() hand it on.
    if not (low >= limits.min and high <= limits.max):
        raise BadScan(f"pixel values must be HU in the range {limits.min} to {limits.max}, got {low:g} to {high:g}")
    return rounded.astype(np.int16)


class _InflatedStream:
    """The content of a zlib stream that fills the rest of a file, inflated only as far as it is asked for."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._inflater = zlib.decompressobj()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of ``buffer`` (never empty); 0 at the end of the zlib stream.

        Raises:
            BadScan: the stream is damaged or cut.
        """
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._file.read(CHUNK_BYTES)
            try:
                content = self._inflater.decompress(packed, min(len(buffer), CHUNK_BYTES))
            except zlib.error:
                raise BadScan("the compressed pixel data is damaged") from None
            if content:
                buffer[: len(content)] = content
                return len(content)
            # At the end of the file the inflater may still have held output back; now it has neither.
            if not packed:
                raise BadScan("the compressed pixel data is cut off")
        return 0

    def check_end(self) -> None:
        """Make sure that stream (with its checksum) and file end here.

        Raises:
            BadScan: more pixels, or anything after the stream.
        """
        if self.readinto(memoryview(bytearray(1))):
            raise BadScan("the compressed pixel data holds more voxels than DimSize declares")
        if self._inflater.unused_data or self._file.read(1):
            raise BadScan("something follows the compressed pixel data")


def write_metaimage(path: Path, volume: CTVolume, *, compress: bool = False) -> None:
    """Write a volume (HU or int16 labels) so that any MetaImage reader gets the same voxels and geometry.

    ``.mhd`` puts the pixels into a sibling ``.raw`` (``.zraw`` when compressed), ``.mha`` behind the header.
    The file name carries the ``series_uid``. Existing files are replaced. The header appears last and whole:
    where a header is, a scan is. (Who read an earlier header of the same name just before may still find the
    new pixels behind it.)

    Raises:
        WrongArgument: the suffix is neither ``.mhd`` nor ``.mha``.
        BadScan: file name, shape, spacing or origin are outside what ``read_metaimage`` accepts.
        OSError: the folder is missing or full; nothing of the new scan is left behind.
    """
    if path.suffix not in (".mhd", ".mha"):
        raise WrongArgument(f"{path.name}: a MetaImage file name must end in .mhd or .mha")
    pixel_path = path.with_suffix(".zraw" if compress else ".raw") if path.suffix == ".mhd" else None
    with _temporary_sibling(path) as new_pixels, _temporary_sibling(path) as new_header:
        stored_bytes = _write_pixels(new_pixels, volume.voxels_zyx, compress)
        header = _header(volume.geometry, pixel_path, stored_bytes if compress else None)
        with naming_scan(path):
            parse_header(header)
        with new_header.open("xb") as file:
            file.write(header)
            if pixel_path is None:
                with new_pixels.open("rb") as pixels:
                    shutil.copyfileobj(pixels, file, CHUNK_BYTES)
            _to_disk(file)
        if pixel_path is not None:
            path.unlink(missing_ok=True)  # an old header must never describe the new pixels
            new_pixels.replace(pixel_path)
        new_header.replace(path)


def _header(geometry: Geometry, pixel_path: Path | None, compressed_bytes: int | None) -> bytes:
    """The fields in the order in which ITK writes them; floats in the shortest form that reads back equal."""
    fields = {"ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False"}
    fields["CompressedData"] = str(compressed_bytes is not None)
    if compressed_bytes is not None:
        fields["CompressedDataSize"] = str(compressed_bytes)
    # Transposed: the header lists the axes one after the other, see metaimage_header.
    fields["TransformMatrix"] = _joined(geometry.direction.T.ravel().tolist())
    fields["Offset"] = _joined(geometry.origin_xyz_mm)
    fields["CenterOfRotation"] = "0 0 0"
    fields["ElementSpacing"] = _joined(geometry.spacing_zyx_mm[::-1])
    fields["DimSize"] = " ".join(str(int(count)) for count in geometry.shape_zyx[::-1])
    fields["ElementType"] = "MET_SHORT"
    fields["ElementDataFile"] = "LOCAL" if pixel_path is None else pixel_path.name
    return "".join(f"{key} = {value}\n" for key, value in fields.items()).encode()


def _joined(numbers: tuple[float, ...] | list[float]) -> str:
    return " ".join(repr(float(number)) for number in numbers)


def _write_pixels(path: Path, voxels_zyx: HounsfieldArray, compress: bool) -> int:
    """Write little-endian voxels slice by slice; returns the length of the file."""
    with path.open("xb") as file:
        packer = zlib.compressobj(COMPRESSION_LEVEL)
        for voxels_yx in voxels_zyx:
            content = voxels_yx.astype("<i2").tobytes()
            file.write(packer.compress(content) if compress else content)
        if compress:
            file.write(packer.flush())
        _to_disk(file)
        return file.tell()


def _to_disk(file: BinaryIO) -> None:
    """After a power cut, a header that exists must find its pixels."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[Path]:
    """A fresh name in the folder of ``path``, so that renaming it is atomic; removed when still there at the end."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
