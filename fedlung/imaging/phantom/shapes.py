"""The outline of a nodule: a lumpy ellipsoid, its volume, and drawing it with partial volume."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedlung.imaging.geometry import FloatArray
from fedlung.imaging.phantom.anatomy import Anatomy
from fedlung.imaging.phantom.drawing import Field, Grid

FINEST_MM = 0.35
"""Shapes are sampled about this finely, but never with more than ``MOST_SAMPLES`` across."""
MOST_SAMPLES = 56
VOLUME_TOLERANCE = 0.01
MOST_STRETCH, MOST_WAVES = 0.2, 5
INTO_WALL_MM = 1.5
"""How far a pleural nodule is continued into the chest wall, so that no rim shows between them."""


@dataclass(frozen=True)
class Shape:
    """A lumpy ellipsoid: the surface lies at ``radius_mm`` times a factor near 1 that depends on direction.

    Attributes:
        center_xyz_mm: patient position of the middle.
        radius_mm: radius before stretching and lumps.
        to_unit: turns and stretches an offset from the middle so that the ellipsoid becomes a ball, shape (3, 3).
        waves: lumps on the surface, a row each: direction x, y, z, amplitude, frequency, phase; shape (k, 6).
        inside_lung_only: whether the chest wall cuts the shape off (pleural nodules).
    """

    center_xyz_mm: FloatArray
    radius_mm: float
    to_unit: FloatArray
    waves: FloatArray
    inside_lung_only: bool = False

    @property
    def reach_mm(self) -> float:
        """No part of the shape lies further from its middle."""
        longest = 1 / np.sqrt((self.to_unit**2).sum(axis=1)).min()
        return self.radius_mm * float(longest * (1 + np.abs(self.waves[:, 3]).sum()))

    def contains(self, points_xyz_mm: FloatArray) -> NDArray[np.bool_]:
        """Whether points, shape (..., 3), lie inside (the wall not considered)."""
        offset = (points_xyz_mm - self.center_xyz_mm) @ self.to_unit.T
        distance = np.sqrt((offset**2).sum(axis=-1))
        unit = offset / np.maximum(distance, 1e-9)[..., None]
        amplitude, frequency, phase = self.waves[:, 3:].T
        factor = 1 + (np.sin(unit @ self.waves[:, :3].T * frequency + phase) * amplitude).sum(axis=-1)
        inside: NDArray[np.bool_] = distance <= self.radius_mm * factor
        return inside


def random_shape(center_xyz_mm: FloatArray, radius_mm: float, lumpiness: float, rng: np.random.Generator) -> Shape:
    """An ellipsoid of random axes and rotation; ``lumpiness`` is the size of a lump, up to about 0.1 of the radius."""
    quaternion = rng.standard_normal(4)
    stretch = np.exp(rng.uniform(-MOST_STRETCH, MOST_STRETCH, 3))
    waves = np.concatenate(
        [
            unit_vectors(rng, MOST_WAVES),
            lumpiness * rng.uniform(0.3, 0.9, (MOST_WAVES, 1)),
            rng.uniform(2, 5, (MOST_WAVES, 1)),
            rng.uniform(0, 2 * np.pi, (MOST_WAVES, 1)),
        ],
        axis=1,
    )
    return Shape(center_xyz_mm, radius_mm, _rotation(quaternion) * (np.cbrt(stretch.prod()) / stretch)[:, None], waves)


def unit_vectors(rng: np.random.Generator, count: int) -> FloatArray:
    """Random directions, shape (count, 3)."""
    vectors = rng.standard_normal((count, 3))
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _rotation(quaternion: FloatArray) -> FloatArray:
    """Rotation matrix of a quaternion (w, x, y, z) of any length but 0."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def measured(shape: Shape, anatomy: Anatomy) -> tuple[float, FloatArray]:
    """Volume (mm^3) and centre of mass (patient mm); with ``inside_lung_only``, of the part in the lung."""
    reach = shape.reach_mm
    count = int(np.clip(2 * reach / FINEST_MM, 24, MOST_SAMPLES))
    step = 2 * reach / count
    axis = (np.arange(count) + 0.5) * step - reach
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1) + shape.center_xyz_mm
    inside = shape.contains(points)
    if shape.inside_lung_only:
        inside &= anatomy.sample("lung", points) < 0
    return float(inside.sum() * step**3), points[inside].mean(axis=0)


def of_diameter(shape: Shape, diameter_mm: float, anatomy: Anatomy) -> tuple[Shape, float, FloatArray]:
    """The shape resized to the volume of a ball (within 1%); then its equivalent diameter and centre of mass, mm.

    A free shape needs one step; one that the wall cuts loses another part after each step.
    """
    volume_mm3, center_xyz_mm = measured(shape, anatomy)
    for _ in range(4):
        factor = diameter_mm / float(np.cbrt(6 * volume_mm3 / np.pi))
        if abs(factor**3 - 1) < VOLUME_TOLERANCE:
            break
        shape = replace(shape, radius_mm=shape.radius_mm * factor)
        volume_mm3, center_xyz_mm = measured(shape, anatomy)
    return shape, float(np.cbrt(6 * volume_mm3 / np.pi)), center_xyz_mm


def draw_shape(hounsfield: Field, grid: Grid, shape: Shape, value_hu: float, anatomy: Anatomy) -> None:
    """Mix a shape into ``hounsfield`` (shape ``grid.shape_zyx``, changed in place) by the covered part of each voxel.

    ::

        one voxel, 3 samples per axis      . # #
                                           . . #      covered: 3 of 9
                                           . . .
    """
    reach = shape.reach_mm + max(grid.spacing_zyx_mm)
    box = grid.box(shape.center_xyz_mm - reach, shape.center_xyz_mm + reach)
    if box is None:
        return
    sample_mm = max(FINEST_MM, 2 * shape.reach_mm / MOST_SAMPLES)
    counts = [int(np.ceil(spacing / sample_mm)) for spacing in grid.spacing_zyx_mm]
    axes = []
    for axis, count in enumerate(counts):
        within = ((np.arange(count) + 0.5) / count - 0.5) * grid.spacing_zyx_mm[axis]
        axes.append((grid.axis_mm(axis)[box[axis], None] + within).ravel())
    z, y, x = np.meshgrid(*axes, indexing="ij")
    points = np.stack([x, y, z], axis=-1)
    inside = shape.contains(points)
    if shape.inside_lung_only:
        inside &= anatomy.sample("lung", points) < INTO_WALL_MM
    local = hounsfield[box]
    d, h, w = local.shape
    part = inside.reshape(d, counts[0], h, counts[1], w, counts[2]).mean(axis=(1, 3, 5), dtype=np.float32)
    local += part * (np.float32(value_hu) - local)
