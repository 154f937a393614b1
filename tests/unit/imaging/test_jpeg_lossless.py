"""Our JPEG Lossless decoder against a literal encoder, against GDCM's, and against damaged streams."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedlung.errors import BadScan
from fedlung.imaging import jpeg_lossless
from fedlung.imaging.dicom_series import read_dicom_series
from fedlung.imaging.jpeg_lossless import decode_jpeg_lossless
from tests.jpeg_lossless_twin import encode, segment

ROWS, COLUMNS = 11, 13
RANDOM = np.random.default_rng(5)
PICTURES = {
    "random": RANDOM.integers(0, 2**16, (ROWS, COLUMNS)),
    "smooth": np.add.outer(np.arange(ROWS) * 3, np.arange(COLUMNS) * 2) + 1000 + RANDOM.integers(0, 4, (ROWS, COLUMNS)),
    "extremes": RANDOM.choice([0, 1, 2**15 - 1, 2**15, 2**16 - 1], (ROWS, COLUMNS)),
    "flat": np.full((ROWS, COLUMNS), 2**15),
}


def picture(name: str) -> NDArray[np.uint16]:
    return PICTURES[name].astype(np.uint16)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("restart_rows", [0, 4])
def test_it_decodes_every_predictor(name: str, predictor: int, restart_rows: int) -> None:
    stream = encode(picture(name), predictor=predictor, restart_rows=restart_rows)
    samples, precision = decode_jpeg_lossless(stream, ROWS, COLUMNS)
    assert precision == 16
    assert np.array_equal(samples, picture(name))


@pytest.mark.parametrize(("precision", "point_transform"), [(8, 0), (12, 0), (12, 3), (16, 4)])
def test_precision_and_point_transform(precision: int, point_transform: int) -> None:
    samples = (picture("random") >> (16 - precision)).astype(np.uint16)
    stream = encode(samples, precision=precision, point_transform=point_transform)
    decoded, told = decode_jpeg_lossless(stream, ROWS, COLUMNS)
    assert told == precision
    assert np.array_equal(decoded, samples >> point_transform << point_transform)


def test_a_restart_after_every_row() -> None:
    """Markers count from 0 to 7 and begin again."""
    stream = encode(picture("random"), restart_rows=1)
    assert np.array_equal(decode_jpeg_lossless(stream, ROWS, COLUMNS)[0], picture("random"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (30, 7), (7, 30)])
@pytest.mark.parametrize("predictor", [1, 4, 6])
def test_any_shape(shape: tuple[int, int], predictor: int) -> None:
    samples = RANDOM.integers(0, 2**12, shape).astype(np.uint16)
    assert np.array_equal(decode_jpeg_lossless(encode(samples, predictor=predictor), *shape)[0], samples)


@pytest.mark.parametrize("block_bits", [64, 128, 1024])
def test_where_a_block_of_bits_ends_does_not_matter(monkeypatch: pytest.MonkeyPatch, block_bits: int) -> None:
    monkeypatch.setattr(jpeg_lossless, "BLOCK_BITS", block_bits)
    assert np.array_equal(decode_jpeg_lossless(encode(picture("random")), ROWS, COLUMNS)[0], picture("random"))


@pytest.mark.parametrize("pixel_type", [sitk.sitkInt16, sitk.sitkUInt16])
def test_gdcm_writes_what_we_read(tmp_path: Path, pixel_type: int) -> None:
    """In DICOM, signed and unsigned, with GDCM's own tables."""
    voxels_zyx = RANDOM.integers(0, 3000, (3, 24, 32)) - (1000 if pixel_type == sitk.sitkInt16 else 0)
    for z, plane in enumerate(voxels_zyx):
        image = sitk.Cast(sitk.GetImageFromArray(plane.astype(np.int32)), pixel_type)
        tags = {
            "0008|0060": "CT",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0020|000e": "1.2.3",
            "0020|0032": f"0\\0\\{z}",
        }
        tags |= {"0020|0037": "1\\0\\0\\0\\1\\0", "0028|0030": "1\\1", "0028|1052": "0", "0028|1053": "1"}
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(tmp_path / f"{z}.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.Execute(image)
    assert b"1.2.840.10008.1.2.4.70" in (tmp_path / "0.dcm").read_bytes()[:1000]
    assert np.array_equal(read_dicom_series(tmp_path).voxels_zyx, voxels_zyx)


GOOD = encode(picture("smooth"), predictor=4, restart_rows=4)


def refused(stream: bytes, rows: int = ROWS, columns: int = COLUMNS) -> str:
    with pytest.raises(BadScan) as refusal:
        decode_jpeg_lossless(stream, rows, columns)
    return str(refusal.value)


def test_another_size_is_refused_before_memory_is_taken() -> None:
    said = f"Rows and Columns are 2048 and 2048, JPEG Lossless says {ROWS} and {COLUMNS}"
    assert refused(GOOD, 2048, 2048) == said


def test_other_jpeg_is_refused() -> None:
    assert refused(GOOD.replace(b"\xff\xc3", b"\xff\xc0")) == "the pixels are JPEG, but not lossless"
    assert refused(b"no JPEG") == "the pixels are no JPEG stream"


@pytest.mark.parametrize("end", [0, 1, 2, 10, len(GOOD) // 2, len(GOOD) - 2, len(GOOD) - 1])
def test_every_cut_is_noticed(end: int) -> None:
    assert "JPEG" in refused(GOOD[:end])


@pytest.mark.parametrize("missing", range(1, 8))
def test_missing_bytes_before_the_end_marker_are_noticed(missing: int) -> None:
    stream = encode(picture("random"))
    assert "JPEG Lossless pixels" in refused(stream[: -2 - missing] + stream[-2:])


def test_parts_in_another_order_are_refused() -> None:
    swapped = GOOD.replace(b"\xff\xd0", b"\xff\xd7").replace(b"\xff\xd1", b"\xff\xd0").replace(b"\xff\xd7", b"\xff\xd1")
    assert swapped != GOOD
    assert "damaged or cut off" in refused(swapped)


def test_tables_that_own_more_than_all_words_are_refused() -> None:
    counts = bytes((3, *[0] * 15))
    assert "damaged table of codes" in refused(GOOD[:2] + segment(0xC4, bytes((0,)) + counts + bytes(3)) + GOOD[2:])
    assert "damaged table of codes" in refused(GOOD[:2] + segment(0xC4, bytes((0, 1, *[0] * 15, 17))) + GOOD[2:])


@settings(max_examples=500, deadline=None, database=None, derandomize=True)
@given(place=st.integers(0, len(GOOD)), drop=st.integers(0, 4), put=st.binary(max_size=6))
def test_fuzz_damaged_streams(place: int, drop: int, put: bytes) -> None:
    start = time.perf_counter()
    with contextlib.suppress(BadScan):
        samples, _ = decode_jpeg_lossless(GOOD[:place] + put + GOOD[place + drop :], ROWS, COLUMNS)
        assert samples.shape == (ROWS, COLUMNS)
    assert time.perf_counter() - start < 1
