"""The arithmetic of a FROC curve: ranked entries -> counts -> rates -> sensitivity at seven operating points.

Written once for the evaluation (every scan counts once) and for the bootstrap (a scan counts as often as it
was drawn). The curve is the one that ``sklearn.metrics.roc_curve`` draws with its defaults, on which LUNA16's
evaluation program is built: one point per distinct probability, ties taken together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fedlung.evaluation.luna16 import BoolArray, Entries, FloatArray, IgnoredCounts, IntArray, NoduleDetection

OPERATING_POINTS_FPS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives per scan at which LUNA16 reads the sensitivity; its CPM is their mean."""
OPERATING_POINT_NAMES = ("1/8", "1/4", "1/2", "1", "2", "4", "8")


@dataclass(frozen=True, eq=False)
class FrocResult:
    """The LUNA16 analysis of one set of marks.

    Attributes:
        fps_per_scan: (P,), false positives per scan along the curve, rising from 0.
        sensitivity: (P,), share of the included nodules found there, 0..1, rising from 0.
        thresholds: (P,), marks with at least this probability give that point; the first is infinite.
        operating_points: sensitivity at ``OPERATING_POINTS_FPS``.
        cpm: mean of the operating points (competition performance metric).
        num_scans, num_nodules, num_detected: listed scans, their included nodules, and those with a mark.
            Without any nodule the sensitivity is not defined; it is given as 0.
        num_false_positives: false positives of the whole list of marks.
        detections: one per included nodule.
        ignored: what the rules left out.
        entries: what the curve was made of, for the bootstrap.
    """

    fps_per_scan: FloatArray
    sensitivity: FloatArray
    thresholds: FloatArray
    operating_points: dict[float, float]
    cpm: float
    num_scans: int
    num_nodules: int
    num_detected: int
    num_false_positives: int
    detections: tuple[NoduleDetection, ...] = field(repr=False)
    ignored: IgnoredCounts
    entries: Entries = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Everything but the entries, as values that ``json`` writes; the infinite threshold becomes None."""
        return {
            "cpm": self.cpm,
            "operating_points": {f"{fps:g}": value for fps, value in self.operating_points.items()},
            "num_scans": self.num_scans,
            "num_nodules": self.num_nodules,
            "num_detected": self.num_detected,
            "num_false_positives": self.num_false_positives,
            "ignored": asdict(self.ignored),
            "curve": {
                "fps_per_scan": self.fps_per_scan.tolist(),
                "sensitivity": self.sensitivity.tolist(),
                "thresholds": [None, *self.thresholds[1:].tolist()],
            },
            "nodules": [
                {**asdict(item.finding), "probability": item.probability, "distance_mm": item.distance_mm}
                for item in self.detections
            ],
        }


@dataclass(frozen=True, eq=False)
class RankedEntries:
    """Entries by falling probability: E entries, T distinct probabilities, S scans.

    Attributes:
        scan_index: (E,).
        is_nodule: (E,).
        last: (T,), index of the last entry of each distinct probability.
        thresholds: (T,), the distinct probabilities, falling.
        nodules_per_scan: (S,).
    """

    scan_index: IntArray
    is_nodule: BoolArray
    last: IntArray
    thresholds: FloatArray
    nodules_per_scan: IntArray

    @staticmethod
    def of(entries: Entries) -> RankedEntries:
        """Sort once; every curve of these entries is then a matter of sums."""
        order = np.argsort(-entries.probability, kind="stable")
        falling = entries.probability[order]
        last = np.flatnonzero(np.diff(falling, append=-np.inf))
        return RankedEntries(
            entries.scan_index[order], entries.is_nodule[order], last, falling[last], entries.nodules_per_scan
        )


@dataclass(frozen=True, eq=False)
class Counts:
    """Nodules found and false positives made at each distinct probability, (T,), and their denominators."""

    found: IntArray
    false: IntArray
    num_nodules: int
    num_scans: int


def count(ranked: RankedEntries, times_drawn: IntArray) -> Counts:
    """Counts when scan i is present ``times_drawn[i]`` times, shape (S,)."""
    weights = times_drawn[ranked.scan_index]
    found = np.cumsum(np.where(ranked.is_nodule, weights, 0))[ranked.last]
    both = np.cumsum(weights)[ranked.last]
    return Counts(found, both - found, int(times_drawn @ ranked.nodules_per_scan), len(times_drawn))


def corners(counts: Counts) -> IntArray:
    """Indices of the points that shape the curve; between them lie points on equal steps of a straight line.

    The second difference of both counts vanishes exactly on such a line. Interpolation does not see them.
    """
    if len(counts.found) <= 2:
        return np.arange(len(counts.found))
    bend = (np.diff(counts.found, 2) != 0) | (np.diff(counts.false, 2) != 0)
    return np.flatnonzero(np.concatenate([[True], bend, [True]]))


def rates(counts: Counts) -> tuple[FloatArray, FloatArray]:
    """False positives per scan and sensitivity, both (T + 1,), rising from the corner (0, 0).

    No detected nodule: all sensitivities 0, where the original program fails on 0/0. No false positive: all
    rates 0, as there, so that every operating point reads the final sensitivity.
    """
    return (
        _share_of_last(counts.false) / counts.num_scans,
        _share_of_last(counts.found) / max(counts.num_nodules, 1),
    )


def _share_of_last(cumulated: IntArray) -> FloatArray:
    """``cumulated`` after a leading 0, taken to a share of the total and back, as roc_curve's user must do.

    The detour moves a point by a rounding error, and that matters: with 888 scans the operating points fall
    exactly on possible rates (1/8 is 111 false positives), where the curve may jump.
    """
    total = float(cumulated[-1]) if cumulated.size else 0.0
    points = np.concatenate([[0.0], cumulated])
    scaled: FloatArray = points / total * total if total else points
    return scaled


def sensitivity_at(fps_per_scan: FloatArray, curve_fps: FloatArray, curve_sensitivity: FloatArray) -> FloatArray:
    """Sensitivity at given false-positive rates: linear, flat beyond the last point, the upper end of a jump."""
    return np.interp(fps_per_scan, curve_fps, curve_sensitivity)
