"""Where the lungs are: a threshold segmentation good enough to crop to and to sample from.

It is not a lung segmentation for measuring. Steps (after the DSB2017 winners' idea, simplified): air inside
the body at about 2 mm, the largest one or two components, closed by 10 mm so that vessels and nodules at the
pleura are inside. When the result is not plausible the caller gets the body box and a warning to show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.volume import HounsfieldArray

AIR_BELOW_HU = -400
WORKING_SPACING_MM = 2.0
CLOSING_MM = 10.0
SMALLEST_LUNG_ML = 100.0
PLAUSIBLE_VOLUME_L = (0.7, 8.2)
"""Both lungs together: the limits of the DSB2017 solution."""
SECOND_LUNG_SHARE = 0.2
"""The second component counts as a lung from this share of the first; below it is gut or an airway."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LungMask:
    """Lungs on a coarse grid.

    Attributes:
        mask_zyx: True inside the lungs (closed) or, after a failure, inside the body box.
        geometry: the coarse grid, about ``WORKING_SPACING_MM``, same axes as the scan.
        volume_l: volume of the mask, litres.
        warning: None, or one sentence saying why this is the body box and not the lungs.
    """

    mask_zyx: BoolArray
    geometry: Geometry
    volume_l: float
    warning: str | None = None


def find_lungs(voxels_zyx: HounsfieldArray, geometry: Geometry) -> LungMask:
    """Lungs of a scan in LPS order (see ``reorient_to_lps``), shape and spacing as given."""
    coarse, grid = _block_means(voxels_zyx, geometry)
    voxel_ml = float(np.prod(grid.spacing_zyx_mm)) / 1000.0
    lungs = _largest_air_inside(coarse < AIR_BELOW_HU, voxel_ml)
    if lungs is None:
        return _body_box(coarse, grid, "no lungs were found (no air space of 100 mL inside the body)")
    lungs = _close(lungs, grid.spacing_zyx_mm, CLOSING_MM)
    volume_l = float(lungs.sum()) * voxel_ml / 1000.0
    low, high = PLAUSIBLE_VOLUME_L
    if not low <= volume_l <= high:
        return _body_box(coarse, grid, f"the lung volume of {volume_l:.1f} L is outside {low}-{high} L")
    return LungMask(lungs, grid, volume_l)


def _block_means(voxels_zyx: HounsfieldArray, geometry: Geometry) -> tuple[NDArray[np.float32], Geometry]:
    """Means over whole blocks of voxels of about 2 mm; the remainder at the far end is left out.

    ::

        voxels   0 1 2 | 3 4 5 | 6          step 3: block centres at voxel 1, 4; voxel 6 is dropped
    """
    spacing = np.asarray(geometry.spacing_zyx_mm)
    steps = np.maximum(1, np.rint(WORKING_SPACING_MM / spacing).astype(int))
    steps = np.minimum(steps, geometry.shape_zyx)
    counts = np.asarray(geometry.shape_zyx) // steps
    sums = voxels_zyx[: counts[0] * steps[0], : counts[1] * steps[1], : counts[2] * steps[2]]
    total = np.zeros(counts, dtype=np.int32)
    for offset in np.ndindex(*steps):
        total += sums[offset[0] :: steps[0], offset[1] :: steps[1], offset[2] :: steps[2]]
    x, y, z = geometry.index_to_world((steps - 1) / 2).tolist()
    d, h, w = counts.tolist()
    grid = Geometry((d, h, w), tuple((spacing * steps).tolist()), (x, y, z), geometry.direction_xyz)
    return (total / np.float32(steps.prod())).astype(np.float32), grid


IN_PLANE = np.zeros((3, 3, 3), dtype=bool)
IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)
"""Neighbours within one axial slice only."""


