"""Where training patches are cut: around nodules and anywhere in the lungs."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedlung.imaging.preprocessing import CELL

Start = tuple[int, int, int]
Value = TypeVar("Value", bound=np.generic)


def start_around(
    center_zyx: NDArray[np.float64], diameter: float, shape_zyx: Start, patch: int, random: np.random.Generator
) -> Start:
    """A random start so that a ball (voxels) lies wholly in the patch where it fits, and the patch in the scan.

    ::

        start <= center - reach                 reach = radius + 1, at most half a patch:
        |---------- patch ----------|           a nodule larger than the patch is centred
             (--- ball ---)
                           start + patch >= center + reach
    """
    reach = min(diameter / 2 + 1, patch / 2)
    low = np.ceil(center_zyx + reach - patch)
    high = np.maximum(low, np.floor(center_zyx - reach))
    return _inside(random.integers(low.astype(int), high.astype(int) + 1), shape_zyx, patch)


def start_at_cell(cell_zyx: NDArray[np.integer], shape_zyx: Start, patch: int, random: np.random.Generator) -> Start:
    """A start so that the cell (see ``PreparedScan.search_zyx``) lies anywhere in the patch."""
    return _inside(cell_zyx.astype(np.intp) * CELL - random.integers(0, patch - CELL + 1, size=3), shape_zyx, patch)


def _inside(start: NDArray[np.integer], shape_zyx: Start, patch: int) -> Start:
    """Moved into the scan; 0 along an axis that is shorter than the patch."""
    last = np.maximum(0, np.asarray(shape_zyx) - patch)
    z, y, x = np.clip(start, 0, last).tolist()
    return z, y, x


def cut(values_zyx: NDArray[Value], start_zyx: Start, edges_zyx: int | Start) -> NDArray[Value]:
    """The piece of ``edges_zyx`` voxels (one number: a cube) at ``start_zyx``; edge values beyond the end of a short
    scan."""
    z, y, x = start_zyx
    d, h, w = (edges_zyx,) * 3 if isinstance(edges_zyx, int) else edges_zyx
    piece = values_zyx[z : z + d, y : y + h, x : x + w]
    missing = [(0, edge - n) for edge, n in zip((d, h, w), piece.shape, strict=True)]
    return np.pad(piece, missing, mode="edge") if any(after for _, after in missing) else np.array(piece)
