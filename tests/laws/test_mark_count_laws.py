"""Laws of the counts that hospitals tell about their validation: what is added up is what one hospital would count."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedlung.evaluation.curve import FrocResult
from fedlung.federation.mark_counts import THRESHOLDS, MarkCounts, bad_counts_or_none, count_marks, total
from fedlung.federation.operating_points import (
    FALSE_MARKS_PER_SCAN,
    LEAST_NODULES,
    LEAST_SCANS,
    Z_95,
    poisson_interval,
    pooled_validation,
    wilson_interval,
)
from tests.laws.test_froc_laws import FEW, SEEDS, Study, random_study


def counted(result: FrocResult) -> MarkCounts:
    sizes = {"num_scans": result.num_scans, "num_nodules": result.num_nodules}
    return count_marks(result.entries.probability, result.entries.is_nodule, **sizes)


def split(study: Study, seed: int) -> list[Study]:
    """The same scans in up to three hospitals; each knows the findings and marks of its own."""
    chance = random.Random(seed)
    owner = {uid: chance.randrange(3) for uid in study.series_uids}
    uids = [[uid for uid in study.series_uids if owner[uid] == hospital] for hospital in range(3)]
    return [replace(study, series_uids=own) for own in uids if own]


@FEW
@given(SEEDS)
def test_the_sum_over_hospitals_is_the_count_of_one_that_has_every_scan(seed: int) -> None:
    study = random_study(seed)
    assert total([counted(part.evaluate()) for part in split(study, seed)]) == counted(study.evaluate())


@FEW
@given(SEEDS, st.randoms())
def test_the_order_of_the_answers_says_nothing(seed: int, chance: random.Random) -> None:
    parts = [counted(part.evaluate()) for part in split(random_study(seed), seed)]
    shuffled = chance.sample(parts, len(parts))
    assert total(shuffled) == total(parts)
    assert pooled_validation(shuffled) == pooled_validation(parts)


@FEW
@given(SEEDS)
def test_honest_counts_fall_with_the_threshold_and_are_accepted(seed: int) -> None:
    counts = counted(random_study(seed).evaluate())
    assert counts.found == tuple(sorted(counts.found, reverse=True))
    assert counts.false_marks == tuple(sorted(counts.false_marks, reverse=True))
    assert bad_counts_or_none(counts) is None


@FEW
@given(SEEDS)
def test_every_point_is_the_lowest_threshold_that_keeps_its_rate(seed: int) -> None:
    """Against the marks themselves, one threshold after the other."""
    result = random_study(seed).evaluate()
    marks = list(zip(result.entries.probability.tolist(), result.entries.is_nodule.tolist(), strict=True))

    def false_per_scan(threshold: float) -> float:
        return sum(probability >= threshold and not hit for probability, hit in marks) / result.num_scans

    found = pooled_validation([counted(result)])
    if result.num_scans < LEAST_SCANS or result.num_nodules < LEAST_NODULES:
        assert (found["operating_points"], found["no_threshold"]) == ([], "too_few")
        return
    lowest = {rate: next((t for t in THRESHOLDS if false_per_scan(t) <= rate), None) for rate in FALSE_MARKS_PER_SCAN}
    points = found["operating_points"]
    assert [point["threshold"] for point in points] == list(dict.fromkeys(t for t in lowest.values() if t is not None))
    assert found.get("display_threshold") == lowest[1.0]
    for point in points:
        hits = sum(probability >= point["threshold"] and hit for probability, hit in marks)
        assert point["sensitivity"] == pytest.approx(hits / result.num_nodules, abs=1e-4)
        false_rate = false_per_scan(point["threshold"])
        assert point["fp_per_scan"] == pytest.approx(false_rate, abs=1e-4)
        interval = poisson_interval(round(false_rate * result.num_scans), result.num_scans)
        assert point["fp_interval"] == pytest.approx(interval, abs=1e-4)


@given(st.integers(0, 500), st.integers(1, 200))
def test_garwoods_interval_is_where_the_tails_of_the_poisson_law_weigh_2_5_percent(count: int, scans: int) -> None:
    low, high = poisson_interval(count, scans)
    assert low <= count / scans < high
    assert stats.poisson.cdf(count, high * scans) == pytest.approx(0.025)
    if count:
        assert stats.poisson.sf(count - 1, low * scans) == pytest.approx(0.025)
    assert high * scans == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2)


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilsons_interval_is_where_the_score_test_turns(case: tuple[int, int]) -> None:
    hits, of = case
    for end in wilson_interval(hits, of):
        assert (hits / of - end) ** 2 == pytest.approx(Z_95**2 * end * (1 - end) / of, abs=1e-12)
    low, high = wilson_interval(hits, of)
    assert low <= hits / of <= high
    assert wilson_interval(of - hits, of) == pytest.approx((1 - high, 1 - low))
