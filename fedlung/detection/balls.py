"""Nodules as balls on a prepared scan's voxel grid: what training draws and inference finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedlung.imaging.annotations import Finding
from fedlung.imaging.geometry import Geometry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Balls:
    """``n`` balls in voxel units of a cubic grid.

    Attributes:
        centers_zyx: fractional voxel indices, shape (n, 3).
        diameters: in voxels (= mm on the 1 mm grid), shape (n,).
    """

    centers_zyx: FloatArray
    diameters: FloatArray

    def __len__(self) -> int:
        return len(self.diameters)

    def shifted(self, start_zyx: Sequence[int]) -> Balls:
        """The same balls in the indices of a patch that starts at ``start_zyx``."""
        return Balls(self.centers_zyx - np.asarray(start_zyx, dtype=float), self.diameters)


def balls_of(findings: Sequence[Finding], geometry: Geometry) -> Balls:
    """World findings (mm, LPS) as balls on a cubic grid; the order is kept."""
    spacing_mm = geometry.spacing_zyx_mm[0]
    centers = np.asarray([finding.center_xyz_mm for finding in findings], dtype=float).reshape(-1, 3)
    diameters = np.asarray([finding.diameter_mm for finding in findings], dtype=float)
    return Balls(geometry.world_to_index(centers), diameters / spacing_mm)
