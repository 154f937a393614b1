"""What the server believes of a hospital's validation, and what it makes of all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedlung.federation.mark_counts import (
    MOST_FALSE_MARKS_PER_SCAN,
    MOST_NODULES_PER_SCAN,
    MOST_SCANS,
    THRESHOLDS,
    MarkCounts,
    bad_counts_or_none,
    count_marks,
)
from fedlung.federation.measured import Measured, ValidationTally
from fedlung.federation.operating_points import (
    LEAST_NODULES,
    LEAST_SCANS,
    TOO_FEW,
    TOO_MANY_FALSE_MARKS,
    poisson_interval,
    pooled_validation,
    wilson_interval,
)

GRID = len(THRESHOLDS)


def counts_of(found: list[float], false: list[float], num_scans: int = 4, num_nodules: int = 5) -> MarkCounts:
    """Probabilities of nodules' best marks and of false marks."""
    is_nodule = np.array([True] * len(found) + [False] * len(false))
    return count_marks(np.array([*found, *false]), is_nodule, num_scans=num_scans, num_nodules=num_nodules)


HONEST = counts_of([0.9, 0.6, 0.3], [0.6, 0.5, 0.5, 0.2, 0.2, 0.01])


def test_a_mark_counts_from_its_own_probability_down() -> None:
    """As marks are shown: from the threshold on, itself included."""
    at = {threshold: index for index, threshold in enumerate(THRESHOLDS)}
    assert [HONEST.found[at[t]] for t in (0.3, 0.31, 0.6, 0.61, 0.9, 0.91)] == [3, 2, 2, 1, 1, 0]
    assert [HONEST.false_marks[at[t]] for t in (0.01, 0.02, 0.5, 0.51, 0.61)] == [6, 5, 3, 1, 0]


def with_count(name: str, index: int, value: Any) -> MarkCounts:
    values = list(getattr(HONEST, name))
    values[index] = value
    return replace(HONEST, **{name: tuple(values)})


