"""From the merged maps of a scan to a short list of nodules in world millimetres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fedlung.detection.measure import measure
from fedlung.detection.sliding_window import ScanMaps
from fedlung.detection.targets import CELL_CENTER
from fedlung.imaging.preprocessing import CELL, PreparedScan

LOWEST_PROBABILITY = 0.01
"""Marks below are dropped; kept low so that a FROC curve reaches 8 false marks per scan."""
MOST_MARKS_PER_SCAN = 100
"""LUNA16 reads at most 100 marks of a scan."""
SMALLEST_MERGE_MM = 4.0
"""Two marks nearer than this are one nodule: the closest two of LUNA16's 1186 are 5.9 mm apart."""
DIAMETER_RANGE_MM = (2.0, 60.0)


@dataclass(frozen=True)
class Candidate:
    """One mark of the detector.

    Attributes:
        center_xyz_mm: world position, LPS.
        probability: of being a nodule, in [0, 1].
        diameter_mm: of the ball of equal volume.
        volume_mm3: of the mask when there is one, else of the ball.
        measured: True when centre and diameter come from the mask, False from the size head alone.
    """

    center_xyz_mm: tuple[float, float, float]
    probability: float
    diameter_mm: float
    volume_mm3: float
    measured: bool


def find_candidates(maps: ScanMaps, scan: PreparedScan) -> list[Candidate]:
    """Peaks of the heatmap inside the search region, merged, measured, best first."""
    found: list[Candidate] = []
    for center_zyx, probability, diameter_mm in _separate(_peaks(maps, scan)):
        center_zyx, diameter_mm, volume_mm3, measured = measure(maps.mask, center_zyx, diameter_mm)
        x, y, z = scan.geometry.index_to_world(center_zyx).tolist()
        found.append(Candidate((x, y, z), probability, diameter_mm, volume_mm3, measured))
    return found


Peak = tuple[NDArray[np.float64], float, float]  # centre in voxels zyx, probability, diameter in mm


def _peaks(maps: ScanMaps, scan: PreparedScan) -> Iterator[Peak]:
    """Local maxima over 3x3x3 cells, best first; ties in array order, so the result is reproducible."""
    highest = ndimage.maximum_filter(maps.heat, size=3, mode="constant")
    cells = np.argwhere((maps.heat == highest) & (maps.heat >= LOWEST_PROBABILITY) & scan.search_zyx)
    scores = maps.heat[tuple(cells.T)]
    for cell in cells[np.argsort(-scores, kind="stable")]:
        at = tuple(cell)
        center = cell * CELL + CELL_CENTER + maps.offset_zyx[(slice(None), *at)].astype(float)
        diameter = float(np.clip(np.exp(maps.log_diameter[at]), *DIAMETER_RANGE_MM))
        yield np.clip(center, 0, np.asarray(scan.hu_zyx.shape) - 1), float(maps.heat[at]), diameter


def _separate(peaks: Iterator[Peak]) -> list[Peak]:
    """Non-maximum suppression: a mark within a better mark's radius (at least 4 mm) is the same nodule."""
    kept: list[Peak] = []
    for peak in peaks:
        if all(np.linalg.norm(peak[0] - other[0]) > max(SMALLEST_MERGE_MM, other[2] / 2) for other in kept):
            kept.append(peak)
        if len(kept) == MOST_MARKS_PER_SCAN:
            break
    return kept
