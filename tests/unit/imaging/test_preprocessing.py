"""The preprocessing recipe on chests that are drawn in the world, so that any voxel grid shows the same body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedlung.errors import BadScan
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.lungs import dilate, find_lungs
from fedlung.imaging.preprocessing import CELL, RECIPE, PreparedScan, Recipe, prepare, to_unit_interval
from fedlung.imaging.volume import CTVolume

AIR, LUNG, SOFT = -1000, -850, 40
LUNG_CENTERS_MM = np.array([[-62.0, 150.0, -300.0], [62.0, 150.0, -300.0]])
LUNG_RADIUS_MM = 48.0
BODY_HALF_AXES_MM = (125.0, 75.0)
NODULE_MM = np.array([-51.3, 140.6, -287.9])
NODULE_RADIUS_MM = 6.0

IDENTITY = np.eye(3)
FLIPPED = np.diag([-1.0, -1.0, 1.0])
HEAD_DOWN = np.diag([1.0, 1.0, -1.0])
# Index axes x, y, z run to Posterior, Superior, Right: a sagittal acquisition.
SAGITTAL = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def _tilted(degrees: float) -> np.ndarray:
    """Turned about x, then a little about z."""
    a, b = np.deg2rad(degrees), np.deg2rad(degrees / 3)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return about_z @ about_x


def _grid(direction: np.ndarray, spacing_xyz_mm: tuple[float, float, float]) -> Geometry:
    """A grid of about 280 x 170 x 130 mm of the world around the chest, with these index axes."""
    extent = np.abs(direction).T @ np.array([280.0, 170.0, 130.0])
    shape_xyz = np.ceil(extent / spacing_xyz_mm).astype(int)
    middle = LUNG_CENTERS_MM.mean(axis=0)
    origin = middle - direction @ ((shape_xyz - 1) / 2 * spacing_xyz_mm)
    shape, spacing = tuple(shape_xyz[::-1].tolist()), tuple(spacing_xyz_mm[::-1])
    return Geometry(shape, spacing, tuple(origin.tolist()), tuple(direction.ravel().tolist()))


def _chest(geometry: Geometry, nodule_mm: np.ndarray = NODULE_MM, lung_radius_mm: float = LUNG_RADIUS_MM) -> CTVolume:
    """Body, two lungs and a nodule; the nodule's edge is half covered, so its place is known below a voxel."""
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape_zyx), indexing="ij"), axis=-1)
    world = geometry.index_to_world(index)  # (d, h, w, 3)
    x, y, _ = np.moveaxis(world - LUNG_CENTERS_MM.mean(axis=0), -1, 0)
    hu = np.where((x / BODY_HALF_AXES_MM[0]) ** 2 + (y / BODY_HALF_AXES_MM[1]) ** 2 < 1, SOFT, AIR).astype(float)
    for center in LUNG_CENTERS_MM:
        hu[np.linalg.norm(world - center, axis=-1) < lung_radius_mm] = LUNG
    covered = np.clip(0.5 + (NODULE_RADIUS_MM - np.linalg.norm(world - nodule_mm, axis=-1)) / 2, 0, 1)
    return CTVolume("scan", np.rint(hu + covered * (SOFT - hu)).astype(np.int16), geometry)


@pytest.fixture(scope="module")
def plain() -> PreparedScan:
    return prepare(_chest(_grid(IDENTITY, (3.0, 3.0, 3.0))))


