"""Findings as balls on a voxel grid."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.detection.balls import Balls, balls_of
from fedlung.imaging.annotations import Finding
from fedlung.imaging.geometry import Geometry

TURNED = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_world_findings_become_balls_in_voxels_in_their_order(spacing_mm):
    grid = Geometry((40, 50, 60), (spacing_mm,) * 3, (-10.0, 20.0, 300.0), TURNED)
    places = np.array([[3.25, 4.5, 5.75], [39.0, 0.0, 59.0]])
    findings = [
        Finding("a", tuple(grid.index_to_world(place).tolist()), diameter)
        for place, diameter in zip(places, (6.0, 12.0), strict=True)
    ]
    balls = balls_of(findings, grid)
    np.testing.assert_allclose(balls.centers_zyx, places, atol=1e-9)
    np.testing.assert_allclose(balls.diameters, np.array([6.0, 12.0]) / spacing_mm)


def test_no_findings_are_no_balls():
    balls = balls_of([], Geometry((4, 4, 4), (1.0, 1.0, 1.0)))
    assert len(balls) == 0
    assert balls.centers_zyx.shape == (0, 3)
    assert balls.shifted((1, 2, 3)).centers_zyx.shape == (0, 3)


def test_shifted_balls_are_in_the_indices_of_the_patch():
    balls = Balls(np.array([[10.5, 20.0, 30.0]]), np.array([7.0]))
    moved = balls.shifted((10, 16, 40))
    assert moved.centers_zyx.tolist() == [[0.5, 4.0, -10.0]]
    assert moved.diameters.tolist() == [7.0]
    assert balls.centers_zyx.tolist() == [[10.5, 20.0, 30.0]]
