"""Hostile and broken DICOM folders: refused within a second, with one sentence that names the file and tells nothing
about the patient. Memory is the business of ``test_dicom_bombs``.

The cases are the upload cases of OWASP ASVS 5 and what general readers fall for: waiting for a pipe, filling up what is
cut off, quoting a value that names the patient.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedlung.errors import BadScan
from fedlung.imaging import dicom_series
from fedlung.imaging.dicom_header import MAX_FILE_BYTES
from fedlung.imaging.dicom_series import read_dicom_series
from fedlung.imaging.jpeg_ls import JpegLsDecoder
from tests.packed_dicom import (
    COLUMNS,
    EXPLICIT,
    ITEM,
    ITEM_END,
    JPEG_2000,
    PIXELS,
    RLE,
    ROWS,
    SEQUENCE_END,
    UNDEFINED,
    compressed,
    element,
    flat_jpeg_2000,
    many_items,
    slice_file,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good slices; a third at z = 2 is missing nowhere, so whatever is put there decides."""
    folder = tmp_path / "upload"
    folder.mkdir()
    for z in range(2):
        (folder / f"{z}.dcm").write_bytes(slice_file(z))
    return folder


def reason(folder: Path) -> str:
    start = time.perf_counter()
    with pytest.raises(BadScan) as refusal:
        read_dicom_series(folder)
    assert time.perf_counter() - start < 1
    message = str(refusal.value)
    assert message.isprintable()
    assert len(message) < 300
    assert "Zhang" not in message
    return message


def refused(folder: Path, content: bytes, name: str = "2.dcm") -> str:
    (folder / name).write_bytes(content)
    message = reason(folder)
    assert message.startswith(f"{name}: ")
    return message.removeprefix(f"{name}: ")


def test_the_unchanged_series_is_good(folder: Path) -> None:
    (folder / "2.dcm").write_bytes(slice_file(2))
    voxels = read_dicom_series(folder).voxels_zyx
    assert voxels.shape == (3, ROWS, COLUMNS)
    assert (voxels == np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) - 1024).all()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"x", bytes(131), bytes(128) + b"DICX", b"MZ\x90\x00", b"<!doctype html>", bytes(range(256)) * 8],
)
def test_what_is_named_like_a_slice_must_be_dicom(folder: Path, content: bytes) -> None:
    assert refused(folder, content) == "is not a DICOM file"


def test_an_empty_file_is_a_lost_slice_whatever_its_name(folder: Path) -> None:
    assert refused(folder, b"", "IM0003") == "is not a DICOM file"


def test_a_file_cut_anywhere_is_refused(folder: Path) -> None:
    whole = slice_file(2)
    for end in range(0, len(whole), 7):
        assert refused(folder, whole[:end])
    assert "the file is cut off: PixelData has 576 bytes, 575 are there" in refused(folder, whole[:-1])


@pytest.mark.parametrize("kind", ["link", "pipe", "device", "folder", "loop"])
def test_only_regular_files_are_opened(folder: Path, kind: str) -> None:
    strange = folder / "2.dcm"
    if kind == "pipe":
        os.mkfifo(strange)
    elif kind == "folder":
        strange.mkdir()
    else:
        strange.symlink_to({"link": folder / "0.dcm", "device": Path("/dev/zero"), "loop": strange}[kind])
    assert read_dicom_series(folder).voxels_zyx.shape == (2, ROWS, COLUMNS)


@pytest.mark.parametrize("name", ["missing", "0.dcm", "x" * 300, "dev"])
def test_what_is_no_folder_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "dev").symlink_to("/dev/null")
    assert "is not a folder that can be read" in reason((folder if name == "0.dcm" else folder.parent) / name)


def test_too_many_files_are_refused_before_one_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_series, "MAX_FILES", 2)
    os.mkfifo(folder / "pipe")
    assert reason(folder) == "the folder holds more than 2 files, expected the slices of one CT series"


def test_a_file_that_is_too_long_is_refused(folder: Path) -> None:
    with (folder / "2.dcm").open("wb") as file:
        file.write(slice_file(2))
        file.truncate(MAX_FILE_BYTES + 1)  # a sparse file
    assert "a slice must be at most 67108864 bytes long, got 67108865" in reason(folder)


def test_too_many_voxels_are_refused_before_memory_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_series, "MAX_VOXELS", 2 * ROWS * COLUMNS - 1)
    assert reason(folder) == "the series must be 575 voxels in all at most, got (2, 16, 18)"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(("spacing", value, "PixelSpacing must be") for value in (b"nan\\0.5", b"0\\0.5", b"-0.7\\0.5", b"0.7", b"")),
        *(("spacing", value, "PixelSpacing must be") for value in (b"0.7\\inf", b"1e999\\1", b"0,7\\0.5", b"1_0\\1")),
        ("spacing", b"0.7\\" * 300, "PixelSpacing is longer than 1024 bytes"),
        ("spacing", "\uff10.\uff17\\1".encode(), "PixelSpacing must be plain text"),
        *(("position", value, "ImagePositionPatient must be") for value in (b"nan\\0\\0", b"0\\0\\1e30", b"0\\0")),
        *(("orientation", value, "ImageOrientationPatient must be") for value in (b"nan\\0\\0\\0\\1\\0", b"1\\0\\0")),
        ("orientation", b"0\\0\\0\\0\\0\\0", "ImageOrientationPatient must be two perpendicular unit vectors"),
        ("orientation", b"1e300\\0\\0\\0\\1\\0", "ImageOrientationPatient must be 6 number(s)"),
        *(("slope", value, "RescaleSlope must be") for value in (b"nan", b"-1", b"0", b"1e30", b"")),
        *(("intercept", value, "RescaleIntercept must be") for value in (b"nan", b"1e30", b"x")),
        *(("rows", value, "Rows must be 16 to 2048") for value in (b"\x00\x00", b"\xff\xff", b"", b"\x10", bytes(4))),
        ("columns", b"\x01\x08", "Columns must be 16 to 2048, got 2049"),
        ("columns", b"\x00\x08", "Rows and Columns ask for 65536 pixel bytes, PixelData has 576"),
        ("bits", b"\x11\x00", "HighBit must be"),
        *(("uid", value, "SeriesInstanceUID must be") for value in (b"../../x", b"", b"1" * 65, b"1.2\n3")),
    ],
)
def test_a_wrong_value_names_its_element(folder: Path, name: str, value: bytes, message: str) -> None:
    assert refused(folder, slice_file(2, **{name: value})).startswith(message)


