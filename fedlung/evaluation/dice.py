"""Overlap of two segmentations: the Dice coefficient, ``2 |A and B| / (|A| + |B|)``.

(L. R. Dice, Measures of the amount of ecologic association between species, Ecology 26, 1945.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice coefficient of two masks of one shape, 0 (disjoint) to 1 (equal).

    Two empty masks agree that there is nothing: 1.0.

    Raises:
        ValueError: the masks differ in shape, or one is not boolean (a probability map must be cut first).
    """
    if first.dtype != np.bool_ or second.dtype != np.bool_:
        raise ValueError(f"masks must be boolean, got {first.dtype} and {second.dtype}")
    if first.shape != second.shape:
        raise ValueError(f"masks must have one shape, got {first.shape} and {second.shape}")
    total = np.count_nonzero(first) + np.count_nonzero(second)
    if not total:
        return 1.0
    return 2.0 * np.count_nonzero(first & second) / total
