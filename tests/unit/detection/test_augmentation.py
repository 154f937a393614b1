"""Augmentation moves the patch and its targets alike."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.detection.augmentation import BRIGHTNESS, CONTRAST, LARGEST_NOISE, augment
from fedlung.detection.balls import Balls
from fedlung.detection.targets import PatchTargets, draw_targets

PATCH = 16
CENTER = np.array([4.3, 9.1, 6.6])
NODULES = Balls(CENTER[None], np.array([6.0]))
IGNORED = Balls(np.array([[12.0, 3.0, 12.0]]), np.array([5.0]))
SEEDS = range(64)


def _patch() -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(PATCH)] * 3, indexing="ij"), axis=-1)
    distance = np.linalg.norm(index - CENTER, axis=-1)
    return np.clip(3.5 - distance, 0, 1).astype(np.float32)


def _moved(point: np.ndarray, flips: tuple[bool, ...], swap: bool) -> np.ndarray:
    """Where a voxel goes: mirrored in the patch, then y and x exchanged."""
    z, y, x = np.where(flips, PATCH - 1 - point, point)
    return np.array([z, x, y] if swap else [z, y, x])


def _all_moves(point: np.ndarray) -> list[np.ndarray]:
    flips = np.stack(np.meshgrid(*[[False, True]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return [_moved(point, tuple(flip), swap) for flip in flips for swap in (False, True)]


def _which_move(targets: PatchTargets) -> int:
    center = _center_of(targets)
    (index,) = [i for i, move in enumerate(_all_moves(CENTER)) if np.allclose(move, center, atol=1e-4)]
    return index


def _center_of(targets: PatchTargets) -> np.ndarray:
    """The one point that all positive cells point at."""
    cells = np.argwhere(targets.heat == 1)
    points = cells * 2 + 0.5 + np.moveaxis(targets.offset_zyx, 0, -1)[targets.heat == 1]
    np.testing.assert_allclose(points, np.broadcast_to(points[0], points.shape), atol=1e-4)
    return points[0]


def test_all_sixteen_moves_happen():
    targets = draw_targets(NODULES, IGNORED, PATCH)
    seen = {_which_move(augment(_patch(), targets, np.random.default_rng(seed))[1]) for seed in SEEDS}
    assert len(seen) == 16


@pytest.mark.parametrize("seed", SEEDS[:20])
def test_moved_targets_are_the_targets_of_what_was_moved(seed):
    patch, moved = augment(_patch(), draw_targets(NODULES, IGNORED, PATCH), np.random.default_rng(seed))
    move = _which_move(moved)
    center, ignored = _all_moves(CENTER)[move], _all_moves(IGNORED.centers_zyx[0])[move]
    again = draw_targets(Balls(center[None], NODULES.diameters), Balls(ignored[None], IGNORED.diameters), PATCH)
    np.testing.assert_allclose(moved.heat, again.heat, atol=1e-5)
    np.testing.assert_array_equal(moved.weight, again.weight)
    np.testing.assert_allclose(moved.log_diameter, again.log_diameter, atol=1e-5)
    np.testing.assert_allclose(moved.offset_zyx, again.offset_zyx, atol=1e-4)
    np.testing.assert_array_equal(moved.mask, again.mask)
    # The picture went where the mask went.
    assert patch[moved.mask].mean() > 0.5
    np.testing.assert_allclose(np.argwhere(patch > 0.5).mean(axis=0), center, atol=0.3)


def test_the_values_change_within_their_limits():
    targets = draw_targets(NODULES, IGNORED, PATCH)
    flat = np.full((PATCH,) * 3, 0.5, dtype=np.float32)
    for seed in SEEDS:
        changed, _ = augment(flat, targets, np.random.default_rng(seed))
        assert changed.dtype == np.float32
        low, high = 0.5 * CONTRAST[0] + BRIGHTNESS[0], 0.5 * CONTRAST[1] + BRIGHTNESS[1]
        assert low - 0.01 < changed.mean() < high + 0.01
        assert changed.std() <= LARGEST_NOISE * 1.05
    noise = [augment(flat, targets, np.random.default_rng(seed))[0].std() for seed in SEEDS]
    assert max(noise) > LARGEST_NOISE / 2


def test_the_given_patch_and_targets_are_not_changed():
    patch, targets = _patch(), draw_targets(NODULES, IGNORED, PATCH)
    for array in (patch, targets.heat, targets.weight, targets.log_diameter, targets.offset_zyx, targets.mask):
        array.flags.writeable = False
    augment(patch, targets, np.random.default_rng(0))
    np.testing.assert_array_equal(patch, _patch())


def test_the_same_seed_gives_the_same_patch():
    targets = draw_targets(NODULES, IGNORED, PATCH)
    first, second = (augment(_patch(), targets, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1].offset_zyx, second[1].offset_zyx)