BAD = {
    "no counts at all": ({"found": [1]}, "its counts must be MarkCounts, got dict"),
    "no scan": (replace(HONEST, num_scans=0), f"num_scans must be a whole number from 1 to {MOST_SCANS}, got 0"),
    "too many scans": (
        replace(HONEST, num_scans=MOST_SCANS + 1),
        f"num_scans must be a whole number from 1 to {MOST_SCANS}, got {MOST_SCANS + 1}",
    ),
    "half a scan": (
        replace(HONEST, num_scans=2.5),  # type: ignore[arg-type]
        f"num_scans must be a whole number from 1 to {MOST_SCANS}, got 2.5",
    ),
    "true": (
        replace(HONEST, num_scans=True),
        f"num_scans must be a whole number from 1 to {MOST_SCANS}, got True",
    ),
    "negative nodules": (
        replace(HONEST, num_nodules=-1),
        f"num_nodules must be a whole number from 0 to {4 * MOST_NODULES_PER_SCAN}, got -1",
    ),
    "short": (replace(HONEST, found=HONEST.found[1:]), f"found must hold {GRID} counts, one for each threshold"),
    "a list": (
        replace(HONEST, false_marks=[0] * GRID),  # type: ignore[arg-type]
        f"false_marks must hold {GRID} counts, one for each threshold",
    ),
    "NaN": (with_count("found", 3, float("nan")), "found at 0.04 must be a whole number from 0 to 5, got nan"),
    "more found than there are": (
        with_count("found", 0, 6),
        "found at 0.01 must be a whole number from 0 to 5, got 6",
    ),
    "more marks than are read": (
        with_count("false_marks", 0, 4 * MOST_FALSE_MARKS_PER_SCAN + 1),
        f"false_marks at 0.01 must be a whole number from 0 to {4 * MOST_FALSE_MARKS_PER_SCAN}, "
        f"got {4 * MOST_FALSE_MARKS_PER_SCAN + 1}",
    ),
    "negative": (
        with_count("false_marks", GRID - 1, -1),
        "false_marks at 0.99 must be a whole number from 0 to 400, got -1",
    ),
    "rising": (
        with_count("false_marks", GRID - 1, 1),
        "false_marks must not rise with the threshold, but does at 0.99",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused_in_one_sentence(name: str) -> None:
    counts, sentence = BAD[name]
    assert bad_counts_or_none(counts) == sentence


def test_the_bounds_themselves_are_accepted() -> None:
    full = MarkCounts(2, 2 * MOST_NODULES_PER_SCAN, (2 * MOST_NODULES_PER_SCAN,) * GRID, (200,) * GRID)
    assert bad_counts_or_none(full) is None


@pytest.mark.parametrize("answer", [None, {"cpm": 0.5}, Measured([], None)])  # type: ignore[arg-type]
def test_an_answer_of_another_kind_is_refused(answer: object) -> None:
    tally = ValidationTally()
    reason = tally.refusal_or_none("a", answer)
    assert reason is not None
    assert reason.startswith("its answer must be metrics by name and counts, got ")
    assert tally.summary() == {"validation": {}, "validation_pooled": {}}


def test_of_a_refused_answer_nothing_counts() -> None:
    tally = ValidationTally()
    assert tally.refusal_or_none("b", Measured({"cpm": 0.5, "dice": float("nan")}, HONEST)) is None
    assert tally.refusal_or_none("c", Measured({"cpm": 0.25})) is None  # a trainer whose model makes no marks
    before = tally.summary()
    assert tally.refusal_or_none("a", Measured({"cpm": 1.0}, with_count("found", 0, 6))) is not None
    assert tally.summary() == before
    assert before["validation"] == {"b": {"cpm": 0.5}, "c": {"cpm": 0.25}}
    assert before["validation_pooled"] == pooled_validation([HONEST])


def test_two_hospitals_together() -> None:
    """By hand: 5 scans and 7 nodules; false marks at 0.6 0.55 0.5 0.5 0.2 0.2 0.01, nodules at 0.9 0.6 0.58 0.3."""
    other = counts_of([0.58], [0.55], num_scans=1, num_nodules=2)
    found = pooled_validation([HONEST, other])
    assert {name: found[name] for name in ("num_hospitals", "num_scans", "num_nodules")} == {
        "num_hospitals": 2,
        "num_scans": 5,
        "num_nodules": 7,
    }
    assert found["display_threshold"] == 0.21  # 4 of 5 allowed; at 0.2 there are 6
    first, second = found["operating_points"]  # at most 2, 4 and 8 per scan is every threshold
    assert first["threshold"] == 0.21
    assert (first["fp_per_scan"], first["sensitivity"]) == (4 / 5, round(4 / 7, 4))
    assert first["interval"] == [round(end, 4) for end in wilson_interval(4, 7)]
    assert first["fp_interval"] == [round(end, 4) for end in poisson_interval(4, 5)]
    assert (first["num_scans"], first["num_nodules"]) == (5, 7)
    assert (second["threshold"], second["fp_per_scan"]) == (0.01, 7 / 5)


@pytest.mark.parametrize(
    ("num_scans", "num_nodules", "is_enough"),
    [
        (LEAST_SCANS, LEAST_NODULES, True),
        (LEAST_SCANS - 1, LEAST_NODULES, False),
        (LEAST_SCANS, LEAST_NODULES - 1, False),
    ],
)
def test_too_few_scans_or_nodules_choose_nothing(num_scans: int, num_nodules: int, is_enough: bool) -> None:
    found = pooled_validation([counts_of([0.5], [0.4], num_scans, num_nodules)])
    assert ("display_threshold" in found) is is_enough
    assert bool(found["operating_points"]) is is_enough
    assert (found.get("no_threshold") == TOO_FEW) is not is_enough


def test_the_least_numbers_are_those_of_their_reasons() -> None:
    assert wilson_interval(LEAST_NODULES, LEAST_NODULES)[0] > 0.5 > wilson_interval(3, 3)[0]
    assert poisson_interval(LEAST_SCANS, LEAST_SCANS) == pytest.approx((0.2, 2.9), abs=0.05)


def test_a_model_with_false_marks_at_every_threshold_has_no_display_threshold() -> None:
    found = pooled_validation([counts_of([1.0], [1.0] * 10, num_scans=4)])
    assert found["no_threshold"] == TOO_MANY_FALSE_MARKS
    assert "display_threshold" not in found
    assert [(point["threshold"], point["fp_per_scan"]) for point in found["operating_points"]] == [(0.01, 2.5)]


def test_nobody_counted() -> None:
    assert pooled_validation([]) == {}
