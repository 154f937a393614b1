"""Lung search on drawn chests and on the real scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fedlung.imaging.annotations import read_findings
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.lungs import dilate, find_lungs
from fedlung.imaging.metaimage import read_metaimage

AIR, LUNG, SOFT = -1000, -850, 40


def _chest(lung_half_axes_mm: float = 55.0, gap: bool = False) -> tuple[np.ndarray, Geometry]:
    """An ellipse of soft tissue with two balls of lung, 3 mm voxels; ``gap`` opens one slice to the room."""
    geometry = Geometry((60, 80, 100), (3.0, 3.0, 3.0), (-150.0, -120.0, -90.0))
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in geometry.shape_zyx), indexing="ij")
    voxels = np.full(geometry.shape_zyx, AIR, dtype=np.int16)
    voxels[(x / 45) ** 2 + (y / 35) ** 2 < 1] = SOFT
    radius = lung_half_axes_mm / 3
    for side in (-1, 1):
        voxels[(x - 22 * side) ** 2 + y**2 + z**2 < radius**2] = LUNG
    if gap:
        voxels[30, 40, :] = AIR
    return voxels, geometry


def test_two_balls_are_found_with_their_volume():
    voxels, geometry = _chest()
    lungs = find_lungs(voxels, geometry)
    assert lungs.warning is None
    expected_l = 2 * 4 / 3 * np.pi * 0.55**3
    assert lungs.volume_l == pytest.approx(expected_l, rel=0.1)
    centers = [[0.0, 0.0, 0.0], [-66.0, 0.0, 0.0], [66.0, 0.0, 0.0]]
    index = np.rint(lungs.geometry.world_to_index(centers)).astype(int)
    assert [bool(lungs.mask_zyx[tuple(at)]) for at in index] == [False, True, True]


def test_an_opening_in_one_slice_does_not_let_the_lungs_out():
    lungs = find_lungs(*_chest(gap=True))
    assert lungs.warning is None
    assert not lungs.mask_zyx[:, 0].any()


def test_a_solid_nodule_at_the_pleura_is_inside():
    voxels, geometry = _chest()
    # A ball of 12 mm whose middle lies on the lung's surface: half of it is closed over.
    center = np.array([-66.0 - 55.0 + 5.0, 0.0, 0.0])
    index = np.stack(np.meshgrid(*map(np.arange, voxels.shape), indexing="ij"), axis=-1)
    ball = np.linalg.norm(geometry.index_to_world(index) - center, axis=-1) <= 6
    voxels[ball] = SOFT
    lungs = find_lungs(voxels, geometry)
    at = tuple(np.rint(lungs.geometry.world_to_index(center)).astype(int))
    grown = dilate(lungs.mask_zyx, lungs.geometry.spacing_zyx_mm, 5.0)
    assert grown[at]


@pytest.mark.parametrize(("radius_mm", "part"), [(20.0, "no lungs were found"), (40.0, "lung volume of 0.5 L")])
def test_an_implausible_result_becomes_the_body_box_with_a_warning(radius_mm, part):
    voxels, geometry = _chest(lung_half_axes_mm=radius_mm)
    lungs = find_lungs(voxels, geometry)
    assert lungs.warning is not None
    assert part in lungs.warning
    body = np.argwhere(voxels > -400)
    corners = geometry.index_to_world([body.min(axis=0), body.max(axis=0)])
    inside = np.rint(lungs.geometry.world_to_index(corners)).astype(int)
    assert all(lungs.mask_zyx[tuple(at)] for at in inside)


def test_an_empty_picture_is_one_box_with_a_warning():
    voxels = np.full((20, 20, 20), AIR, dtype=np.int16)
    lungs = find_lungs(voxels, Geometry((20, 20, 20), (2.0, 2.0, 2.0)))
    assert lungs.warning is not None
    assert lungs.mask_zyx.all()


def test_dilation_reaches_as_many_millimetres_on_every_axis():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[4, 4, 4] = True
    grown = dilate(mask, (3.0, 1.0, 1.0), 3.0)
    assert grown[:, 4, 4].tolist() == [False, False, False, True, True, True, False, False, False]
    assert grown[4, 4].tolist() == [False, True, True, True, True, True, True, True, False]
    assert not dilate(np.zeros_like(mask), (1.0, 1.0, 1.0), 3.0).any()


@pytest.mark.slow
def test_all_real_nodules_lie_in_the_lungs(real_ct: Path):
    findings = read_findings(real_ct / "luna16_csv" / "annotations.csv")
    found = 0
    for path in sorted((real_ct / "scans").glob("*/*.mhd")):
        volume = read_metaimage(path)
        lungs = find_lungs(volume.voxels_zyx, volume.geometry)
        assert lungs.warning is None
        grown = dilate(lungs.mask_zyx, lungs.geometry.spacing_zyx_mm, 5.0)
        for finding in findings:
            if finding.series_uid == volume.series_uid:
                assert grown[tuple(np.rint(lungs.geometry.world_to_index(finding.center_xyz_mm)).astype(int))]
                found += 1
    assert found == 8


@pytest.mark.parametrize("seed", range(12))
def test_dilating_is_a_threshold_of_the_whole_distance_transform(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 24, size=3)) < random.choice([0.002, 0.05, 0.4])
    mask[tuple(random.integers(mask.shape))] = True
    spacing_zyx_mm = (2.0, 2.0, 2.0) if seed % 2 else tuple(random.uniform(0.6, 3.0, size=3).tolist())
    radius_mm = float(random.choice([3.0, 5.0, 10.0]))

    expected = ndimage.distance_transform_edt(~mask, sampling=spacing_zyx_mm) <= radius_mm

    np.testing.assert_array_equal(dilate(mask, spacing_zyx_mm, radius_mm), expected)
