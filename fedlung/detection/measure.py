"""Centre and diameter of a found nodule, from the mask around it (voxels of 1 mm)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fedlung.detection.targets import SMALLEST_DRAWN_DIAMETER

INSIDE = 0.5
REACH = 1.5
"""The mask is looked at in a box of this many radii around the mark."""
TRUSTED_RATIO = (0.6, 1.6)
"""A mask whose diameter differs more from the size head's has leaked into a vessel or the pleura, or missed
most of the nodule; the size head is believed then."""
SMALL_MM = 10.0
TRUSTED_OF_SMALL = 0.8
"""Below ``SMALL_MM``, a mask must have this share of the size head's diameter, half of its volume: where the network
is unsure of a small nodule, its mask shrinks before its size head does (docs/results.md, "Diameters")."""
TRUSTED_SHIFT = 1 / 3
"""The same where the centre moves by more than this share of the diameter (at least 2 mm): what leaks into the
pleura leaks to one side, and a wall beside a 10 mm nodule adds only 5 mm to its diameter."""


def measure(
    mask: NDArray[np.float32], center_zyx: NDArray[np.float64], diameter_mm: float
) -> tuple[NDArray[np.float64], float, float, bool]:
    """Refine one mark.

    Args:
        mask: probability of nodule tissue per 1 mm voxel.
        center_zyx: the heads' centre, fractional voxels.
        diameter_mm: the size head's diameter.

    Returns:
        centre zyx (voxels), equivalent diameter (mm, of the ball of equal volume), volume (mm3), and whether
        they come from the mask.
    """
    from_heads = (center_zyx, diameter_mm, float(np.pi / 6 * diameter_mm**3), False)
    component, low = component_at(mask, center_zyx, diameter_mm)
    # Masks were never drawn smaller than a certain ball: below it, a good mask is too large.
    if component is None or diameter_mm < SMALLEST_DRAWN_DIAMETER:
        return from_heads
    volume_mm3 = float(component.sum())
    equivalent_mm = float((6 * volume_mm3 / np.pi) ** (1 / 3))
    least = TRUSTED_OF_SMALL if diameter_mm < SMALL_MM else TRUSTED_RATIO[0]
    if not least <= equivalent_mm / diameter_mm <= TRUSTED_RATIO[1]:
        return from_heads
    center: NDArray[np.float64] = np.asarray(ndimage.center_of_mass(component), dtype=float) + low
    if np.linalg.norm(center - center_zyx) > max(2.0, TRUSTED_SHIFT * diameter_mm):
        return from_heads
    return center, equivalent_mm, volume_mm3, True


def component_at(
    mask: NDArray[np.float32], center_zyx: NDArray[np.float64], diameter_mm: float
) -> tuple[NDArray[np.bool_] | None, NDArray[np.intp]]:
    """The connected part of the mask that holds the centre voxel, and the start of the box it was cut from."""
    reach = int(np.ceil(REACH * max(diameter_mm, 4.0) / 2))
    middle = np.rint(center_zyx).astype(np.intp)
    low = np.maximum(middle - reach, 0)
    box = tuple(slice(a, b) for a, b in zip(low, middle + reach + 1, strict=True))
    labels, _ = ndimage.label(mask[box] > INSIDE)
    label = labels[tuple(middle - low)]
    return (None if label == 0 else labels == label), low
