"""Where voxels are: the map between array indices (z, y, x) and world millimetres (x, y, z; LPS).

Two orders meet here and nowhere else: arrays are indexed ``zyx``, world points are written ``xyz`` as in
LUNA16's CSV files and in DICOM (LPS: x grows to the patient's Left, y to Posterior, z to Superior).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

DIRECTION_TOLERANCE = 1e-3
"""How far ``direction @ direction.T`` may be from the identity: headers carry about six digits."""


@dataclass(frozen=True)
class Geometry:
    """Placement of a regular voxel grid in the world.

    Attributes:
        shape_zyx: number of voxels along each array axis.
        spacing_zyx_mm: distance between voxel centres along each array axis, mm, all > 0.
        origin_xyz_mm: world position of the centre of voxel (0, 0, 0), mm, LPS.
        direction_xyz: 3x3, row-major; column j is the world direction of index axis j, with the index
            axes in the order x, y, z (ITK's convention). Orthonormal; a reflection is allowed.

    Raises:
        ValueError: shape, spacing, origin or direction is out of range; the message names it.
    """

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    origin_xyz_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction_xyz: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        if len(self.shape_zyx) != 3 or any(n < 1 for n in self.shape_zyx):
            raise ValueError(f"shape_zyx must be three positive counts, got {self.shape_zyx}")
        spacing = np.asarray(self.spacing_zyx_mm, dtype=float)
        if spacing.shape != (3,) or not np.isfinite(spacing).all() or (spacing <= 0).any():
            raise ValueError(f"spacing_zyx_mm must be three positive numbers, got {self.spacing_zyx_mm}")
        if len(self.origin_xyz_mm) != 3 or not np.isfinite(self.origin_xyz_mm).all():
            raise ValueError(f"origin_xyz_mm must be three finite numbers, got {self.origin_xyz_mm}")
        matrix = np.asarray(self.direction_xyz, dtype=float)
        if matrix.shape != (9,) or not np.isfinite(matrix).all():
            raise ValueError(f"direction_xyz must be nine finite numbers, got {self.direction_xyz}")
        if not np.allclose(self.direction @ self.direction.T, np.eye(3), atol=DIRECTION_TOLERANCE):
            raise ValueError(f"direction_xyz must be orthonormal, got {self.direction_xyz}")

    @property
    def direction(self) -> FloatArray:
        """``direction_xyz`` as a 3x3 array."""
        return np.asarray(self.direction_xyz, dtype=float).reshape(3, 3)

    def index_to_world(self, index_zyx: ArrayLike) -> FloatArray:
        """World xyz mm, shape (..., 3), of (possibly fractional) voxel indices zyx, shape (..., 3).

        ``world = origin + direction @ (spacing * index)``, every vector in xyz order (ITK).
        """
        step_xyz = np.asarray(index_zyx, dtype=float)[..., ::-1] * np.asarray(self.spacing_zyx_mm)[::-1]
        world: FloatArray = step_xyz @ self.direction.T + np.asarray(self.origin_xyz_mm)
        return world

    def world_to_index(self, center_xyz_mm: ArrayLike) -> FloatArray:
        """Fractional voxel index zyx, shape (..., 3), of world points xyz mm, shape (..., 3)."""
        relative = np.asarray(center_xyz_mm, dtype=float) - np.asarray(self.origin_xyz_mm)
        # Row vectors: ``v @ inv(D).T``. The inverse, not the transpose: headers are rounded, and only
        # the true inverse makes index -> world -> index exact.
        step_xyz = relative @ np.linalg.inv(self.direction).T
        index: FloatArray = (step_xyz / np.asarray(self.spacing_zyx_mm)[::-1])[..., ::-1]
        return index

    def contains(self, center_xyz_mm: ArrayLike) -> NDArray[np.bool_]:
        """Whether world points lie in a voxel of the grid (up to half a voxel beyond the outer centres)."""
        index = self.world_to_index(center_xyz_mm)
        inside = (index >= -0.5) & (index <= np.asarray(self.shape_zyx) - 0.5)
        return np.asarray(inside.all(axis=-1))

    def depth_mm(self, center_xyz_mm: ArrayLike) -> FloatArray:
        """Distance of world points from the nearest face of the grid, mm, shape (...); negative outside."""
        index = self.world_to_index(center_xyz_mm)
        steps = np.minimum(index + 0.5, np.asarray(self.shape_zyx) - 0.5 - index)
        depth: FloatArray = (steps * np.asarray(self.spacing_zyx_mm)).min(axis=-1)
        return depth

    def crop(self, start_zyx: tuple[int, int, int], shape_zyx: tuple[int, int, int]) -> Geometry:
        """Geometry of the sub-grid ``[start, start + shape)``: same spacing and axes, moved origin."""
        x, y, z = self.index_to_world(start_zyx).tolist()
        return Geometry(shape_zyx, self.spacing_zyx_mm, (x, y, z), self.direction_xyz)

    def to_json(self) -> dict[str, Any]:
        """The fields as lists, under their names."""
        return {name: list(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Geometry:
        """What `to_json` gave. Raises ValueError or KeyError."""
        d, h, w = fields["shape_zyx"]
        z, y, x = fields["spacing_zyx_mm"]
        a, b, c = fields["origin_xyz_mm"]
        return cls((d, h, w), (z, y, x), (a, b, c), tuple(fields["direction_xyz"]))