def _largest_air_inside(air: BoolArray, voxel_ml: float) -> BoolArray | None:
    """The one or two largest air components inside the body.

    Outside air is dropped slice by slice, where it reaches a side of the picture: in three dimensions one
    slice with a gap (an open airway, an arm at the border) would join the lungs to the room.
    """
    planes, _ = ndimage.label(air, IN_PLANE)
    sides = (planes[:, 0], planes[:, -1], planes[:, :, 0], planes[:, :, -1])
    outside = np.zeros(int(planes.max()) + 1, dtype=bool)
    outside[np.concatenate([face.ravel() for face in sides])] = True
    inside = air & ~outside[planes]
    # A slice that was lost to the room is given back where both its neighbours are lung.
    inside[1:-1] |= inside[:-2] & inside[2:]
    labels, count = ndimage.label(inside)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    first, *others = np.argsort(sizes)[::-1][:2]
    if sizes[first] * voxel_ml < SMALLEST_LUNG_ML:
        return None
    lungs: BoolArray = labels == first
    for other in others:
        if sizes[other] * voxel_ml >= SMALLEST_LUNG_ML and sizes[other] >= SECOND_LUNG_SHARE * sizes[first]:
            lungs |= labels == other
    return lungs


def _close(mask: BoolArray, spacing_zyx_mm: tuple[float, float, float], radius_mm: float) -> BoolArray:
    """Morphological closing with a ball, by distances, then slice-wise hole filling.

    Only the mask's bounding box is worked on, padded so that the ball fits around it.
    """
    box = ndimage.find_objects(mask.astype(np.int8))[0]
    margins = [int(np.ceil(radius_mm / step)) + 1 for step in spacing_zyx_mm]
    padded = np.pad(mask[box], [(margin, margin) for margin in margins])
    near = _within(padded, spacing_zyx_mm, radius_mm)
    closed = ~_within(~near, spacing_zyx_mm, radius_mm)
    inner = closed[tuple(slice(margin, -margin) for margin in margins)] | mask[box]
    result = np.zeros_like(mask)
    result[box] = np.stack([ndimage.binary_fill_holes(plane) for plane in inner])
    return result


def dilate(mask: BoolArray, spacing_zyx_mm: tuple[float, float, float], radius_mm: float) -> BoolArray:
    """All voxels whose centre is within ``radius_mm`` of the centre of a voxel of the mask."""
    grown = mask.copy()
    if mask.any():
        box = ndimage.find_objects(mask.astype(np.int8))[0]
        margins = [int(radius_mm / step) + 1 for step in spacing_zyx_mm]
        around = tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(box, margins, strict=True))
        grown[around] = _within(mask[around], spacing_zyx_mm, radius_mm)
    return grown


def _within(mask: BoolArray, spacing_zyx_mm: tuple[float, float, float], radius_mm: float) -> BoolArray:
    """Where the distance to the mask is at most ``radius_mm``: a Euclidean distance transform that ends there.

    Squared distances add up axis by axis (Felzenszwalb and Huttenlocher 2012, "Distance Transforms of Sampled
    Functions"); with a small radius, trying every step of an axis is several times as quick as the whole transform::

        along one axis, step 2 mm:   new[i] = min(old[i], old[i-1] + 4, old[i+1] + 4, old[i-2] + 16, ...)
    """
    limit = radius_mm**2 * (1 + 1e-6)  # a ball that touches a voxel centre holds it, whatever float32 rounds
    squared = np.where(mask, np.float32(0), np.float32(np.inf))
    for axis, step in enumerate(spacing_zyx_mm):
        source = np.moveaxis(squared, axis, 0)
        target = source.copy()
        for k in range(1, min(int(radius_mm / step), len(source) - 1) + 1):
            farther = source + np.float32((k * step) ** 2)
            np.minimum(target[k:], farther[:-k], out=target[k:])
            np.minimum(target[:-k], farther[k:], out=target[:-k])
        squared = np.moveaxis(target, 0, axis)
    found: BoolArray = squared <= limit
    return found


def _body_box(coarse: NDArray[np.float32], grid: Geometry, reason: str) -> LungMask:
    """The box around everything denser than air, as a mask: nothing of the patient is lost."""
    body = coarse > AIR_BELOW_HU
    mask = np.zeros(coarse.shape, dtype=bool)
    if body.any():
        mask[ndimage.find_objects(body.astype(np.int8))[0]] = True
    else:
        mask[:] = True
    volume_l = float(mask.sum()) * float(np.prod(grid.spacing_zyx_mm)) / 1e6
    return LungMask(mask, grid, volume_l, f"Lung search failed: {reason}; the whole body box is read instead.")
