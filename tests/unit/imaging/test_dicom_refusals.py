"""Folders of DICOM files that are no regular CT grid: refused, with the file or the place in one plain sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fedlung.imaging.dicom_series import read_dicom_series
from tests.dicom_slices import (
    AXIAL,
    COLUMNS,
    ORIENTATIONS,
    ORIGIN,
    ROWS,
    SERIES,
    SLICES,
    SPACING_ZYX_MM,
    STORED_ZYX,
    assert_is_the_series,
    ct_slice,
    move,
    reason,
    save,
    save_series,
)


@pytest.mark.parametrize(("orientation", "axis"), [(AXIAL, "z"), (ORIENTATIONS["coronal"], "y")])
def test_a_missing_slice_is_refused_with_its_place(tmp_path: Path, orientation: Any, axis: str) -> None:
    for z in (0, 1, 2, 4):
        save(ct_slice(z, orientation), tmp_path / str(z))
    before, after = ORIGIN["xyz".index(axis)] + np.array([2, 4]) * SPACING_ZYX_MM[0]
    assert reason(tmp_path) == (
        f"a slice is missing between {axis} = {before:.2f} and {after:.2f} mm:"
        f" a step of {2 * SPACING_ZYX_MM[0]:.2f} mm, elsewhere {SPACING_ZYX_MM[0]:.2f} mm"
    )


@pytest.mark.parametrize(("shift_mm", "good"), [(0.01, True), (0.02, False), (-0.3, False), (0.3, False)])
def test_steps_are_equal_within_a_percent(tmp_path: Path, shift_mm: float, good: bool) -> None:
    save_series(tmp_path, lambda dataset, z: move(dataset, 0, 0, shift_mm * (z == 3)))
    if good:
        assert_is_the_series(read_dicom_series(tmp_path))
    else:
        assert "unevenly spaced between z = " in reason(tmp_path)


def test_the_same_position_twice_is_refused(tmp_path: Path) -> None:
    save_series(tmp_path)
    save(ct_slice(2, SOPInstanceUID="1.5"), tmp_path / "again")
    assert reason(tmp_path).endswith("are slices at the same position")
    assert "again" in reason(tmp_path)


def test_two_series_are_named_with_their_counts(tmp_path: Path) -> None:
    save_series(tmp_path)
    for z in range(3):
        save(ct_slice(z, SeriesInstanceUID="1.2.3"), tmp_path / f"other{z}")
    message = reason(tmp_path)
    assert "2 CT series" in message
    assert f"{SERIES} (5 slices)" in message
    assert "1.2.3 (3 slices)" in message


@pytest.mark.parametrize("degrees", [0.6, 12.0, -20.0])
def test_a_tilted_gantry_is_refused_with_its_angle(tmp_path: Path, degrees: float) -> None:
    shear = np.tan(np.radians(degrees)) * SPACING_ZYX_MM[0]
    save_series(tmp_path, lambda dataset, z: move(dataset, 0, shear * z, 0))
    assert f"at {abs(degrees):.1f} degrees to their normal" in reason(tmp_path)


def test_a_table_that_moved_sideways_is_refused(tmp_path: Path) -> None:
    save_series(tmp_path, lambda dataset, z: move(dataset, 1.5 * (z in (2, 3)), 0, 0))
    assert reason(tmp_path) == "slices lie up to 1.5 mm beside each other, at most 1.0 is read"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelSpacing", [0.7, 0.51]),
        ("ImageOrientationPatient", [1, 0, 0, 0, 0.99995, 0.01]),
        ("Rows", ROWS // 2 * 2 - 2),
    ],
)
def test_slices_of_different_grids_are_refused(tmp_path: Path, keyword: str, value: Any) -> None:
    def change(dataset: Dataset, z: int) -> None:
        if z == 2:
            setattr(dataset, keyword, value)
            dataset.PixelData = STORED_ZYX[0, : dataset.Rows].astype("<u2").tobytes()

    save_series(tmp_path, change)
    assert keyword in reason(tmp_path)
    assert " differ between IM" in reason(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "an Enhanced CT file with several frames is not read"),
        ({"NumberOfFrames": 2}, "NumberOfFrames must be 1, got '2'"),
        ({"SamplesPerPixel": 3}, "SamplesPerPixel must be 1, got 3"),
        ({"BitsAllocated": 8}, "BitsAllocated must be 16, got 8"),
        ({"HighBit": 15}, "HighBit must be one less than BitsStored, got 15 and 12"),
        ({"BitsStored": 11, "HighBit": 10}, "stored values must be 0 to 2047 (BitsStored), got "),
        ({"RescaleType": "Z_EFF"}, "RescaleType must be HU, got 'Z_EFF'"),
        ({"RescaleSlope": 20}, "HU must be -32768 to 32767, got "),
        ({"RescaleSlope": 0}, "RescaleSlope must be positive, got 0"),
        ({"RescaleSlope": None}, "RescaleSlope is missing"),
        ({"RescaleIntercept": None}, "RescaleIntercept is missing"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient is missing"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "ImageOrientationPatient must be two perpendicular"),
        ({"PixelData": None}, "the file is cut off in its DICOM header"),
        ({"PixelData": b"12"}, f"Rows and Columns ask for {ROWS * COLUMNS * 2} pixel bytes, PixelData has 2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_slice_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save_series(tmp_path)
    save(ct_slice(SLICES, **changes), tmp_path / "strange.dcm")
    assert reason(tmp_path).startswith(f"strange.dcm: {message}")


@pytest.mark.parametrize(
    ("tail", "name"),
    [("1.99", "deflated"), ("2", "big endian"), ("4.91", "lossy JPEG")],
)
def test_a_coding_that_is_not_read_is_named(tmp_path: Path, tail: str, name: str) -> None:
    save_series(tmp_path)
    syntax = f"1.2.840.10008.1.2.{tail}".encode()
    path = min(tmp_path.iterdir())
    content = path.read_bytes()
    explicit = b"UI\x14\x001.2.840.10008.1.2.1\0"
    assert content.count(explicit) == 1
    path.write_bytes(content.replace(explicit, b"UI" + len(syntax).to_bytes(2, "little") + syntax))
    assert f"{path.name}: the file is {name}" in reason(tmp_path)
    assert reason(tmp_path).endswith("export the series uncompressed (Explicit VR Little Endian)")


@pytest.mark.parametrize("modality", ["MR", "PT"])
def test_a_folder_without_ct_is_refused(tmp_path: Path, modality: str) -> None:
    assert "the folder holds 0 CT slices" in reason(tmp_path)
    for z in range(SLICES):
        save(ct_slice(z, Modality=modality), tmp_path / str(z))
    assert "the folder holds 0 CT slices" in reason(tmp_path)
