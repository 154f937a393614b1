"""What a threshold of the model means, from the counts of all hospitals' validations; and which one is shown first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy.special import gammaincinv

from fedlung.federation.mark_counts import THRESHOLDS, MarkCounts, total

DEFAULT_THRESHOLD = 0.5
"""Marks are shown from this probability on when the model's validation chose no threshold."""
FALSE_MARKS_PER_SCAN = (1.0, 2.0, 4.0, 8.0)
DISPLAYED_RATE = 1.0
"""False marks per scan, at most, at the threshold that is shown first: few enough to look at every one."""
LEAST_SCANS = 3
"""Three false marks on three scans: 0.2 to 2.9 per scan (`poisson_interval`). With fewer scans the true rate may be
more than three times the one that the page names."""
LEAST_NODULES = 4
"""Of three nodules, all found, the 95 % interval of the sensitivity still begins at 0.44: nothing would be said."""
TOO_FEW, TOO_MANY_FALSE_MARKS = "too_few", "too_many_false_marks"

Z_95 = 1.959963984540054  # quantile 0.975 of the normal distribution
DIGITS = 4


def pooled_validation(counts: Sequence[MarkCounts]) -> dict[str, Any]:
    """What the validations of several hospitals say together, as plain values for a record, a card and a model file.

    ::

        num_hospitals, num_scans, num_nodules
        operating_points   by rising rate, each threshold once: threshold, fp_per_scan, sensitivity, interval,
                           fp_interval, num_scans, num_nodules. Of the thresholds with at most 1, 2, 4, 8 false marks
                           per scan the lowest; fp_per_scan is what was measured there
        display_threshold  that of at most one false mark per scan; or, where there is none,
        no_threshold       TOO_FEW scans or nodules, or TOO_MANY_FALSE_MARKS at every threshold

    Empty when nobody counted. ``interval``, of the sensitivity, is that of `wilson_interval`, ``fp_interval``, of the
    false marks per scan, that of `poisson_interval`; records of before have no ``fp_interval``.
    """
    if not counts:
        return {}
    pooled = total(counts)
    found: dict[str, Any] = {"num_hospitals": len(counts), "num_scans": pooled.num_scans}
    found |= {"num_nodules": pooled.num_nodules, "operating_points": []}
    if pooled.num_scans < LEAST_SCANS or pooled.num_nodules < LEAST_NODULES:
        return {**found, "no_threshold": TOO_FEW}
    indices = {rate: _lowest_index(pooled, rate) for rate in FALSE_MARKS_PER_SCAN}
    listed = dict.fromkeys(index for index in indices.values() if index is not None)
    found["operating_points"] = [_point(pooled, index) for index in listed]
    shown = indices[DISPLAYED_RATE]
    return found | (
        {"no_threshold": TOO_MANY_FALSE_MARKS} if shown is None else {"display_threshold": THRESHOLDS[shown]}
    )


def wilson_interval(hits: int, of: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, JASA 22, 1927). It takes nodules as independent of each other; those of
    one patient are not, so the true interval is somewhat wider."""
    share, pull = hits / of, Z_95**2 / of
    half = math.sqrt(pull * share * (1 - share) + pull**2 / 4)
    middle = share + pull / 2
    low, high = (middle - half) / (1 + pull), (middle + half) / (1 + pull)
    return max(0.0, min(low, share)), min(1.0, max(high, share))  # rounding may lead past the ends


def poisson_interval(count: int, of: int) -> tuple[float, float]:
    """95 % interval of a rate, ``count`` in ``of`` scans (exact for a Poisson count: Garwood, Biometrika 28, 1936). It
    takes false marks as independent of each other; those of one scan are not, so the true interval is wider.

    The quantile p of chi-squared with 2 k degrees of freedom, which the formula has, is twice that of gamma with k.
    """
    low = float(gammaincinv(count, 0.025)) if count else 0.0
    return low / of, float(gammaincinv(count + 1, 0.975)) / of


def _lowest_index(counts: MarkCounts, rate: float) -> int | None:
    """Of the lowest threshold with at most ``rate`` false marks per scan."""
    allowed = rate * counts.num_scans
    return next((index for index, false in enumerate(counts.false_marks) if false <= allowed), None)


def _point(counts: MarkCounts, index: int) -> dict[str, Any]:
    hits, false_marks = counts.found[index], counts.false_marks[index]
    return {
        "threshold": THRESHOLDS[index],
        "fp_per_scan": round(false_marks / counts.num_scans, DIGITS),
        "fp_interval": [round(end, DIGITS) for end in poisson_interval(false_marks, counts.num_scans)],
        "sensitivity": round(hits / counts.num_nodules, DIGITS),
        "interval": [round(end, DIGITS) for end in wilson_interval(hits, counts.num_nodules)],
        "num_scans": counts.num_scans,
        "num_nodules": counts.num_nodules,
    }
