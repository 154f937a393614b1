"""Drawing smooth shapes on a voxel grid, with partial volume at every border.

Points are patient millimetres in the order xyz (LPS); arrays are indexed zyx. A shape covers a voxel by a
number between 0 and 1, so that borders do not snap to the grid and a thin vessel is a faint one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedlung.imaging.geometry import FloatArray

Field = NDArray[np.float32]
IndexArray = NDArray[np.intp]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """Voxel centres in patient space: axes parallel to x, y, z, all ascending.

    Attributes:
        shape_zyx: voxels along each array axis.
        spacing_zyx_mm: distance between voxel centres, mm.
        start_xyz_mm: patient position of the centre of voxel (0, 0, 0), mm.
    """

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    start_xyz_mm: tuple[float, float, float]

    @property
    def pixel_mm(self) -> float:
        """Mean edge of a voxel, mm: the width over which a drawn border fades."""
        return float(np.mean(self.spacing_zyx_mm))

    def axis_mm(self, axis: int) -> FloatArray:
        """Voxel centres along array axis 0 (z), 1 (y) or 2 (x), mm."""
        steps = np.arange(self.shape_zyx[axis], dtype=float)
        centres: FloatArray = self.start_xyz_mm[2 - axis] + self.spacing_zyx_mm[axis] * steps
        return centres

    def span(self, low_xyz_mm: FloatArray, high_xyz_mm: FloatArray) -> tuple[IndexArray, IndexArray]:
        """First and past-the-last index (zyx) of the voxel centres between two corners, arrays of shape (..., 3)."""
        start, spacing = np.asarray(self.start_xyz_mm), np.asarray(self.spacing_zyx_mm)[::-1]
        first = np.ceil((low_xyz_mm - start) / spacing)[..., ::-1].astype(np.intp)
        stop = np.floor((high_xyz_mm - start) / spacing)[..., ::-1].astype(np.intp) + 1
        return np.maximum(first, 0), np.minimum(stop, self.shape_zyx)

    def box(self, low_xyz_mm: FloatArray, high_xyz_mm: FloatArray) -> Box | None:
        """Slices of the voxels whose centres lie between two corners; None where there are none."""
        (z, y, x), (z_stop, y_stop, x_stop) = (ends.tolist() for ends in self.span(low_xyz_mm, high_xyz_mm))
        if z_stop <= z or y_stop <= y or x_stop <= x:
            return None
        return slice(z, z_stop), slice(y, y_stop), slice(x, x_stop)


@dataclass(frozen=True)
class Tubes:
    """Round pieces of tube with linearly changing radius and half-ball ends.

    Attributes:
        starts_xyz_mm, ends_xyz_mm: axis end points, shape (n, 3).
        start_radii_mm, end_radii_mm: shape (n,).
    """

    starts_xyz_mm: FloatArray
    ends_xyz_mm: FloatArray
    start_radii_mm: FloatArray
    end_radii_mm: FloatArray

    def __len__(self) -> int:
        return len(self.starts_xyz_mm)

    def select(self, keep: NDArray[np.bool_]) -> Tubes:
        """The pieces where ``keep`` (shape (n,)) is true."""
        return Tubes(*(part[keep] for part in self._parts()))

    def thickened(self, factor: float, extra_mm: float) -> Tubes:
        """The same axes with radii ``factor * radius + extra_mm``."""
        start, end = (factor * radii + extra_mm for radii in (self.start_radii_mm, self.end_radii_mm))
        return Tubes(self.starts_xyz_mm, self.ends_xyz_mm, start, end)

    def scaled(self, factor: float) -> Tubes:
        """Everything multiplied by ``factor``, about the origin."""
        return Tubes(*(factor * part for part in self._parts()))

    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        return self.starts_xyz_mm, self.ends_xyz_mm, self.start_radii_mm, self.end_radii_mm

    def clearance_mm(self, point_xyz_mm: FloatArray) -> FloatArray:
        """Distance of one point to the surface of each piece (negative inside), shape (n,), mm."""
        axis = self.ends_xyz_mm - self.starts_xyz_mm
        relative = point_xyz_mm - self.starts_xyz_mm
        length_squared = np.maximum((axis**2).sum(axis=1), 1e-12)
        along = np.clip((relative * axis).sum(axis=1) / length_squared, 0, 1)
        distance = np.sqrt(((relative - along[:, None] * axis) ** 2).sum(axis=1))
        radius = self.start_radii_mm + along * (self.end_radii_mm - self.start_radii_mm)
        clearance: FloatArray = distance - radius
        return clearance


def polyline(points_xyz_mm: FloatArray, radii_mm: FloatArray | float) -> Tubes:
    """Tubes along a line through ``points_xyz_mm``, shape (n, 3), with a radius at each point."""
    radii = np.broadcast_to(np.asarray(radii_mm, dtype=float), len(points_xyz_mm))
    return Tubes(points_xyz_mm[:-1], points_xyz_mm[1:], radii[:-1], radii[1:])


def joined(parts: Iterable[Tubes]) -> Tubes:
    """All pieces of several sets of tubes."""
    return Tubes(*(np.concatenate(same) for same in zip(*(tubes._parts() for tubes in parts), strict=True)))


def draw_tubes(depth: Field, grid: Grid, tubes: Tubes) -> None:
    """Raise ``depth`` (shape ``grid.shape_zyx``, starts as zeros) to the depth inside any of the tubes, mm.

    Depth counts from half a voxel outside the surface, so ``min(depth / grid.pixel_mm, 1)`` is the covered
    part of a voxel, and ``depth - t`` is the same for tubes that are t mm thinner. Tubes thinner than a
    voxel never reach full depth: their covered part is limited to the ratio of the cross-sections.
    """
    voxel = grid.pixel_mm
    z_mm, y_mm, x_mm = (grid.axis_mm(axis).astype(np.float32) for axis in range(3))
    reach = (np.maximum(tubes.start_radii_mm, tubes.end_radii_mm) + voxel / 2)[:, None]
    lows = np.minimum(tubes.starts_xyz_mm, tubes.ends_xyz_mm) - reach
    highs = np.maximum(tubes.starts_xyz_mm, tubes.ends_xyz_mm) + reach
    first_zyx, stop_zyx = grid.span(lows, highs)
    for number in np.flatnonzero((stop_zyx > first_zyx).all(axis=1)).tolist():
        ends = zip(first_zyx[number].tolist(), stop_zyx[number].tolist(), strict=True)
        sz, sy, sx = (slice(first, stop) for first, stop in ends)
        x0, y0, z0 = tubes.starts_xyz_mm[number].tolist()
        x, y, z = x_mm[sx] - np.float32(x0), y_mm[sy] - np.float32(y0), z_mm[sz] - np.float32(z0)
        axis = tubes.ends_xyz_mm[number] - tubes.starts_xyz_mm[number]
        first, last = float(tubes.start_radii_mm[number]), float(tubes.end_radii_mm[number])
        inside = _depth_in_tube(x, y, z, axis, first + voxel / 2, last + voxel / 2)
        thin = np.pi * min(first, last) ** 2 / voxel**2
        np.maximum(depth[sz, sy, sx], inside * min(thin, 1.0), out=depth[sz, sy, sx])


def _depth_in_tube(x: Field, y: Field, z: Field, axis_xyz: FloatArray, first_mm: float, last_mm: float) -> Field:
    """Depth below the surface of one tube that starts at the origin, shape (len(z), len(y), len(x)), mm."""
    length_squared = max(float(axis_xyz @ axis_xyz), 1e-12)
    a, b, c = (axis_xyz / length_squared).tolist()
    # Position along the axis: 0 at the start, 1 at the end.
    position = (z * c)[:, None, None] + (y * b)[:, None] + x * a
    along = np.clip(position, 0, 1)
    squared = (z * z)[:, None, None] + (y * y)[:, None] + x * x
    # |p - t u|^2 = |p|^2 + |u|^2 t (t - 2 p.u / |u|^2)
    squared += length_squared * along * (along - 2 * position)
    depth: Field = first_mm + (last_mm - first_mm) * along - np.sqrt(np.maximum(squared, 0))
    return depth


def covered(signed_distance_mm: Field, width_mm: float) -> Field:
    """Covered part of each voxel by a shape given as signed distance (negative inside), 0 to 1."""
    part: Field = np.clip(np.float32(0.5) - signed_distance_mm * np.float32(1 / width_mm), 0, 1)
    return part
