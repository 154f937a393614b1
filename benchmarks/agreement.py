"""How far two readings of one scan are apart: ours, and maps that another program merged over the whole scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.candidates import Candidate, find_candidates
from fedlung.detection.prediction import Prediction
from fedlung.detection.sliding_window import ScanMaps
from fedlung.imaging.preprocessing import PreparedScan


def agreement(
    ours: Prediction, whole: PreparedScan, cells: NDArray[np.float32], mask: NDArray[np.float32]
) -> tuple[str, str, str]:
    """Cells of a table: candidates shown by either side, largest distance in mm, largest difference of probability.

    Args:
        ours: our reading.
        whole: the scan that the maps belong to.
        cells: heat, log diameter and offset, shape (5, cells of ``whole``).
        mask: shape of ``whole``.
    """
    theirs = find_candidates(ScanMaps(cells[0], cells[1], cells[2:5], mask), whole)
    shown = [item for item in theirs if item.probability >= ours.threshold]
    gaps = [*_gaps(ours.shown, theirs), *_gaps(shown, ours.candidates)]
    counts = f"{len(ours.shown)} / {len(shown)}"
    if not gaps:
        return counts, "", ""
    return counts, f"{max(gap[0] for gap in gaps):.2f}", f"{max(gap[1] for gap in gaps):.3f}"


def _gaps(these: Sequence[Candidate], those: Sequence[Candidate]) -> list[tuple[Any, Any]]:
    """Distance in mm to the nearest of ``those``, and the difference of probability, for each of ``these``."""
    if not those:
        return [(np.inf, item.probability) for item in these]
    centers = np.array([item.center_xyz_mm for item in those])
    found = []
    for item in these:
        distances = np.linalg.norm(centers - np.array(item.center_xyz_mm), axis=1)
        nearest = int(distances.argmin())
        found.append((distances[nearest], abs(item.probability - those[nearest].probability)))
    return found
