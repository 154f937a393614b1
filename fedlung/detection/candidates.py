"""From the merged maps of a scan to a short list of nodules in world millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fedlung.detection.measure import component_at, measure
from fedlung.detection.targets import CELL_CENTER
from fedlung.errors import FedLungError
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import CELL, PreparedScan

if TYPE_CHECKING:  # who only writes a report about marks needs no torch
    from fedlung.detection.sliding_window import ScanMaps

LOWEST_PROBABILITY = 0.01
"""Marks below are dropped; kept low so that a FROC curve reaches 8 false marks per scan."""
MOST_MARKS_PER_SCAN = 100
"""LUNA16 reads at most 100 marks of a scan."""
SMALLEST_MERGE_MM = 4.0
"""Two marks nearer than this are one nodule: the closest two of LUNA16's 1186 are 5.9 mm apart."""
DIAMETER_RANGE_MM = (2.0, 60.0)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """One mark of the detector.

    Attributes:
        center_xyz_mm: world position, LPS.
        probability: of being a nodule, in [0, 1].
        diameter_mm: of the ball of equal volume.
        volume_mm3: of the mask when there is one, else of the ball.
        measured: True when centre and diameter come from the mask, False from the size head alone.
        peak: voxels zyx and diameter of the heads' ball, around which the mask was looked at: whoever draws the mark
            cuts the mask there again, so that what is drawn has the volume that is said. None: the mark's own ball.
    """

    center_xyz_mm: tuple[float, float, float]
    probability: float
    diameter_mm: float
    volume_mm3: float
    measured: bool
    peak: tuple[tuple[float, float, float], float] | None = None

    def outline(
        self, mask: NDArray[np.float32], geometry: Geometry
    ) -> tuple[NDArray[np.bool_] | None, NDArray[np.intp]]:
        """Its part of the mask, on the voxels of ``geometry``, and the start of that box; None where it is its ball."""
        center = geometry.world_to_index(self.center_xyz_mm)
        if not self.measured:
            return None, np.rint(center).astype(np.intp)
        seen_from, diameter_mm = self.peak or (center, self.diameter_mm)
        return component_at(mask, np.asarray(seen_from), diameter_mm)


def find_candidates(maps: ScanMaps, scan: PreparedScan) -> list[Candidate]:
    """Peaks of the heatmap inside the search region, merged, measured, best first.

    Raises:
        FedLungError: an answer of the network is NaN or infinite. No comparison holds for NaN, so the list
            would be empty and say "no nodules" where nothing was read.
    """
    _check_finite(maps, scan.series_uid)
    centers, probabilities, diameters = _peaks(maps, scan)
    peaks = separated(centers, diameters)
    measured = [measure(maps.mask, centers[peak], float(diameters[peak])) for peak in peaks]
    # Once more: two peaks in one large mask are measured as one nodule.
    again = separated(np.array([m[0] for m in measured]).reshape(-1, 3), np.array([m[1] for m in measured]))
    found = []
    for kept in again:
        center_zyx, diameter_mm, volume_mm3, from_mask = measured[kept]
        x, y, z = scan.geometry.index_to_world(center_zyx).tolist()
        z0, y0, x0 = centers[peaks[kept]].tolist()
        peak = (z0, y0, x0), float(diameters[peaks[kept]])
        found.append(Candidate((x, y, z), float(probabilities[peaks[kept]]), diameter_mm, volume_mm3, from_mask, peak))
    return found


def _check_finite(maps: ScanMaps, series_uid: str) -> None:
    for name in ("heat", "log_diameter", "offset_zyx", "mask"):
        if not np.isfinite(getattr(maps, name)).all():
            raise FedLungError(f"{series_uid}: the network's {name} is NaN or infinite: the scan was not read")


def _peaks(maps: ScanMaps, scan: PreparedScan) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Local maxima over 3x3x3 cells, best first; ties in array order, so the result is reproducible.

    Returns:
        centres (n, 3) in voxels zyx, probabilities (n,), diameters (n,) in mm.
    """
    highest = ndimage.maximum_filter(maps.heat, size=3, mode="constant")
    cells = np.argwhere((maps.heat == highest) & (maps.heat >= LOWEST_PROBABILITY) & scan.search_zyx)
    cells = cells[np.argsort(-maps.heat[tuple(cells.T)], kind="stable")]
    z, y, x = cells.T
    centers = cells * CELL + CELL_CENTER + maps.offset_zyx[:, z, y, x].T.astype(float)
    diameters = np.exp(np.clip(maps.log_diameter[z, y, x].astype(float), *np.log(DIAMETER_RANGE_MM)))
    return np.clip(centers, 0, np.asarray(scan.hu_zyx.shape) - 1), maps.heat[z, y, x].astype(float), diameters


def separated(centers: FloatArray, diameters_mm: FloatArray) -> list[int]:
    """Non-maximum suppression: a mark within a better mark's radius (at least 4 mm) is the same nodule.

    Args:
        centers: mm, shape (n, 3), best mark first.
        diameters_mm: shape (n,).

    Returns:
        Indices of the marks that stay, best first, at most 100.
    """
    kept: list[int] = []
    left = np.arange(len(diameters_mm))
    while len(left) and len(kept) < MOST_MARKS_PER_SCAN:
        best = int(left[0])
        kept.append(best)
        radius = max(SMALLEST_MERGE_MM, diameters_mm[best] / 2)
        left = left[np.linalg.norm(centers[left] - centers[best], axis=1) > radius]
    return kept
