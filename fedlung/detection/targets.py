"""What the network should answer for a patch: centre heatmap, size, offset, and mask.

The heads answer on cells of 2x2x2 voxels (2 mm), the mask on voxels (1 mm)::

    voxel index   0   1   2   3   4   5
    cell index    [  0  ] [  1  ] [  2  ]       centre of cell c at voxel index 2c + 0.5

Heatmap after CenterNet (Zhou et al. 2019, "Objects as Points"): 1 in the cells nearest to a centre, a
Gaussian around it that only lowers the penalty of a near miss. Size and offset are learned in the cells that
are 1. See ``docs/adr/0005`` for why a detector has these heads beside a segmentation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.balls import Balls
from fedlung.imaging.preprocessing import CELL

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

CELL_CENTER = (CELL - 1) / 2
POSITIVE_RADIUS = 1.8
"""Cells with their centre this near (voxels) are positive: more than half a cell's diagonal (1.73), so that
every nodule has at least one."""
SMALLEST_SIGMA = 1.5
SMALLEST_DRAWN_DIAMETER = 4.0
"""A 3 mm ball is 14 voxels; a mask that small teaches little, so it is drawn at least this wide (voxels)."""


@dataclass(frozen=True, eq=False)
class PatchTargets:
    """Answers for one patch of shape (P, P, P); cells have shape (P/2, P/2, P/2).

    Attributes:
        heat: cells; 1 at positives, Gaussian around them, 0 elsewhere.
        weight: cells; 0 where an ignored finding makes the answer unknown, else 1.
        log_diameter: cells; ln of the diameter in voxels (mm) of the nearest nodule.
        offset_zyx: (3, cells); from the cell centre to the nodule centre, voxels (mm).
        mask: voxels; True inside a nodule.
    """

    heat: FloatArray
    weight: FloatArray
    log_diameter: FloatArray
    offset_zyx: FloatArray
    mask: BoolArray


def draw_targets(nodules: Balls, ignored: Balls, patch: int) -> PatchTargets:
    """Targets of a patch of ``patch``^3 voxels; balls in patch indices, those outside are harmless."""
    cells = patch // CELL
    heat = np.zeros((cells, cells, cells), dtype=np.float32)
    weight = np.ones_like(heat)
    log_diameter = np.zeros_like(heat)
    offset = np.zeros((3, cells, cells, cells), dtype=np.float32)
    nearest = np.full_like(heat, np.inf)
    mask = np.zeros((patch, patch, patch), dtype=bool)
    axis = np.arange(cells) * CELL + CELL_CENTER

    for center, diameter in zip(ignored.centers_zyx, ignored.diameters, strict=True):
        weight[_squared_distance(axis, center) <= (diameter / 2 + CELL) ** 2] = 0.0
    for center, diameter in zip(nodules.centers_zyx, nodules.diameters, strict=True):
        squared = _squared_distance(axis, center)
        sigma = max(SMALLEST_SIGMA, diameter / 6)
        drawn = np.where(squared <= POSITIVE_RADIUS**2, 1.0, np.exp(-squared / (2 * sigma**2)))
        heat = np.maximum(heat, drawn.astype(np.float32))
        closer = squared < nearest
        nearest[closer] = squared[closer]
        log_diameter[closer] = np.log(diameter)
        for row, grid in zip(offset, np.ix_(*[value - axis for value in center]), strict=True):
            row[closer] = np.broadcast_to(grid, closer.shape)[closer]
        radius = max(diameter, SMALLEST_DRAWN_DIAMETER) / 2
        mask |= _squared_distance(np.arange(patch), center) <= radius**2
    weight[heat == 1] = 1.0
    return PatchTargets(heat, weight, log_diameter, offset, mask)


def _squared_distance(axis: NDArray[np.floating] | NDArray[np.integer], center: NDArray[np.float64]) -> FloatArray:
    """Squared distance of each grid point to ``center``, as an outer sum of three one-axis terms."""
    z, y, x = ((axis - value) ** 2 for value in center)
    squared: FloatArray = (z[:, None, None] + y[None, :, None] + x[None, None, :]).astype(np.float32)
    return squared


def ball_mask(balls: Balls, shape_zyx: tuple[int, ...]) -> BoolArray:
    """The balls as annotated, drawn into a scan of ``shape_zyx`` voxels: the reference of a Dice value."""
    mask = np.zeros(shape_zyx, dtype=bool)
    for center, diameter in zip(balls.centers_zyx, balls.diameters, strict=True):
        low = np.maximum(0, np.floor(center - diameter / 2)).astype(int)
        high = np.clip(np.ceil(center + diameter / 2) + 1, 0, shape_zyx).astype(int)
        z, y, x = ((np.arange(a, b) - value) ** 2 for a, b, value in zip(low, high, center, strict=True))
        inside = z[:, None, None] + y[None, :, None] + x[None, None, :] <= (diameter / 2) ** 2
        mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] |= inside
    return mask
