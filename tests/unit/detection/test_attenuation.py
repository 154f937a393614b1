"""Density types: balls of known HU in a mask."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.detection.attenuation import GROUND_GLASS, PART_SOLID, SOLID, attenuation_of
from fedlung.detection.measure import component_at

SHAPE = (40, 40, 40)
CENTER = np.array([20.0, 19.0, 21.0])
LUNG, GLASS, TISSUE = -850, -600, 40
DISTANCE = np.linalg.norm(np.stack(np.mgrid[:40, :40, :40], axis=-1) - CENTER, axis=-1)


def _type(diameter_mm: float, core_mm: float) -> str | None:
    """Of a ball of ground glass with a solid core."""
    hu = np.full(SHAPE, LUNG, dtype=np.int16)
    hu[diameter_mm / 2 >= DISTANCE] = GLASS
    hu[core_mm / 2 >= DISTANCE] = TISSUE
    mask = np.where(diameter_mm / 2 >= DISTANCE, np.float32(0.9), np.float32(0.1))
    return attenuation_of(hu, *component_at(mask, CENTER, diameter_mm), diameter_mm)


@pytest.mark.parametrize(("core_mm", "expected"), [(12.0, SOLID), (7.0, PART_SOLID), (0.0, GROUND_GLASS)])
def test_the_share_of_tissue_decides(core_mm: float, expected: str) -> None:
    assert _type(12.0, core_mm) == expected


def test_small_ones_have_no_type() -> None:
    assert _type(5.9, 5.9) is None


def test_a_mark_beside_its_mask_has_no_type() -> None:
    hu, mask = np.full(SHAPE, TISSUE, dtype=np.int16), np.zeros(SHAPE, dtype=np.float32)
    assert attenuation_of(hu, *component_at(mask, CENTER, 10.0), 10.0) is None


def test_the_rim_does_not_count() -> None:
    hu = np.full(SHAPE, TISSUE, dtype=np.int16)
    hu[(DISTANCE > 5.0) & (DISTANCE <= 6.0)] = LUNG  # half of its voxels hold lung
    mask = np.where(DISTANCE <= 6.0, np.float32(0.9), np.float32(0.1))
    assert attenuation_of(hu, *component_at(mask, CENTER, 12.0), 12.0) == SOLID
