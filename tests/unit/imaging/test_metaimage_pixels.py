"""Pixels of MetaImage files: every stored type, place and size, and what conversion refuses."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedlung.errors import BadScan
from fedlung.imaging import metaimage
from fedlung.imaging.metaimage import read_metaimage

ELEMENT_TYPES = {"i1": "CHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "i4": "INT", "f4": "FLOAT"}
SHAPE_ZYX = (2, 3, 4)
RAMP = np.arange(24).reshape(SHAPE_ZYX)


def write_scan(
    folder: Path, stored: NDArray[Any], *, compress: bool = False, local: bool = False, extra: str = ""
) -> Path:
    """A scan on disk, its header spelt out here and not by the code under test."""
    depth, height, width = stored.shape
    big_endian = stored.dtype.byteorder == ">"
    content = zlib.compress(stored.tobytes()) if compress else stored.tobytes()
    pixel_file = "LOCAL" if local else "scan.raw"
    header = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = {big_endian}\n"
        f"CompressedData = {compress}\n{extra}ElementSpacing = 0.7 0.8 2.5\nDimSize = {width} {height} {depth}\n"
        f"ElementType = MET_{ELEMENT_TYPES[stored.dtype.str[1:]]}\nElementDataFile = {pixel_file}\n"
    )
    path = folder / ("scan.mha" if local else "scan.mhd")
    path.write_bytes(header.encode() + (content if local else b""))
    if not local:
        (folder / "scan.raw").write_bytes(content)
    return path


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<f4", ">f4"])
def test_every_type_and_place(tmp_path: Path, dtype: str, compress: bool, local: bool) -> None:
    path = write_scan(tmp_path, RAMP.astype(dtype), compress=compress, local=local)
    volume = read_metaimage(path)
    assert volume.voxels_zyx.dtype == np.int16
    assert np.array_equal(volume.voxels_zyx, RAMP)
    assert volume.series_uid == "scan"
    assert volume.geometry.spacing_zyx_mm == (2.5, 0.8, 0.7)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", ["<i2", "<i4"])
def test_chunks_join_without_a_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, compress: bool
) -> None:
    monkeypatch.setattr(metaimage, "CHUNK_BYTES", 7)  # divides neither the voxels nor their bytes
    path = write_scan(tmp_path, RAMP.astype(dtype), compress=compress)
    assert np.array_equal(read_metaimage(path).voxels_zyx, RAMP)


def test_stored_blocks_and_flat_images_inflate(tmp_path: Path) -> None:
    # Level 0 expands the data, a constant image shrinks it a thousandfold: both ends of the inflater.
    for name, level, stored in (("noise", 0, RAMP), ("flat", 9, np.full((64, 64, 64), -1024))):
        folder = tmp_path / name
        folder.mkdir()
        path = write_scan(folder, stored.astype("<i2"), compress=True)
        (folder / "scan.raw").write_bytes(zlib.compress(stored.astype("<i2").tobytes(), level))
        assert np.array_equal(read_metaimage(path).voxels_zyx, stored)


def test_the_pixel_file_may_lie_elsewhere(tmp_path: Path) -> None:
    path = write_scan(tmp_path, RAMP.astype("<i2"))
    elsewhere = tmp_path / "upload-17.part"
    (tmp_path / "scan.raw").rename(elsewhere)
    assert np.array_equal(read_metaimage(path, elsewhere).voxels_zyx, RAMP)
    with pytest.raises(BadScan, match=r"scan\.mhd: the file 'scan\.raw' is missing"):
        read_metaimage(path)


def test_a_pixel_file_beside_local_pixels_is_a_contradiction(tmp_path: Path) -> None:
    path = write_scan(tmp_path, RAMP.astype("<i2"), local=True)
    with pytest.raises(BadScan, match="ElementDataFile is LOCAL"):
        read_metaimage(path, path)


def test_fractions_go_to_the_nearest_whole_number_halves_to_the_even_one(tmp_path: Path) -> None:
    stored = np.array([[[-1000.4, -1000.6, 0.5, 1.5, -0.5, 32767.4, -32768.4]]], "<f4")
    expected = [-1000, -1001, 0, 2, 0, 32767, -32768]
    assert read_metaimage(write_scan(tmp_path, stored)).voxels_zyx.ravel().tolist() == expected


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("<u2", 32768),
        ("<i4", 32768),
        ("<i4", -32769),
        (">i4", 2**31 - 1),
        ("<f4", 32768.0),
        ("<f4", -40000.0),
        ("<f4", np.nan),
        ("<f4", np.inf),
        ("<f4", 3e38),
    ],
)
def test_a_value_outside_int16_is_refused_not_wrapped(tmp_path: Path, dtype: str, value: float, compress: bool) -> None:
    stored = RAMP.astype(dtype)
    stored[1, 2, 3] = value
    with pytest.raises(BadScan, match="range -32768 to 32767"):
        read_metaimage(write_scan(tmp_path, stored, compress=compress))


def test_the_limits_of_int16_are_accepted(tmp_path: Path) -> None:
    stored = np.array([[[-32768, 32767]]], "<i4")
    assert read_metaimage(write_scan(tmp_path, stored)).voxels_zyx.ravel().tolist() == [-32768, 32767]


def test_a_right_compressed_size_is_accepted_and_a_wrong_one_named(tmp_path: Path) -> None:
    stored = RAMP.astype("<i2")
    size = len(zlib.compress(stored.tobytes()))
    path = write_scan(tmp_path, stored, compress=True, extra=f"CompressedDataSize = {size}\n")
    assert np.array_equal(read_metaimage(path).voxels_zyx, RAMP)
    path = write_scan(tmp_path, stored, compress=True, extra=f"CompressedDataSize = {size + 1}\n")
    with pytest.raises(BadScan, match=f"CompressedDataSize says {size + 1} pixel bytes, got {size}"):
        read_metaimage(path)
