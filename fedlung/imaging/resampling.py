"""Orientation and resampling: every scan becomes an axis-ordered grid with equal spacing.

Both steps keep the world coordinates valid: only the index grid changes, never where a point is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.volume import CTVolume, HounsfieldArray


def reorient_to_lps(volume: CTVolume) -> CTVolume:
    """Flip and permute axes so that z, y, x run nearest to Superior, Posterior, Left.

    No interpolation: the voxels are the same, read in another order (a view). An oblique scan keeps its
    remaining tilt in ``direction_xyz``. LUNA16 has 14 scans with x and y flipped; without this step their
    arrays would show the patient upside down.
    """
    permutation_xyz, signs_xyz = _nearest_axes(volume.geometry.direction)
    # xyz order here, zyx in arrays: array axis of index axis i is 2 - i.
    axes = [2 - int(permutation_xyz[2 - axis]) for axis in range(3)]
    voxels = volume.voxels_zyx.transpose(axes)
    flips = [axis for axis in range(3) if signs_xyz[2 - axis] < 0]
    voxels = np.flip(voxels, tuple(flips))

    spacing = np.asarray(volume.geometry.spacing_zyx_mm)[axes]
    direction = volume.geometry.direction[:, permutation_xyz] * signs_xyz
    # The new voxel (0, 0, 0) is the old voxel at the far end of each flipped axis.
    old_index = np.zeros(3)
    for axis in flips:
        old_index[axes[axis]] = volume.geometry.shape_zyx[axes[axis]] - 1
    x, y, z = volume.geometry.index_to_world(old_index).tolist()
    d, h, w = voxels.shape
    geometry = Geometry((d, h, w), tuple(spacing.tolist()), (x, y, z), tuple(direction.ravel().tolist()))
    return replace(volume, voxels_zyx=voxels, geometry=geometry)


def _nearest_axes(direction: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For each world axis (x, y, z): the index axis closest to it, and +1 or -1 for its sense.

    Greedy by the largest cosine, so that each index axis is used once even at 45 degrees.
    """
    cosines = np.abs(direction)
    permutation = np.zeros(3, dtype=np.intp)
    for _ in range(3):
        world, index = np.unravel_index(int(np.argmax(cosines)), (3, 3))
        permutation[world] = index
        cosines[world, :] = -1
        cosines[:, index] = -1
    signs = np.where(direction[np.arange(3), permutation] < 0, -1.0, 1.0)
    return permutation, signs


def resample_isotropic(
    voxels_zyx: HounsfieldArray, geometry: Geometry, spacing_mm: float
) -> tuple[HounsfieldArray, Geometry]:
    """Linear interpolation onto a cubic grid that starts at the same first voxel centre.

    Linear, not spline: splines cost 20 times as much and overshoot by 100 HU at edges. The size is
    rounded, so the grid ends at most half a step from the last voxel centre; beyond it, the edge value holds.

    ::

        old centres   0-----2.5-----5.0          spacing 2.5 mm, 3 voxels, 5.0 mm between the outer ones
        new centres   0--1--2--3--4--5           round(5.0 / 1.0) + 1 = 6 voxels
    """
    spans_mm = (np.asarray(geometry.shape_zyx) - 1) * np.asarray(geometry.spacing_zyx_mm)
    d, h, w = (int(n) for n in np.rint(spans_mm / spacing_mm) + 1)
    # The axis that shrinks most goes first: less is left for the others to interpolate.
    order = np.argsort(np.asarray((d, h, w)) / np.asarray(geometry.shape_zyx))
    values = voxels_zyx.astype(np.float32)
    for axis in order.tolist():
        positions = np.arange((d, h, w)[axis], dtype=np.float64) * (spacing_mm / geometry.spacing_zyx_mm[axis])
        values = _interpolate(values, positions, axis)
    resampled = np.rint(values).astype(np.int16)
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    return resampled, Geometry((d, h, w), spacing, geometry.origin_xyz_mm, geometry.direction_xyz)


def _interpolate(values: NDArray[np.float32], positions: NDArray[np.floating], axis: int) -> NDArray[np.float32]:
    """``values`` along ``axis`` at fractional ``positions``, clamped to the ends."""
    last = values.shape[axis] - 1
    clamped = np.clip(positions, 0, last)
    low = np.minimum(clamped.astype(np.intp), max(last - 1, 0))
    weight = (clamped - low).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = -1
    lower = values.take(low, axis)
    upper: NDArray[np.float32] = values.take(np.minimum(low + 1, last), axis)
    upper -= lower
    upper *= weight.reshape(shape)
    upper += lower
    return upper
