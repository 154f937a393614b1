"""Matching two readings, growth and doubling time."""

from __future__ import annotations

import math

import pytest

from fedlung.detection.comparison import GROWTH_MM, MATCHED_WITHIN_MM, Pair, Seen, match


def seen(name: str, x: float = 0.0, diameter_mm: float = 6.0) -> Seen:
    return Seen(name, (x, 0.0, 0.0), diameter_mm, math.pi / 6 * diameter_mm**3)


def test_the_nearest_pair_first_and_each_once() -> None:
    found = match([seen("a", 0), seen("b", 6)], [seen("p", 4), seen("q", 30)])
    assert [(pair.now.id, pair.prior.id, pair.distance_mm) for pair in found.pairs] == [("b", "p", 2.0)]
    assert [nodule.id for nodule in found.new] == ["a"]
    assert [nodule.id for nodule in found.gone] == ["q"]


@pytest.mark.parametrize(("distance_mm", "pairs"), [(MATCHED_WITHIN_MM, 1), (MATCHED_WITHIN_MM + 0.01, 0)])
def test_the_border(distance_mm: float, pairs: int) -> None:
    assert len(match([seen("a")], [seen("p", distance_mm)]).pairs) == pairs


def test_nothing_seen_before_is_all_new() -> None:
    found = match([seen("a")], [])
    assert ([nodule.id for nodule in found.new], found.pairs, found.gone) == (["a"], (), ())


def test_a_doubled_volume_has_doubled_in_the_days_between() -> None:
    pair = Pair(seen("a", diameter_mm=6.0 * 2 ** (1 / 3)), seen("p", diameter_mm=6.0), 0.0)
    assert pair.doubling_time_days(100) == pytest.approx(100)
    assert pair.volume_change_percent == pytest.approx(100)
    assert pair.doubling_time_days(None) is None


@pytest.mark.parametrize("diameter_mm", [6.0, 5.0, 6.9])
def test_what_did_not_grow_has_no_doubling_time(diameter_mm: float) -> None:
    pair = Pair(seen("a", diameter_mm=diameter_mm), seen("p"), 0.0)
    assert pair.doubling_time_days(100) is None
    assert not pair.has_grown


def test_growth_begins_above_its_limit() -> None:
    assert not Pair(seen("a", diameter_mm=6.0 + GROWTH_MM), seen("p"), 0.0).has_grown
    assert Pair(seen("a", diameter_mm=6.1 + GROWTH_MM), seen("p"), 0.0).has_grown
