"""Geometry on small grids whose world points can be read off by hand; anisotropic spacing throughout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedlung.imaging.geometry import DIRECTION_TOLERANCE, Geometry

SHAPE_ZYX = (3, 4, 5)
SPACING_ZYX_MM = (2.5, 0.8, 0.5)
ORIGIN_XYZ_MM = (-100.0, 50.0, 10.0)
QUARTER_TURN_ABOUT_Z = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def grid(direction_xyz: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)) -> Geometry:
    return Geometry(SHAPE_ZYX, SPACING_ZYX_MM, ORIGIN_XYZ_MM, direction_xyz)


def test_the_first_voxel_lies_at_the_origin() -> None:
    for direction_xyz in (grid().direction_xyz, FLIPPED, QUARTER_TURN_ABOUT_Z):
        assert grid(direction_xyz).index_to_world((0, 0, 0)).tolist() == list(ORIGIN_XYZ_MM)


@pytest.mark.parametrize(
    ("direction_xyz", "step_z", "step_y", "step_x"),
    [
        ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (0, 0, 2.5), (0, 0.8, 0), (0.5, 0, 0)),
        (FLIPPED, (0, 0, 2.5), (0, -0.8, 0), (-0.5, 0, 0)),
        # Column 0 of the matrix is where index axis x runs: along world y.
        (QUARTER_TURN_ABOUT_Z, (0, 0, 2.5), (-0.8, 0, 0), (0, 0.5, 0)),
    ],
    ids=["identity", "flipped", "quarter turn"],
)
def test_one_step_along_each_index_axis(
    direction_xyz: tuple[float, ...],
    step_z: tuple[float, ...],
    step_y: tuple[float, ...],
    step_x: tuple[float, ...],
) -> None:
    world = grid(direction_xyz).index_to_world(np.eye(3))  # rows: one step along z, y, x
    assert world - ORIGIN_XYZ_MM == pytest.approx(np.array([step_z, step_y, step_x]), abs=1e-12)


def test_world_to_index_undoes_it_and_takes_any_leading_shape() -> None:
    index_zyx = np.random.default_rng(0).uniform(-10, 10, (2, 7, 3))
    geometry = grid(QUARTER_TURN_ABOUT_Z)
    world = geometry.index_to_world(index_zyx)
    assert world.shape == (2, 7, 3)
    assert geometry.world_to_index(world) == pytest.approx(index_zyx, abs=1e-9)
    assert geometry.world_to_index(world[1, 4]) == pytest.approx(index_zyx[1, 4], abs=1e-9)


def test_a_rounded_direction_matrix_still_round_trips() -> None:
    rounded = (0.9, -0.4359, 0.0, 0.4359, 0.9, 0.0, 0.0, 0.0, 1.0)  # not quite orthonormal
    index_zyx = np.array([300.0, 500.0, 400.0])
    geometry = grid(rounded)
    assert geometry.world_to_index(geometry.index_to_world(index_zyx)) == pytest.approx(index_zyx, abs=1e-9)


def test_a_grid_reaches_half_a_voxel_beyond_its_outer_centres() -> None:
    geometry = grid(FLIPPED)
    last = np.array(SHAPE_ZYX) - 1
    inside = np.array([[0, 0, 0], last, [-0.49, -0.49, -0.49], last + 0.49])
    outside = np.array([[-0.51, 0, 0], [0, -0.51, 0], [0, 0, -0.51], *(last + 0.51 * np.eye(3))])
    assert geometry.contains(geometry.index_to_world(inside)).tolist() == [True] * 4
    assert geometry.contains(geometry.index_to_world(outside)).tolist() == [False] * 6


@pytest.mark.parametrize("direction_xyz", [grid().direction_xyz, FLIPPED, QUARTER_TURN_ABOUT_Z])
def test_how_deep_a_point_lies_in_a_grid(direction_xyz: tuple[float, ...]) -> None:
    geometry = grid(direction_xyz)
    points = np.array([[0, 0, 0], [1, 1.5, 2], [1, 1.5, 4.25], [1, -2, 2]])
    dz, dy, dx = SPACING_ZYX_MM
    expected = [0.5 * min(dz, dy, dx), min(1.5 * dz, 2 * dy, 2.5 * dx), 0.25 * dx, -1.5 * dy]
    assert geometry.depth_mm(geometry.index_to_world(points)) == pytest.approx(expected)


@pytest.mark.parametrize("direction_xyz", [grid().direction_xyz, FLIPPED, QUARTER_TURN_ABOUT_Z])
def test_a_crop_keeps_every_voxel_where_it_was(direction_xyz: tuple[float, ...]) -> None:
    whole = grid(direction_xyz)
    part = whole.crop((1, 2, 3), (2, 1, 2))
    assert part.shape_zyx == (2, 1, 2)
    assert part.spacing_zyx_mm == SPACING_ZYX_MM
    index_zyx = np.argwhere(np.ones(part.shape_zyx))
    in_whole_zyx = index_zyx + np.array([1, 2, 3])
    assert part.index_to_world(index_zyx) == pytest.approx(whole.index_to_world(in_whole_zyx), abs=1e-9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shape_zyx", (0, 4, 5)),
        ("shape_zyx", (3, -4, 5)),
        ("shape_zyx", (3, 4)),
        ("spacing_zyx_mm", (0.0, 1.0, 1.0)),
        ("spacing_zyx_mm", (-1.0, 1.0, 1.0)),
        ("spacing_zyx_mm", (float("nan"), 1.0, 1.0)),
        ("spacing_zyx_mm", (float("inf"), 1.0, 1.0)),
        ("spacing_zyx_mm", (1.0, 1.0)),
        ("origin_xyz_mm", (float("nan"), 0.0, 0.0)),
        ("origin_xyz_mm", (0.0, 0.0)),
        ("direction_xyz", (1.0, 0.0, 0.0)),
        ("direction_xyz", (2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)),
        ("direction_xyz", (0.0,) * 9),
        ("direction_xyz", (float("nan"),) * 9),
        ("direction_xyz", (1.0, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)),
    ],
)
def test_a_wrong_value_is_named(field: str, value: tuple[float, ...]) -> None:
    good: dict[str, Any] = {"shape_zyx": SHAPE_ZYX, "spacing_zyx_mm": SPACING_ZYX_MM, "origin_xyz_mm": ORIGIN_XYZ_MM}
    with pytest.raises(ValueError, match=field):
        Geometry(**(good | {field: value}))


def test_a_direction_is_accepted_up_to_the_tolerance() -> None:
    # (1 + e)^2 = 1 + 2e + e^2 is compared with 1.
    near, far = 1 + 0.4 * DIRECTION_TOLERANCE, 1 + 0.6 * DIRECTION_TOLERANCE
    grid((near, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="orthonormal"):
        grid((far, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