def test_an_element_may_not_be_given_twice(folder: Path) -> None:
    assert refused(folder, slice_file(2, before=element((0x28, 0x10), "US", b"\x10\x00"))) == "Rows appears twice"


FLAT = flat_jpeg_2000(ROWS, COLUMNS)
RLE_START = struct.pack("<16I", 2, 64, 64 + ROWS * COLUMNS * 2, *[0] * 13)


@pytest.mark.parametrize(
    ("syntax", "pixels", "message"),
    [
        (RLE, element((0x7FE0, 0x0010), "OW", PIXELS), "PixelData is compressed and TransferSyntaxUID says it is not"),
        (EXPLICIT, compressed(PIXELS), "PixelData is compressed and TransferSyntaxUID says it is not"),
        (RLE, compressed(b""), "the RLE pixels are cut off"),
        (RLE, compressed(RLE_START), "the RLE pixels must be two segments"),
        (RLE, compressed(struct.pack("<16I", 3, *[64] * 15)), "the RLE pixels must be two segments"),
        (RLE, compressed(struct.pack("<16I", 2, 64, 3, *[0] * 13) + bytes(99)), "the RLE pixels must be two segments"),
        (RLE, compressed(struct.pack("<16I", 2, *[64] * 15)), "the RLE pixels end before"),
        (RLE, compressed(bytes(64))[:-8], "the compressed pixels are damaged or cut off"),
        (RLE, compressed(bytes(64))[:20], "the compressed pixels are damaged or cut off"),
        (JPEG_2000, compressed(b""), "the JPEG 2000 pixels are cut off"),
        (JPEG_2000, compressed(FLAT[: len(FLAT) // 2]), "the JPEG 2000 pixels are cut off"),
        (JPEG_2000, compressed(FLAT[:60] + FLAT[-2:]), "the JPEG 2000 pixels are damaged"),
        (JPEG_2000, compressed(b"\xff\xd8" + FLAT[2:]), "the JPEG 2000 pixels must be a codestream"),
        (JPEG_2000, compressed(FLAT[:42] + b"\x26" + FLAT[43:]), "the JPEG 2000 pixels must be a codestream"),
        (JPEG_2000, compressed(FLAT[:24] + struct.pack(">2I", 1, 1) + FLAT[32:]), "the JPEG 2000 pixels must be at"),
        (JPEG_2000, compressed(FLAT[:24] + bytes(8) + FLAT[32:]), "the JPEG 2000 pixels must be at most 64 tiles"),
    ],
)
def test_damaged_compressed_pixels_are_refused(folder: Path, syntax: str, pixels: bytes, message: str) -> None:
    assert refused(folder, slice_file(2, syntax=syntax, pixels=pixels)).startswith(message)


def test_a_slice_that_shrinks_between_header_and_pixels_is_refused(folder: Path) -> None:
    header = dicom_series.read_slice_header(folder / "0.dcm")
    assert header is not None
    (folder / "0.dcm").write_bytes(slice_file()[:-100])
    with pytest.raises(BadScan, match="the file became shorter while it was read"):
        dicom_series.read_hounsfield(header, JpegLsDecoder())


def test_a_sequence_of_unknown_vr_holds_implicit_elements(folder: Path) -> None:
    """PS3.5 section 6.2.2: inside an explicit file, and with an element that the slice has, too."""
    rows = struct.pack("<HHI", 0x28, 0x10, 2) + b"\x01\x00"
    inner = ITEM + struct.pack("<I", UNDEFINED) + rows + ITEM_END + bytes(4) + SEQUENCE_END + bytes(4)
    (folder / "2.dcm").write_bytes(slice_file(2, before=element((0x0009, 0x1010), "UN", inner, UNDEFINED)))
    assert read_dicom_series(folder).voxels_zyx.shape == (3, ROWS, COLUMNS)


SEEDS = [
    slice_file(2),
    slice_file(2, before=many_items(3)),
    slice_file(2, syntax=JPEG_2000, pixels=compressed(FLAT)),
    slice_file(2, syntax=RLE, pixels=compressed(struct.pack("<16I", 2, 64, 72, *[0] * 13) + b"\x81\x00" * 12)),
]


@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(128, 1500), st.integers(0, 255)), max_size=8),
    end=st.integers(0, 1500),
)
@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused(folder: Path, seed: bytes, changes: list[tuple[int, int]], end: int) -> None:
    content = bytearray(seed)
    for position, value in changes:
        content[position % len(content)] = value
    (folder / "2.dcm").write_bytes(content if end > len(content) / 2 else content[:end])
    try:
        assert read_dicom_series(folder).voxels_zyx.shape[1:] == (ROWS, COLUMNS)
    except BadScan as error:
        if "Zhang" in str(error):
            pytest.fail(f"the refusal names the patient: {error}")
