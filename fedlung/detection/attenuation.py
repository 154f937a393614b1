"""Solid, part-solid or ground glass: what the densities inside a nodule's mask say, where they say anything.

A voxel counts as solid from -300 HU, the threshold that Scholten et al. 2015 ("Towards a close computed tomography
monitoring approach for screen detected subsolid pulmonary nodules?", Eur Respir J 45:765) found best; the shares are
ours. The rim of the mask is left out, since a voxel there holds half nodule, half lung.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fedlung.imaging.volume import HounsfieldArray

SOLID, PART_SOLID, GROUND_GLASS = "solid", "part_solid", "ground_glass"
SOLID_FROM_HU = -300
SMALLEST_MM = 6.0
"""Below, nothing is left of the mask without its rim; Lung-RADS does not tell them apart either."""
FEWEST_VOXELS = 20
SOLID_SHARE, GROUND_GLASS_SHARE = 0.8, 0.1


def attenuation_of(
    hu_zyx: HounsfieldArray, component: NDArray[np.bool_] | None, low: NDArray[np.intp], diameter_mm: float
) -> str | None:
    """Type of a nodule; None where it cannot be derived.

    Args:
        hu_zyx: voxels of 1 mm.
        component: its part of the mask, in a box; None where it has none.
        low: start of that box.
    """
    if component is None or diameter_mm < SMALLEST_MM:
        return None
    core = ndimage.binary_erosion(component)
    if core.sum() < FEWEST_VOXELS:
        return None
    box = tuple(slice(a, a + n) for a, n in zip(low, core.shape, strict=True))
    share = float((hu_zyx[box][core] >= SOLID_FROM_HU).mean())
    return SOLID if share >= SOLID_SHARE else GROUND_GLASS if share <= GROUND_GLASS_SHARE else PART_SOLID
