from __future__ import annotations

import numpy as np
import pytest

from fedlung.imaging.phantom.drawing import Grid, Tubes, covered, draw_tubes, joined, polyline

FINE = Grid((40, 50, 60), (0.5, 0.5, 0.5), (-15.0, -12.5, -10.0))


def test_a_box_holds_the_voxel_centres_between_its_corners() -> None:
    # Centres along x: -10.0, -9.5, ...; along z: -10.0, ... in the third place of the start.
    grid = Grid((5, 6, 7), (2.0, 1.0, 0.5), (10.0, 20.0, 30.0))
    box = grid.box(np.array([10.9, 21.0, 31.0]), np.array([12.1, 22.9, 34.0]))
    assert box == (slice(1, 3), slice(1, 3), slice(2, 5))


def test_a_box_beside_the_grid_is_none() -> None:
    assert FINE.box(np.array([100.0, 0, 0]), np.array([110.0, 1, 1])) is None


def test_a_tube_covers_the_volume_of_a_cylinder_with_two_half_balls() -> None:
    radius, length = 4.0, 12.0
    axis = np.array([2.0, 2.0, 1.0]) / 3 * length
    depth = np.zeros(FINE.shape_zyx, dtype=np.float32)
    draw_tubes(depth, FINE, polyline(np.array([-axis / 2, axis / 2]), radius))
    volume_mm3 = np.minimum(depth / FINE.pixel_mm, 1).sum() * FINE.pixel_mm**3
    assert volume_mm3 == pytest.approx(np.pi * radius**2 * length + 4 / 3 * np.pi * radius**3, rel=0.02)


def test_a_tube_thinner_than_a_voxel_is_faint_by_its_cross_section() -> None:
    grid = Grid((9, 9, 9), (2.0, 2.0, 2.0), (-8.0, -8.0, -8.0))
    depth = np.zeros(grid.shape_zyx, dtype=np.float32)
    radius = 0.5
    draw_tubes(depth, grid, polyline(np.array([[0, 0, -20.0], [0, 0, 20]]), radius))
    covered_part = np.minimum(depth / grid.pixel_mm, 1)[4, 4, 4]
    assert covered_part <= np.pi * radius**2 / grid.pixel_mm**2
    assert covered_part > 0.5 * np.pi * radius**2 / grid.pixel_mm**2


def test_two_tubes_that_meet_are_not_drawn_twice() -> None:
    line = np.array([[-6.0, 0, 0], [0, 0, 0], [6, 0, 0]])
    whole, parts = np.zeros((2, *FINE.shape_zyx), dtype=np.float32)
    draw_tubes(whole, FINE, polyline(line[[0, 2]], 3.0))
    draw_tubes(parts, FINE, polyline(line, 3.0))
    np.testing.assert_allclose(parts, whole, atol=1e-4)


def test_clearance_is_negative_inside_and_grows_outside() -> None:
    tubes = joined(
        [
            polyline(np.array([[0.0, 0, 0], [10, 0, 0]]), np.array([1.0, 3.0])),
            polyline(np.array([[0.0, 20, 0], [0, 30, 0]]), 2.0),
        ]
    )
    # Half way along the first the radius is 2; the second starts 15 mm from (0, 5, 0).
    np.testing.assert_allclose(tubes.clearance_mm(np.array([5.0, 0, 0])), [-2.0, np.hypot(5, 20) - 2])
    np.testing.assert_allclose(tubes.clearance_mm(np.array([0.0, 5, 0])), [4.0, 13.0])


def test_scaling_and_thickening_tubes() -> None:
    tubes = polyline(np.array([[1.0, 2, 3], [4, 5, 6]]), 2.0)
    assert tubes.scaled(0.5).ends_xyz_mm.tolist() == [[2.0, 2.5, 3.0]]
    assert tubes.scaled(0.5).start_radii_mm.tolist() == [1.0]
    assert tubes.thickened(2.0, 0.5).end_radii_mm.tolist() == [4.5]
    assert len(tubes.select(np.array([False]))) == 0
    assert isinstance(tubes.select(np.array([True])), Tubes)


def test_covered_part_falls_over_one_voxel_at_the_surface() -> None:
    distance = np.array([-3.0, -0.5, 0.0, 0.25, 0.5, 3.0], dtype=np.float32)
    assert covered(distance, 1.0).tolist() == [1.0, 1.0, 0.5, 0.25, 0.0, 0.0]
