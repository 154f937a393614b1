"""Marks of a validation, counted at fixed thresholds: what hospitals can tell each other about a detector's FROC curve.

The curves of two hospitals cannot be pooled from their sensitivities, since each has its own thresholds. Counts at
the same thresholds can: their sums are the counts of all scans in one place. No position, probability or scan is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = tuple(step / 100 for step in range(1, 100))
"""0.01 to 0.99: the steps of the slider that people set a threshold with. Finer ones could not be chosen there; at 0
every mark is shown, and at 1 none, whatever the model."""
MOST_SCANS = 100_000
MOST_FALSE_MARKS_PER_SCAN = 100
"""LUNA16's evaluation reads at most 100 marks of a scan."""
MOST_NODULES_PER_SCAN = 1000
"""Far above any honest annotation; a bound for what a broken hospital can weigh."""


@dataclass(frozen=True)
class MarkCounts:
    """What a validation on ``num_scans`` whole scans with ``num_nodules`` nodules counted, by LUNA16's rules.

    Attributes:
        found: per entry of ``THRESHOLDS``, nodules with a mark of at least this probability.
        false_marks: per entry, such marks on no nodule and on no excluded finding.
    """

    num_scans: int
    num_nodules: int
    found: tuple[int, ...]
    false_marks: tuple[int, ...]


def count_marks(
    probabilities: NDArray[np.float64], is_nodule: NDArray[np.bool_], *, num_scans: int, num_nodules: int
) -> MarkCounts:
    """Count the entries of a FROC curve, shape (E,): probabilities of detected nodules and of false marks."""
    over = probabilities[None, :] >= np.array(THRESHOLDS)[:, None]
    found, false_marks = (over & is_nodule).sum(axis=1), (over & ~is_nodule).sum(axis=1)
    return MarkCounts(num_scans, num_nodules, tuple(found.tolist()), tuple(false_marks.tolist()))


def total(counts: Sequence[MarkCounts]) -> MarkCounts:
    """Counts of all scans together; in any order, as whole numbers are added."""
    return MarkCounts(
        sum(one.num_scans for one in counts),
        sum(one.num_nodules for one in counts),
        tuple(sum(one.found[index] for one in counts) for index in range(len(THRESHOLDS))),
        tuple(sum(one.false_marks[index] for one in counts) for index in range(len(THRESHOLDS))),
    )


def bad_counts_or_none(counts: object) -> str | None:
    """The reason why an answer of a hospital cannot be such counts, or None. Nothing about it is taken for granted."""
    if type(counts) is not MarkCounts:
        return f"its counts must be MarkCounts, got {type(counts).__name__}"
    return (
        _not_a_count("num_scans", counts.num_scans, 1, MOST_SCANS)
        or _not_a_count("num_nodules", counts.num_nodules, 0, counts.num_scans * MOST_NODULES_PER_SCAN)
        or _not_falling("found", counts.found, counts.num_nodules)
        or _not_falling("false_marks", counts.false_marks, counts.num_scans * MOST_FALSE_MARKS_PER_SCAN)
    )


def _not_a_count(name: str, value: Any, least: int, most: int) -> str | None:
    if type(value) is not int or not least <= value <= most:
        return f"{name} must be a whole number from {least} to {most}, got {value!r:.40}"
    return None


def _not_falling(name: str, values: Any, most: int) -> str | None:
    if type(values) is not tuple or len(values) != len(THRESHOLDS):
        return f"{name} must hold {len(THRESHOLDS)} counts, one for each threshold"
    for threshold, value in zip(THRESHOLDS, values, strict=True):
        if (reason := _not_a_count(f"{name} at {threshold:g}", value, 0, most)) is not None:
            return reason
    for threshold, (lower, higher) in zip(THRESHOLDS[1:], pairwise(values), strict=True):
        if higher > lower:
            return f"{name} must not rise with the threshold, but does at {threshold:g}"
    return None
