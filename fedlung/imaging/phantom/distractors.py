"""What looks like a nodule in one slice and is none: scars in the lung and ridges of the pleura.

They are long where a nodule is round; a detector has to learn the difference. None is annotated.
"""

from __future__ import annotations

import numpy as np

from fedlung.imaging.geometry import FloatArray
from fedlung.imaging.phantom.anatomy import HALF_EXTENT_ZYX_MM, PLEURA_MM, STEP_MM, Anatomy
from fedlung.imaging.phantom.drawing import Tubes, joined, polyline

MOST_SCARS, MOST_RIDGES = 4, 5


def make_distractors(anatomy: Anatomy, rng: np.random.Generator) -> Tubes:
    """Scars and pleural ridges of one patient, patient mm."""
    points = lung_points(anatomy, 0.0)
    scars = [_scar(anatomy, points, rng) for _ in range(rng.integers(1, MOST_SCARS + 1))]
    outer = points[anatomy.sample("cage", points) > -20 * anatomy.size]
    ridges = [_ridge(anatomy, outer, rng) for _ in range(rng.integers(1, MOST_RIDGES + 1))]
    return joined([*scars, *ridges])


def lung_points(anatomy: Anatomy, depth_mm: float) -> FloatArray:
    """Points of the anatomy's grid deeper than ``depth_mm`` (reference mm) in the lungs, patient mm, shape (n, 3)."""
    inside = np.argwhere(anatomy.fields["lung"] < -depth_mm)
    points_zyx = inside * STEP_MM - np.asarray(HALF_EXTENT_ZYX_MM)
    points: FloatArray = points_zyx[:, ::-1] * anatomy.size
    return points


def to_depth(anatomy: Anatomy, point_xyz_mm: FloatArray, depth_mm: float, surface: str = "lung") -> FloatArray:
    """A point moved straight to or from a surface (a field's name) until it is about ``depth_mm`` below it."""
    moved: FloatArray = point_xyz_mm
    for _ in range(3):
        depth = -float(anatomy.sample(surface, moved))
        moved = moved + anatomy.outward(surface, moved) * (depth - depth_mm)
    return moved


def _scar(anatomy: Anatomy, points: FloatArray, rng: np.random.Generator) -> Tubes:
    """A thin bent band of 10 to 30 mm."""
    start = points[rng.integers(len(points))]
    heading = rng.standard_normal(3)
    heading *= rng.uniform(10, 30) * anatomy.size / np.linalg.norm(heading)
    line = np.array([start, start + 0.5 * heading + rng.uniform(-1.5, 1.5, 3), start + heading])
    return polyline(line, rng.uniform(0.6, 1.3))


def _ridge(anatomy: Anatomy, points: FloatArray, rng: np.random.Generator) -> Tubes:
    """A low wall of 10 to 25 mm along the ribs' side of the pleura."""
    start = points[rng.integers(len(points))]
    line = [to_depth(anatomy, start, PLEURA_MM * anatomy.size, "cage")]
    heading = rng.standard_normal(3)
    step = 4 * anatomy.size * heading / np.linalg.norm(heading)
    for _ in range(rng.integers(3, 7)):
        line.append(to_depth(anatomy, line[-1] + step, PLEURA_MM * anatomy.size, "cage"))
    return polyline(np.array(line), rng.uniform(1.2, 2.4))
