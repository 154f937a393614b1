"""The LUNA16 hit rules: which marks of a detector found a nodule, which are false, which do not count.

The rules are those of the challenge (Setio et al., Medical Image Analysis 42, 2017, section 2.4) as its public
evaluation program applies them:

1.  Marks and findings of scans that are not listed are ignored; a listed scan without marks counts.
2.  More than 100 marks in a scan: only those with a probability strictly above the 101st largest stay.
3.  A mark hits a finding when its distance to the centre is strictly below the radius; a finding of unknown
    diameter (below 0) has 10 mm.
4.  Included nodules first: a nodule's probability is the highest among the marks that hit it. Its other
    marks ("double detections") are neither true nor false. A mark inside two nodules finds both.
5.  Excluded findings next: a mark that hits one, and no included nodule, is dropped.
6.  Every remaining mark is a false positive. A nodule without a mark counts in the denominator only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedlung.errors import WrongArgument
from fedlung.evaluation.marks import Mark
from fedlung.imaging.annotations import UNSIZED_DIAMETER_MM, Finding

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAX_MARKS_PER_SCAN = 100


@dataclass(frozen=True)
class NoduleDetection:
    """An included nodule and its best mark.

    Attributes:
        finding: the nodule.
        probability: highest probability among the marks that hit it; None when it was missed.
        distance_mm: from that mark (the first in file order of equals) to the centre; None when missed.
    """

    finding: Finding
    probability: float | None
    distance_mm: float | None


@dataclass(frozen=True)
class IgnoredCounts:
    """What the rules left out of the curve, each counted once except ``double_detections``.

    Attributes:
        marks_in_unlisted_scans: rule 1.
        nodules_in_unlisted_scans: rule 1, included nodules.
        marks_over_limit: rule 2.
        double_detections: rule 4; hits beyond the first of each nodule, summed over nodules.
        marks_on_excluded: rule 5.
    """

    marks_in_unlisted_scans: int
    nodules_in_unlisted_scans: int
    marks_over_limit: int
    double_detections: int
    marks_on_excluded: int


@dataclass(frozen=True, eq=False)
class Entries:
    """What the curve is made of: the detected nodules and the false positives (E together) of S scans.

    Attributes:
        scan_index: (E,), position of the entry's scan in the list of scans.
        probability: (E,).
        is_nodule: (E,), True for a detected nodule, False for a false positive.
        nodules_per_scan: (S,), included nodules, detected or missed.
    """

    scan_index: IntArray
    probability: FloatArray
    is_nodule: BoolArray
    nodules_per_scan: IntArray


@dataclass(frozen=True, eq=False)
class Matching:
    """Outcome of the rules: entries of the curve, one detection per included nodule, what was left out."""

    entries: Entries
    detections: tuple[NoduleDetection, ...]
    ignored: IgnoredCounts


def match_marks(
    annotations: Sequence[Finding], excluded: Sequence[Finding], series_uids: Sequence[str], marks: Sequence[Mark]
) -> Matching:
    """Apply the rules to the scans ``series_uids``; detections in the order of scans, then of ``annotations``.

    Raises:
        WrongArgument: ``series_uids`` is empty or names a scan twice.
    """
    index_of_uid = {uid: index for index, uid in enumerate(series_uids)}
    if not series_uids or len(index_of_uid) < len(series_uids):
        raise WrongArgument(f"series_uids must name one scan or more, each once; got {len(series_uids)} names")
    nodules = _by_scan(annotations, _radii_mm(annotations), index_of_uid)
    others = _by_scan(excluded, _radii_mm(excluded), index_of_uid)
    listed = _by_scan(marks, [mark.probability for mark in marks], index_of_uid)
    kept = [_within_limit(points) for points in listed]
    scans = [_match_scan(annotations, *tables) for tables in zip(nodules, others, kept, strict=True)]
    num_listed = _total(listed)
    ignored = IgnoredCounts(
        marks_in_unlisted_scans=len(marks) - num_listed,
        nodules_in_unlisted_scans=len(annotations) - _total(nodules),
        marks_over_limit=num_listed - _total(kept),
        double_detections=sum(scan.num_doubles for scan in scans),
        marks_on_excluded=sum(scan.num_on_excluded for scan in scans),
    )
    return Matching(_entries(scans), tuple(item for scan in scans for item in scan.detections), ignored)


@dataclass(frozen=True, eq=False)
class _Points:
    """The rows of a table that belong to one scan, in file order.

    ``values`` are the radii (mm) of findings or the probabilities of marks.
    """

    rows: IntArray
    centers_xyz_mm: FloatArray
    values: FloatArray

    def only(self, keep: BoolArray) -> _Points:
        return _Points(self.rows[keep], self.centers_xyz_mm[keep], self.values[keep])


@dataclass(frozen=True, eq=False)
class _ScanMatching:
    detections: list[NoduleDetection]
    false_probabilities: FloatArray
    num_doubles: int
    num_on_excluded: int


def _by_scan(
    table: Sequence[Finding] | Sequence[Mark], values: Sequence[float], index_of_uid: dict[str, int]
) -> list[_Points]:
    scan = np.array([index_of_uid.get(item.series_uid, -1) for item in table], dtype=np.int64)
    centers = np.array([item.center_xyz_mm for item in table], dtype=float).reshape(-1, 3)
    numbers = np.array(values, dtype=float)
    order = np.argsort(scan, kind="stable")
    # Borders before scan 0, 1, ..., S cut the sorted rows into [unlisted | 0 | 1 | ... | S-1 | nothing].
    borders = np.searchsorted(scan[order], np.arange(len(index_of_uid) + 1))
    return [_Points(rows, centers[rows], numbers[rows]) for rows in np.split(order, borders)[1:-1]]


def _radii_mm(findings: Sequence[Finding]) -> list[float]:
    return [(UNSIZED_DIAMETER_MM if item.diameter_mm < 0 else item.diameter_mm) / 2.0 for item in findings]


def _total(scans: Sequence[_Points]) -> int:
    return sum(len(points.rows) for points in scans)


def _within_limit(marks: _Points) -> _Points:
    """Rule 2. All marks that tie with the 101st go: fewer than 100 may stay, none when all are equal."""
    if len(marks.rows) <= MAX_MARKS_PER_SCAN:
        return marks
    descending = np.sort(marks.values)[::-1]
    return marks.only(marks.values > descending[MAX_MARKS_PER_SCAN])


def _match_scan(annotations: Sequence[Finding], nodules: _Points, others: _Points, marks: _Points) -> _ScanMatching:
    """Rules 3 to 6 in one scan; arrays are (findings, marks)."""
    squared_mm2 = _squared_distances(nodules, marks)
    hits = squared_mm2 < (nodules.values**2)[:, None]
    on_nodule = hits.any(axis=0)
    on_other = (_squared_distances(others, marks) < (others.values**2)[:, None]).any(axis=0) & ~on_nodule
    return _ScanMatching(
        detections=[
            _detection(annotations[row], marks.values[hit], squared_mm2[index, hit])
            for index, (row, hit) in enumerate(zip(nodules.rows, hits, strict=True))
        ],
        false_probabilities=marks.values[~on_nodule & ~on_other],
        num_doubles=int(hits.sum() - hits.any(axis=1).sum()),
        num_on_excluded=int(on_other.sum()),
    )


def _squared_distances(findings: _Points, marks: _Points) -> FloatArray:
    """mm², (findings, marks). The sum keeps the order x, y, z: its rounding decides hits on the border."""
    difference = findings.centers_xyz_mm[:, None, :] - marks.centers_xyz_mm[None, :, :]
    x, y, z = np.moveaxis(difference * difference, 2, 0)
    squared: FloatArray = x + y + z
    return squared


def _detection(finding: Finding, probabilities: FloatArray, squared_mm2: FloatArray) -> NoduleDetection:
    """Rule 4 for one nodule and the marks that hit it."""
    if not probabilities.size:
        return NoduleDetection(finding, None, None)
    best = int(probabilities.argmax())
    return NoduleDetection(finding, float(probabilities[best]), math.sqrt(squared_mm2[best]))


def _entries(scans: Sequence[_ScanMatching]) -> Entries:
    found = [[item.probability for item in scan.detections if item.probability is not None] for scan in scans]
    false = [scan.false_probabilities for scan in scans]
    num_found, num_false = [len(scores) for scores in found], [len(scores) for scores in false]
    every_scan = np.arange(len(scans))
    return Entries(
        scan_index=np.concatenate([np.repeat(every_scan, num_found), np.repeat(every_scan, num_false)]),
        probability=np.concatenate([*found, *false]),
        is_nodule=np.repeat([True, False], [sum(num_found), sum(num_false)]),
        nodules_per_scan=np.array([len(scan.detections) for scan in scans]),
    )
