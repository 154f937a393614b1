"""What the checks say of a made chest, and of the same chest with one thing wrong at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.intake.checks import all_checks, unread_neighbours
from fedlung.imaging.intake.scan_facts import Check, ScanFacts
from fedlung.imaging.lungs import find_lungs
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.imaging.volume import CTVolume, HounsfieldArray

SHAPE = (120, 300, 320)
SPACING = (2.5, 1.1, 1.1)
FACTS = ScanFacts("metaimage", "1.2.3")
LUNG_RADII_MM = (110.0, 70.0, 55.0)


def ball(center_zyx_mm: tuple[float, float, float], radii_zyx_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    axes = np.ogrid[tuple(slice(0, count) for count in SHAPE)]
    parts = (
        ((axis * step - center) / radius) ** 2
        for axis, step, center, radius in zip(axes, SPACING, center_zyx_mm, radii_zyx_mm, strict=True)
    )
    inside: NDArray[np.bool_] = sum(parts) < 1
    return inside


def chest() -> HounsfieldArray:
    """Air, a body, two lungs; noise, so that no slice repeats another."""
    middle_mm = tuple((count - 1) * step / 2 for count, step in zip(SHAPE, SPACING, strict=True))
    voxels = np.full(SHAPE, -1000, np.int16)
    voxels[ball(middle_mm, (1e6, 110.0, 150.0))] = 40
    for side in (-1, 1):
        voxels[ball((middle_mm[0], middle_mm[1], middle_mm[2] + side * 65), LUNG_RADII_MM)] = -850
    return voxels + np.random.default_rng(1).integers(-20, 20, SHAPE, np.int16)


CHEST = chest()


def checked(
    voxels: HounsfieldArray = CHEST,
    spacing: tuple[float, float, float] = SPACING,
    direction: FloatArray | None = None,
    facts: ScanFacts = FACTS,
) -> dict[str, Check]:
    axes = np.eye(3) if direction is None else direction
    geometry = Geometry(voxels.shape, spacing, (0.0, 0.0, 0.0), tuple(axes.ravel().tolist()))
    volume = reorient_to_lps(CTVolume("scan", voxels, geometry))
    lungs = find_lungs(volume.voxels_zyx, volume.geometry)
    checks = all_checks(volume, geometry, lungs, facts)
    assert all(check.sentence.endswith((".", "?")) for check in checks)  # every placeholder has its value
    return {check.code: check for check in checks}


def test_nothing_is_wrong_with_a_chest() -> None:
    checks = checked()
    assert {check.level for check in checks.values()} == {"ok"}
    assert checks["height"].sentence == "The scan is 300 mm high (120 slices)."
    assert checks["field_of_view"].values == {"width": round(320 * 1.1), "depth": round(300 * 1.1)}
    volume_l = 2 * 4 / 3 * np.pi * np.prod(LUNG_RADII_MM) / 1e6
    assert checks["lungs"].values["volume"] == pytest.approx(volume_l, rel=0.03)


@pytest.mark.parametrize(("slices", "level"), [(39, "error"), (41, "warning"), (79, "warning"), (81, "ok")])
def test_height(slices: int, level: str) -> None:
    """Slices of 2.5 mm; the limits are 100 and 200 mm."""
    assert checked(CHEST[:slices])["height"].level == level


@pytest.mark.parametrize(
    ("spacing", "code", "level"),
    [
        ((2.5, 0.4, 0.4), "field_of_view", "error"),
        ((2.5, 0.7, 0.7), "field_of_view", "warning"),
        ((2.5, 2.5, 2.5), "field_of_view", "error"),
        ((2.5, 1.3, 1.3), "spacing", "warning"),
        ((2.5, 0.2, 1.1), "spacing", "error"),
        ((2.5, 1.1, 3.1), "spacing", "error"),
        ((3.0, 1.1, 1.1), "slice_distance", "warning"),
        ((6.1, 1.1, 1.1), "slice_distance", "error"),
        ((2.5000001, 1.1, 1.1), "slice_distance", "ok"),
    ],
)
def test_spacing(spacing: tuple[float, float, float], code: str, level: str) -> None:
    assert checked(spacing=spacing)[code].level == level


def test_slices_that_leave_tissue_out() -> None:
    assert checked(facts=replace(FACTS, slice_thickness_mm=2.5))["slice_distance"].level == "ok"
    thin = checked(facts=replace(FACTS, slice_thickness_mm=1.0))["slice_distance"]
    assert thin.level == "warning"
    assert thin.sentence.startswith("Slices are 1.00 mm thick and 2.50 mm apart")


def test_empty_and_doubled_slices_are_counted_from_below() -> None:
    voxels = CHEST.copy()
    voxels[10] = -1000
    voxels[50] = voxels[49]
    check = checked(voxels)["slices"]
    assert check.level == "warning"
    assert check.values == {"count": 2, "named": "11, 51"}
    # Stored from the head down, the first slice is still the lowest.
    assert checked(voxels[::-1], direction=np.diag([1.0, 1.0, -1.0]))["slices"].values == check.values


@pytest.mark.parametrize(
    ("direction", "letters", "level"),
    [
        (np.eye(3), "LPS", "ok"),
        (np.diag([-1.0, -1.0, 1.0]), "RAS", "ok"),
        (np.diag([1.0, 1.0, -1.0]), "LPI", "ok"),
        (np.array([[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]]), "LPS", "warning"),
    ],
)
def test_orientation(direction: FloatArray, letters: str, level: str) -> None:
    check = checked(direction=direction)["orientation"]
    assert (check.values["axes"], check.level) == (letters, level)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hu: hu + 1024, "Is the rescale missing?"),
        (lambda hu: hu // 10, "Is the rescale missing?"),
        (lambda hu: np.where(hu > -500, 2900, hu).astype(np.int16), "no HU of a body"),
    ],
)
def test_values_that_are_no_hu(change: Callable[[HounsfieldArray], HounsfieldArray], words: str) -> None:
    check = checked(change(CHEST))["hu"]
    assert check.level == "error"
    assert words in check.sentence


def test_no_lungs_and_lungs_that_go_on() -> None:
    solid = np.where((CHEST < -700) & (CHEST > -900), 40, CHEST).astype(np.int16)
    assert checked(solid)["lungs"].level == "warning"
    cut = checked(CHEST[40:])
    assert cut["lungs_cut"].sentence == "The lungs go on below the first slice."
    assert checked(CHEST[:80])["lungs_cut"].sentence == "The lungs go on above the last slice."


def test_what_the_header_warns_of() -> None:
    assert "burnt_in" not in checked()
    assert checked(facts=replace(FACTS, burnt_in=True))["burnt_in"].level == "warning"
    assert unread_neighbours(3).sentence.startswith("3 files beside this series")


def test_dicom_is_told_to_be_whole() -> None:
    assert checked(facts=replace(FACTS, source="dicom"))["slices"].sentence.startswith("No slice is missing")
