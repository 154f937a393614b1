from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from fedlung.imaging.phantom.anatomy import Anatomy, make_anatomy
from fedlung.imaging.phantom.distractors import lung_points, to_depth
from fedlung.imaging.phantom.drawing import Grid
from fedlung.imaging.phantom.shapes import Shape, draw_shape, measured, of_diameter, random_shape, unit_vectors


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return make_anatomy(np.random.default_rng(3), scale=0.5)


def ball(center: ArrayLike, radius_mm: float) -> Shape:
    return Shape(np.asarray(center, dtype=float), radius_mm, np.eye(3), np.zeros((1, 6)))


def test_a_smooth_shape_is_a_ball(anatomy: Anatomy) -> None:
    volume, center = measured(ball((1.0, 2.0, 3.0), 5.0), anatomy)
    assert volume == pytest.approx(4 / 3 * np.pi * 5**3, rel=0.01)
    np.testing.assert_allclose(center, [1, 2, 3], atol=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_random_shapes_stay_within_their_reach(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = random_shape(np.zeros(3), 6.0, 0.1, rng)
    outside = unit_vectors(rng, 2000) * shape.reach_mm * 1.001
    assert not shape.contains(outside).any()
    assert shape.contains(np.zeros(3))


@pytest.mark.parametrize("diameter_mm", [3.0, 8.0, 25.0])
def test_a_lumpy_shape_gets_the_volume_of_its_diameter(diameter_mm: float, anatomy: Anatomy) -> None:
    shape = random_shape(np.zeros(3), 1.0, 0.1, np.random.default_rng(2))
    resized, measured_mm, _ = of_diameter(shape, diameter_mm, anatomy)
    assert measured_mm == pytest.approx(diameter_mm, rel=0.01)
    assert measured(resized, anatomy)[0] == pytest.approx(np.pi / 6 * measured_mm**3)


def test_only_the_part_in_the_lung_counts_when_the_wall_cuts(anatomy: Anatomy) -> None:
    deep = lung_points(anatomy, 20.0)
    whole = ball(to_depth(anatomy, deep[len(deep) // 2], 0.0), 4.0)
    cut_volume, cut_center = measured(replace(whole, inside_lung_only=True), anatomy)
    assert cut_volume == pytest.approx(measured(whole, anatomy)[0] / 2, rel=0.25)
    assert anatomy.sample("lung", cut_center) < 0


def test_drawing_covers_voxels_by_the_measured_volume(anatomy: Anatomy) -> None:
    shape, diameter_mm, center = of_diameter(
        random_shape(np.array([0.3, -0.4, 0.2]), 1.0, 0.1, np.random.default_rng(5)), 9.0, anatomy
    )
    grid = Grid((11, 24, 26), (2.5, 1.1, 1.0), (-12.0, -13.0, -12.0))
    image = np.full(grid.shape_zyx, -800, dtype=np.float32)
    draw_shape(image, grid, shape, 200.0, anatomy)
    part = (image + 800) / 1000
    assert part.max() == pytest.approx(1)
    assert part.sum() * 2.5 * 1.1 == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.02)
    z, y, x = np.meshgrid(*(grid.axis_mm(axis) for axis in range(3)), indexing="ij")
    drawn_center = [np.average(axis, weights=part) for axis in (x, y, z)]
    np.testing.assert_allclose(drawn_center, center, atol=0.05)


def test_a_shape_beside_the_picture_draws_nothing(anatomy: Anatomy) -> None:
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    image = np.zeros(grid.shape_zyx, dtype=np.float32)
    draw_shape(image, grid, ball((50.0, 0.0, 0.0), 5.0), 100.0, anatomy)
    assert not image.any()