def _nodule_center_mm(scan: PreparedScan) -> np.ndarray:
    """World centre of mass of what is denser than lung within 12 mm of the nodule."""
    middle = np.rint(scan.geometry.world_to_index(NODULE_MM)).astype(int)
    index = np.stack(np.meshgrid(*[np.arange(at - 13, at + 14) for at in middle], indexing="ij"), axis=-1)
    world = scan.geometry.index_to_world(index)
    weight = scan.hu_zyx[tuple(np.moveaxis(index, -1, 0))].astype(float) - LUNG
    weight[np.linalg.norm(world - NODULE_MM, axis=-1) > 12] = 0
    return np.asarray((world * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum())


def test_the_grid_is_one_millimetre_in_whole_cells_and_the_window_holds(plain: PreparedScan):
    assert plain.geometry.spacing_zyx_mm == (1.0, 1.0, 1.0)
    assert plain.hu_zyx.dtype == np.int16
    assert plain.hu_zyx.shape == plain.geometry.shape_zyx
    assert all(count % CELL == 0 for count in plain.hu_zyx.shape)
    assert plain.search_zyx.shape == tuple(count // CELL for count in plain.hu_zyx.shape)
    assert RECIPE.window_hu[0] <= plain.hu_zyx.min()
    assert plain.hu_zyx.max() <= RECIPE.window_hu[1]
    assert plain.warnings == ()
    assert plain.lung_volume_l == pytest.approx(2 * 4 / 3 * np.pi * (LUNG_RADIUS_MM / 100) ** 3, rel=0.1)


@pytest.mark.parametrize(
    ("direction", "spacing_xyz_mm"),
    [
        (IDENTITY, (2.0, 2.0, 2.5)),
        (FLIPPED, (2.5, 2.5, 5.0)),
        (HEAD_DOWN, (3.0, 2.5, 3.5)),
        (SAGITTAL, (2.5, 3.0, 3.5)),
        (_tilted(12.0), (2.5, 2.5, 3.0)),
        (FLIPPED @ _tilted(-9.0), (2.5, 2.5, 3.0)),
    ],
)
def test_a_nodule_stays_at_its_world_place_in_every_grid(direction, spacing_xyz_mm):
    scan = prepare(_chest(_grid(direction, spacing_xyz_mm)))
    assert scan.warnings == ()
    # A slice of 5 mm cannot place a ball better than a small part of its thickness.
    np.testing.assert_allclose(_nodule_center_mm(scan), NODULE_MM, atol=0.1 * max(spacing_xyz_mm))
    assert np.diag(scan.geometry.direction).min() > 0.9  # z, y, x run to Superior, Posterior, Left
    cell = tuple(np.rint((scan.geometry.world_to_index(NODULE_MM) - 0.5) / CELL).astype(int))
    assert scan.search_zyx[cell]


@pytest.mark.parametrize("direction", [FLIPPED, HEAD_DOWN, SAGITTAL])
def test_the_order_in_which_a_scan_is_stored_changes_nothing(plain: PreparedScan, direction):
    turned = prepare(_chest(_grid(direction, (3.0, 3.0, 3.0))))
    np.testing.assert_array_equal(turned.hu_zyx, plain.hu_zyx)
    np.testing.assert_array_equal(turned.search_zyx, plain.search_zyx)
    np.testing.assert_allclose(turned.geometry.origin_xyz_mm, plain.geometry.origin_xyz_mm, atol=1e-9)


def test_the_crop_keeps_the_margin_around_the_lungs_and_little_more(plain: PreparedScan):
    low = plain.geometry.index_to_world((-0.5, -0.5, -0.5))
    high = plain.geometry.index_to_world(np.asarray(plain.geometry.shape_zyx) - 0.5)
    wanted = LUNG_RADIUS_MM + RECIPE.margin_mm
    slack = 2 * 3.0 + 2 * 1.0  # coarse voxels at both sides, and the padding to whole cells
    for found, center, side in ((low, LUNG_CENTERS_MM[0], -1), (high, LUNG_CENTERS_MM[1], 1)):
        beyond = side * (found - center) - wanted
        assert (beyond > -3.0).all()
        assert (beyond < slack).all()


def test_candidates_count_in_the_lungs_and_a_little_outside(plain: PreparedScan):
    cells = np.stack(np.meshgrid(*map(np.arange, plain.search_zyx.shape), indexing="ij"), axis=-1)
    world = plain.geometry.index_to_world(cells * CELL + (CELL - 1) / 2)
    outside_mm = np.min([np.linalg.norm(world - c, axis=-1) for c in LUNG_CENTERS_MM], axis=0) - LUNG_RADIUS_MM
    coarse_mm = 3.0
    assert plain.search_zyx[outside_mm < RECIPE.search_margin_mm - 1.5 * coarse_mm].all()
    assert not plain.search_zyx[outside_mm > RECIPE.search_margin_mm + 2 * coarse_mm].any()


@pytest.mark.parametrize("spacing_mm", [2.77, 3.1])
def test_a_cell_is_searched_when_the_lung_mask_nearest_to_its_centre_says_so(spacing_mm):
    volume = _chest(_grid(IDENTITY, (spacing_mm,) * 3))
    scan, lungs = prepare(volume), find_lungs(volume.voxels_zyx, volume.geometry)
    grown = dilate(lungs.mask_zyx, lungs.geometry.spacing_zyx_mm, RECIPE.search_margin_mm)
    cells = np.stack(np.meshgrid(*map(np.arange, scan.search_zyx.shape), indexing="ij"), axis=-1)
    world = scan.geometry.index_to_world(cells * CELL + (CELL - 1) / 2)
    coarse = np.rint(lungs.geometry.world_to_index(world)).astype(int).clip(0, np.asarray(grown.shape) - 1)
    np.testing.assert_array_equal(scan.search_zyx, grown[tuple(np.moveaxis(coarse, -1, 0))])


def test_padding_and_metal_do_not_bleed_into_their_neighbours():
    volume = _chest(_grid(IDENTITY, (3.0, 3.0, 3.0)))
    padded = volume.voxels_zyx.copy()
    padded[:, :5] = -3024
    padded[30, 20, 40] = 3000
    tame = np.clip(padded, *RECIPE.window_hu)
    scans = [prepare(replace(volume, voxels_zyx=voxels)) for voxels in (padded, tame)]
    np.testing.assert_array_equal(scans[0].hu_zyx, scans[1].hu_zyx)


def test_without_lungs_the_body_is_read_with_a_warning():
    scan = prepare(_chest(_grid(IDENTITY, (3.0, 3.0, 3.0)), lung_radius_mm=20.0))
    (warning,) = scan.warnings
    assert "no lungs were found" in warning
    middle = LUNG_CENTERS_MM.mean(axis=0)
    flank = np.array([BODY_HALF_AXES_MM[0] - 2, 0.0, 0.0])
    assert scan.geometry.contains([middle - flank, middle + flank]).all()
    # Every cell of the body's box may hold a nodule; the margin around it may not.
    assert scan.search_zyx[tuple(count // 2 for count in scan.search_zyx.shape)]
    assert scan.search_zyx.mean() > 0.6


def test_a_scan_of_one_slice_is_prepared():
    voxels = np.full((1, 40, 40), SOFT, dtype=np.int16)
    scan = prepare(CTVolume("slice", voxels, Geometry((1, 40, 40), (5.0, 2.0, 2.0))))
    assert scan.hu_zyx.shape[0] == CELL
    assert scan.warnings


def test_a_scan_that_would_fill_the_memory_is_refused():
    # 125 kB of voxels with the largest spacing that a header may have: 1000 mm on each side, 2 GB of 1 mm cubes.
    voxels = np.full((50, 50, 50), SOFT, dtype=np.int16)
    with pytest.raises(BadScan, match="huge"):
        prepare(CTVolume("huge", voxels, Geometry(voxels.shape, (20.0, 20.0, 20.0))))


def test_the_given_volume_is_not_changed():
    volume = _chest(_grid(FLIPPED, (3.0, 3.0, 3.0)))
    before = volume.voxels_zyx.copy()
    volume.voxels_zyx.flags.writeable = False
    prepare(volume)
    np.testing.assert_array_equal(volume.voxels_zyx, before)


def test_the_window_becomes_zero_to_one():
    low, high = RECIPE.window_hu
    unit = to_unit_interval(np.array([low, (low + high) // 2, high], dtype=np.int16))
    assert unit.dtype == np.float32
    assert unit.tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    "other",
    [
        Recipe(spacing_mm=2.0),
        Recipe(window_hu=(-1200, 600)),
        Recipe(margin_mm=11.0),
        Recipe(search_margin_mm=6.0),
        Recipe(version=RECIPE.version + 1),
    ],
)
def test_every_number_of_the_recipe_is_in_its_fingerprint(other):
    assert other.fingerprint() != RECIPE.fingerprint()
    assert other.to_json() != RECIPE.to_json()
    assert Recipe(**{**RECIPE.to_json(), "window_hu": tuple(RECIPE.to_json()["window_hu"])}) == RECIPE
