"""Laws that any FROC analysis by LUNA16's rules obeys, on random studies."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlung.evaluation.bootstrap import bootstrap_froc
from fedlung.evaluation.curve import FrocResult
from fedlung.evaluation.froc import evaluate_froc
from fedlung.evaluation.marks import Mark
from fedlung.imaging.annotations import Finding

SEEDS = st.integers(0, 2**32)
FEW = settings(max_examples=50, deadline=None)


@dataclass(frozen=True)
class Study:
    """What ``evaluate_froc`` takes. At most 60 marks, so that the limit of 100 per scan is out of play."""

    annotations: list[Finding]
    excluded: list[Finding]
    series_uids: list[str]
    marks: list[Mark]

    def evaluate(self) -> FrocResult:
        return evaluate_froc(self.annotations, self.excluded, self.series_uids, self.marks)


def random_study(seed: int) -> Study:
    chance = random.Random(seed)
    uids = [f"scan{i}" for i in range(chance.randint(1, 8))]

    def point() -> tuple[float, float, float]:
        return (chance.randint(-6, 6) / 1.0, chance.randint(-6, 6) / 1.0, chance.randint(-6, 6) / 1.0)

    def findings(count: int) -> list[Finding]:
        return [Finding(chance.choice(uids), point(), chance.choice((4.0, 6.0, 9.0))) for _ in range(count)]

    levels = [chance.random() for _ in range(chance.choice((2, 5, 50)))]
    marks = [Mark(chance.choice(uids), point(), chance.choice(levels)) for _ in range(chance.randint(0, 60))]
    return Study(findings(chance.randint(1, 10)), findings(chance.randint(0, 6)), uids, marks)


def same_curve(first: FrocResult, second: FrocResult) -> None:
    np.testing.assert_array_equal(first.fps_per_scan, second.fps_per_scan)
    np.testing.assert_array_equal(first.sensitivity, second.sensitivity)
    assert first.operating_points == second.operating_points


@FEW
@given(SEEDS)
def test_curve_rises_from_zero_to_the_share_of_found_nodules(seed: int) -> None:
    result = random_study(seed).evaluate()
    for axis in (result.fps_per_scan, result.sensitivity, -result.thresholds[1:]):
        assert (np.diff(axis) >= 0).all()
    assert (result.fps_per_scan[0], result.sensitivity[0]) == (0.0, 0.0)
    np.testing.assert_allclose(result.sensitivity[-1], result.num_detected / result.num_nodules)
    np.testing.assert_allclose(result.fps_per_scan[-1], result.num_false_positives / result.num_scans)
    points = list(result.operating_points.values())
    assert points == sorted(points)
    assert points[-1] <= result.sensitivity[-1]
    np.testing.assert_allclose(result.cpm, sum(points) / 7)


@FEW
@given(SEEDS)
def test_every_mark_has_one_fate(seed: int) -> None:
    study = random_study(seed)
    result = study.evaluate()
    ignored = result.ignored
    on_nodules = len(study.marks) - result.num_false_positives - ignored.marks_on_excluded
    # A mark may find two nodules, so hits are at least as many as the marks that made them.
    assert result.num_detected + ignored.double_detections >= on_nodules >= 0


@FEW
@given(SEEDS)
def test_order_of_rows_and_scans_does_not_matter(seed: int) -> None:
    study = random_study(seed)
    chance = random.Random(seed + 1)
    shuffled = Study(
        chance.sample(study.annotations, len(study.annotations)),
        chance.sample(study.excluded, len(study.excluded)),
        chance.sample(study.series_uids, len(study.series_uids)),
        chance.sample(study.marks, len(study.marks)),
    )
    same_curve(study.evaluate(), shuffled.evaluate())


@FEW
@given(SEEDS)
def test_only_the_order_of_probabilities_counts(seed: int) -> None:
    study = random_study(seed)
    stretched = [replace(mark, probability=2 * mark.probability**3 - 1) for mark in study.marks]
    same_curve(study.evaluate(), replace(study, marks=stretched).evaluate())


@FEW
@given(SEEDS)
def test_a_second_set_of_equal_scans_changes_nothing(seed: int) -> None:
    study = random_study(seed)
    copied = Study(
        [replace(row, series_uid=f"again {row.series_uid}") for row in study.annotations],
        [replace(row, series_uid=f"again {row.series_uid}") for row in study.excluded],
        [f"again {uid}" for uid in study.series_uids],
        [replace(mark, series_uid=f"again {mark.series_uid}") for mark in study.marks],
    )
    twice = Study(
        study.annotations + copied.annotations,
        study.excluded + copied.excluded,
        study.series_uids + copied.series_uids,
        study.marks + copied.marks,
    )
    once, doubled = study.evaluate(), twice.evaluate()
    np.testing.assert_allclose(once.fps_per_scan[-1], doubled.fps_per_scan[-1])
    np.testing.assert_allclose(once.sensitivity[-1], doubled.sensitivity[-1])
    # Off the jumps: there, a rounding error decides between the two ends.
    fps = np.linspace(0.01, 9.0, 50) * np.pi / 3
    np.testing.assert_allclose(
        np.interp(fps, once.fps_per_scan, once.sensitivity), np.interp(fps, doubled.fps_per_scan, doubled.sensitivity)
    )


@FEW
@given(SEEDS)
def test_ignoring_more_findings_never_lowers_the_curve(seed: int) -> None:
    study = random_study(seed)
    strict, lenient = replace(study, excluded=[]).evaluate(), study.evaluate()
    fps = np.linspace(0.01, 9.0, 50) * np.pi / 3
    higher = np.interp(fps, lenient.fps_per_scan, lenient.sensitivity)
    assert (higher >= np.interp(fps, strict.fps_per_scan, strict.sensitivity) - 1e-12).all()


@FEW
@given(SEEDS)
def test_quieter_false_marks_never_lower_the_curve(seed: int) -> None:
    """Scans without nodules hold false positives only: fewer of them can only help."""
    study = random_study(seed)
    with_nodules = {item.series_uid for item in study.annotations}
    cleaned = replace(study, marks=[mark for mark in study.marks if mark.series_uid in with_nodules])
    fps = np.linspace(0.01, 9.0, 50) * np.pi / 3
    noisy, clean = study.evaluate(), cleaned.evaluate()
    higher = np.interp(fps, clean.fps_per_scan, clean.sensitivity)
    assert (higher >= np.interp(fps, noisy.fps_per_scan, noisy.sensitivity) - 1e-12).all()


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_bootstrap_intervals_are_ordered_and_inside_zero_and_one(seed: int) -> None:
    interval = bootstrap_froc(random_study(seed).evaluate(), 30, seed=seed)
    for item in (*interval.operating_points.values(), interval.cpm):
        assert 0.0 <= item.lower <= item.upper <= 1.0
        assert 0.0 <= item.mean <= 1.0
    assert (interval.band_lower <= interval.band_upper).all()
    assert (np.diff(interval.band_lower) >= 0).all()
    assert (np.diff(interval.band_upper) >= 0).all()
