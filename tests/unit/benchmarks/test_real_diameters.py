"""Bias, limits of agreement and category changes of measured diameters, against a slow literal twin."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.real_diameters import RESAMPLES, Pair, _bin, agreement, bias_interval, by_class, pairs
from benchmarks.real_reading import FoundNodule
from fedlung.detection.diameter_agreement import CLASSES_MM, is_of_class

WHOLE = CLASSES_MM[0][0], CLASSES_MM[-1][1]


def some_pairs(seed: int, count: int, patients: int) -> list[Pair]:
    chance = random.Random(seed)
    sizes = [chance.uniform(3, 25) for _ in range(count)]
    return [Pair(f"p{chance.randrange(patients)}", size, size * chance.uniform(0.6, 1.5)) for size in sizes]


def slow_bias_and_limits(found: Sequence[Pair]) -> tuple[float, float, float]:
    """Bland & Altman 1986 as it is written: mean difference, and 1.96 standard deviations to both sides."""
    differences = [pair.measured_mm - pair.annotated_mm for pair in found]
    mean = sum(differences) / len(differences)
    squares = 0.0
    for difference in differences:
        squares += (difference - mean) ** 2
    deviation = math.sqrt(squares / (len(differences) - 1))
    return mean, mean - 1.96 * deviation, mean + 1.96 * deviation


def slow_category(diameter_mm: float) -> str:
    size = float(f"{diameter_mm:.1f}")
    return "2" if size < 6 else "3" if size < 8 else "4A" if size < 15 else "4B"


@pytest.mark.parametrize("seed", range(5))
def test_bias_limits_and_changed_categories_are_those_of_the_twin(seed: int) -> None:
    found = some_pairs(seed, 40, patients=15)
    one = agreement(WHOLE, found)
    assert (one.bias_mm, *one.limits_mm) == pytest.approx(slow_bias_and_limits(found))
    changed = [slow_category(pair.measured_mm) != slow_category(pair.annotated_mm) for pair in found]
    assert one.changed == pytest.approx(changed.count(True) / len(changed))
    assert (one.num_nodules, one.num_patients) == (40, len({pair.patient for pair in found}))


def test_the_interval_resamples_patients_with_all_their_nodules() -> None:
    found = some_pairs(1, 30, patients=8)
    patients = list(dict.fromkeys(pair.patient for pair in found))
    drawn = np.random.default_rng(0).integers(len(patients), size=(RESAMPLES, len(patients)))
    means = []
    for draw in drawn.tolist():
        chosen = [pair.difference_mm for number in draw for pair in found if pair.patient == patients[number]]
        means.append(sum(chosen) / len(chosen))
    means.sort()
    assert bias_interval(found) == pytest.approx((means[25], means[975]))


def test_one_patient_with_many_nodules_leaves_nothing_to_resample() -> None:
    found = [Pair("p", 6.0, 6.0 + step) for step in (-1.0, 0.5, 2.0)]
    assert bias_interval(found) == pytest.approx((0.5, 0.5))


def test_every_pair_is_in_the_class_of_its_size_and_in_no_other() -> None:
    found = some_pairs(2, 60, patients=20)
    sizes = [pair.measured_mm for pair in found]
    classes = by_class(found, sizes)
    assert [one.bounds_mm for one in classes] == list(CLASSES_MM)
    assert [one.num_nodules for one in classes] == [
        sum(is_of_class(size, bounds) for size in sizes) for bounds in CLASSES_MM
    ]
    assert sum(one.num_nodules for one in classes) == len(found)


def test_a_missed_nodule_has_no_measured_diameter() -> None:
    seen = FoundNodule("a", 6.0, 0.5, 1.0, 7.0, whole=False)
    missed = FoundNodule("a", 6.0, 0.0, None, None, whole=False)
    assert pairs([seen, missed]) == [Pair("a", 6.0, 7.0)]


@pytest.mark.parametrize("found", [[], [Pair("a", 6.0, 7.0)]])
def test_what_is_not_known_is_null_in_the_card(found: list[Pair]) -> None:
    card = json.loads(json.dumps(_bin(agreement(CLASSES_MM[-1], found)), allow_nan=False))
    assert card["bounds_mm"] == [15.0, None]
    assert card["limits_of_agreement_mm"] == [None, None]
    assert card["bias_mm"] == (1.0 if found else None)
