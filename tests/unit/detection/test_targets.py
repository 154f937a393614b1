"""Targets of a patch, against a slow twin written cell by cell, and where nodules are cut by the patch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlung.detection.balls import Balls
from fedlung.detection.targets import (
    POSITIVE_RADIUS,
    SMALLEST_DRAWN_DIAMETER,
    SMALLEST_SIGMA,
    ball_mask,
    draw_targets,
)
from fedlung.imaging.preprocessing import CELL

PATCH = 16
NONE = Balls(np.zeros((0, 3)), np.zeros(0))
AT = (slice(None),) * 3


def _balls(*rows: tuple[float, float, float, float]) -> Balls:
    table = np.array(rows, dtype=float)
    return Balls(table[:, :3], table[:, 3])


def _cell_centers(patch: int = PATCH) -> np.ndarray:
    cells = np.stack(np.meshgrid(*[np.arange(patch // CELL)] * 3, indexing="ij"), axis=-1)
    return cells * CELL + 0.5


def test_a_patch_without_nodules_is_empty():
    targets = draw_targets(NONE, NONE, PATCH)
    assert targets.heat.shape == targets.weight.shape == targets.log_diameter.shape == (8, 8, 8)
    assert targets.offset_zyx.shape == (3, 8, 8, 8)
    assert targets.mask.shape == (16, 16, 16)
    assert not targets.heat.any()
    assert (targets.weight == 1).all()
    assert not targets.mask.any()


def test_targets_agree_with_their_definition_cell_by_cell():
    nodules, ignored = _balls((6.2, 7.0, 5.1, 6.0), (11.0, 3.3, 12.0, 12.0)), _balls((3.0, 12.0, 3.0, 5.0))
    targets = draw_targets(nodules, ignored, PATCH)
    for cell in np.ndindex(8, 8, 8):
        at = np.array(cell) * CELL + 0.5
        distances = np.linalg.norm(nodules.centers_zyx - at, axis=1)
        sigmas = np.maximum(SMALLEST_SIGMA, nodules.diameters / 6)
        heats = np.where(distances <= POSITIVE_RADIUS, 1.0, np.exp(-(distances**2) / (2 * sigmas**2)))
        nearest = int(np.argmin(distances))
        assert targets.heat[cell] == pytest.approx(heats.max(), abs=1e-6)
        assert targets.log_diameter[cell] == pytest.approx(np.log(nodules.diameters[nearest]), abs=1e-6)
        np.testing.assert_allclose(at + targets.offset_zyx[:, *cell], nodules.centers_zyx[nearest], atol=1e-5)
        away = np.linalg.norm(ignored.centers_zyx[0] - at)
        silent = away <= ignored.diameters[0] / 2 + CELL and heats.max() < 1
        assert targets.weight[cell] == (0.0 if silent else 1.0)
    for voxel in np.ndindex(PATCH, PATCH, PATCH):
        inside = np.linalg.norm(nodules.centers_zyx - voxel, axis=1) <= nodules.diameters / 2
        assert targets.mask[voxel] == inside.any()


@given(st.tuples(*[st.floats(-0.5, PATCH - 0.5)] * 3), st.floats(3, 60))
def test_every_nodule_has_a_positive_cell_that_knows_it(center, diameter):
    targets = draw_targets(_balls((*center, diameter)), NONE, PATCH)
    positive = targets.heat == 1
    assert positive.any()
    np.testing.assert_allclose(targets.log_diameter[positive], np.log(diameter), atol=1e-5)
    pointed = np.moveaxis(targets.offset_zyx, 0, -1)[positive] + _cell_centers()[positive]
    np.testing.assert_allclose(pointed, np.broadcast_to(center, pointed.shape), atol=1e-4)
    assert np.abs(np.moveaxis(targets.offset_zyx, 0, -1)[positive]).max() <= POSITIVE_RADIUS + 1e-5


def test_a_nodule_outside_the_patch_leaves_what_reaches_into_it():
    far = draw_targets(_balls((8.0, 8.0, 100.0, 10.0)), NONE, PATCH)
    assert not far.mask.any()
    assert far.heat.max() < 1e-6
    near = draw_targets(_balls((8.0, 8.0, 18.0, 10.0)), NONE, PATCH)
    assert not (near.heat == 1).any()
    assert near.mask[8, 8, 13]
    assert not near.mask[8, 8, 12]


def test_a_nodule_larger_than_the_patch_fills_it():
    targets = draw_targets(_balls((8.0, 8.0, 8.0, 40.0)), NONE, PATCH)
    assert targets.mask.all()
    assert (targets.heat == 1).any()


def test_a_tiny_nodule_has_a_mask_one_can_learn_from():
    targets = draw_targets(_balls((7.6, 8.3, 8.0, 3.0)), NONE, PATCH)
    center = np.array([7.6, 8.3, 8.0])
    for voxel in np.argwhere(targets.mask):
        assert np.linalg.norm(voxel - center) <= SMALLEST_DRAWN_DIAMETER / 2
    assert targets.mask.sum() == pytest.approx(np.pi / 6 * SMALLEST_DRAWN_DIAMETER**3, rel=0.25)
    # The size that is taught stays the true one.
    np.testing.assert_allclose(targets.log_diameter[targets.heat == 1], np.log(3.0), atol=1e-6)


def test_two_close_nodules_share_the_cells_between_them_by_distance():
    nodules = _balls((8.0, 8.0, 5.0, 4.0), (8.0, 8.0, 11.0, 8.0))
    targets = draw_targets(nodules, NONE, PATCH)
    assert np.exp(targets.log_diameter[4, 4]).round(3).tolist() == [4.0] * 4 + [8.0] * 4
    swapped = draw_targets(Balls(nodules.centers_zyx[::-1], nodules.diameters[::-1]), NONE, PATCH)
    np.testing.assert_array_equal(swapped.heat, targets.heat)
    np.testing.assert_array_equal(swapped.log_diameter, targets.log_diameter)


def test_a_nodule_inside_an_ignored_finding_is_still_taught():
    nodules = _balls((8.0, 8.0, 8.0, 5.0))
    targets = draw_targets(nodules, _balls((8.0, 8.0, 8.0, 14.0)), PATCH)
    assert (targets.weight[targets.heat == 1] == 1).all()
    assert (targets.weight == 0).any()


@pytest.mark.parametrize("center", [(10.0, 12.0, 14.0), (10.3, 11.6, 14.5), (0.0, 0.0, 0.0), (19.0, 23.0, 29.0)])
def test_a_ball_mask_holds_the_voxels_within_the_radius(center):
    shape = (20, 24, 30)
    mask = ball_mask(_balls((*center, 9.0)), shape)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    np.testing.assert_array_equal(mask, np.linalg.norm(index - np.array(center), axis=-1) <= 4.5)


def test_a_ball_mask_of_several_balls_is_their_union_and_needs_none():
    shape = (20, 24, 30)
    first, second = _balls((8.0, 8.0, 8.0, 7.0)), _balls((9.0, 10.0, 10.0, 9.0))
    both = Balls(np.vstack([first.centers_zyx, second.centers_zyx]), np.array([7.0, 9.0]))
    np.testing.assert_array_equal(ball_mask(both, shape), ball_mask(first, shape) | ball_mask(second, shape))
    assert not ball_mask(NONE, shape).any()


@pytest.mark.parametrize("center", [(-20.0, 5.0, 5.0), (5.0, 60.0, 5.0), (-4.0, -4.0, -9.0)])
def test_a_ball_wholly_outside_the_scan_draws_nothing(center):
    assert not ball_mask(_balls((*center, 5.0)), (20, 24, 30)).any()
