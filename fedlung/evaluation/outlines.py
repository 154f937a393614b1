"""How well nodules are outlined: Dice of what is drawn for the mark that found a nodule, against the nodule's ball.

The mask of the network as a whole says little: nobody is shown what it holds away from the marks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.balls import Balls
from fedlung.detection.candidates import Candidate
from fedlung.detection.measure import REACH
from fedlung.detection.targets import ball_mask
from fedlung.evaluation.dice import dice
from fedlung.imaging.geometry import Geometry


def outline_dices(
    nodules: Balls, candidates: Sequence[Candidate], mask: NDArray[np.float32], geometry: Geometry
) -> list[float]:
    """Dice of each nodule: 0 where no mark hits it, else that of its most probable mark (hits as in LUNA16).

    Args:
        nodules: annotated balls in voxels of ``mask``.
        candidates: marks of the scan, best first.
        mask: probability of nodule tissue, 1 mm voxels.
        geometry: of ``mask``.
    """
    centers = [geometry.world_to_index(item.center_xyz_mm) for item in candidates]
    dices = []
    for nodule, diameter in zip(nodules.centers_zyx, nodules.diameters, strict=True):
        hits = (n for n, center in enumerate(centers) if np.linalg.norm(center - nodule) < diameter / 2)
        best = next(hits, None)
        dices.append(0.0 if best is None else _dice(nodule, diameter, centers[best], candidates[best], mask, geometry))
    return dices


def _dice(
    nodule: NDArray[np.float64],
    diameter: float,
    center: NDArray[np.float64],
    found: Candidate,
    mask: NDArray[np.float32],
    geometry: Geometry,
) -> float:
    """Both are drawn into a box that holds them whole::

    |<---------- reach ---------->nodule<----------- reach ---------->|
                 |<--- diameter / 2 --->|
                        center of the mark (a hit), and its outline around it
    """
    seen_from, largest_mm = found.peak or (center, found.diameter_mm)
    widest = REACH * max(found.diameter_mm, largest_mm, 4.0) / 2
    reach = np.ceil(diameter / 2 + widest + np.linalg.norm(center - np.asarray(seen_from))) + 2
    low = np.maximum(np.floor(nodule - reach), 0).astype(int)
    high = np.minimum(np.ceil(nodule + reach).astype(int) + 1, mask.shape)
    d, h, w = (high - low).tolist()
    truth = ball_mask(Balls((nodule - low)[None], np.array([diameter])), (d, h, w))
    component, start = found.outline(mask, geometry)
    if component is None:  # its ball, where the mask is not trusted
        return dice(ball_mask(Balls((center - low)[None], np.array([found.diameter_mm])), (d, h, w)), truth)
    drawn = np.zeros((d, h, w), np.bool_)
    drawn[tuple(slice(a, a + n) for a, n in zip(start - low, component.shape, strict=True))] = component
    return dice(drawn, truth)
