"""The vectorised evaluation against a slow twin: LUNA16's rules in plain loops, written from their description."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlung.evaluation.curve import FrocResult
from fedlung.evaluation.froc import evaluate_froc
from fedlung.evaluation.marks import Mark
from fedlung.imaging.annotations import Finding

Study = tuple[list[Finding], list[Finding], list[str], list[Mark]]


def is_hit(finding: Finding, mark: Mark) -> bool:
    diameter_mm = 10.0 if finding.diameter_mm < 0 else finding.diameter_mm
    squared_mm2 = 0.0
    for a, b in zip(finding.center_xyz_mm, mark.center_xyz_mm, strict=True):
        squared_mm2 += (a - b) ** 2
    return squared_mm2 < (diameter_mm / 2.0) ** 2


def at_most_100(marks: list[Mark]) -> list[Mark]:
    if len(marks) <= 100:
        return marks
    value_101 = sorted((mark.probability for mark in marks), reverse=True)[100]
    kept: list[Mark] = []
    for mark in marks:
        if mark.probability > value_101 and len(kept) < 100:
            kept.append(mark)
    return kept


def slow_entries(study: Study) -> tuple[list[tuple[bool, float]], list[float | None], dict[str, int]]:
    """Entries (is a nodule, probability), best probability of every nodule, and what was ignored."""
    annotations, excluded, series_uids, marks = study
    entries: list[tuple[bool, float]] = []
    best_of_nodule: list[float | None] = []
    ignored = {"over": 0, "double": 0, "excluded": 0}
    for uid in series_uids:
        own = [mark for mark in marks if mark.series_uid == uid]
        candidates = at_most_100(own)
        ignored["over"] += len(own) - len(candidates)
        pool = list(range(len(candidates)))
        for nodule in [item for item in annotations if item.series_uid == uid]:
            probabilities = []
            for index, mark in enumerate(candidates):
                if is_hit(nodule, mark):
                    probabilities.append(mark.probability)
                    if index in pool:
                        pool.remove(index)
            best_of_nodule.append(max(probabilities) if probabilities else None)
            if probabilities:
                entries.append((True, max(probabilities)))
                ignored["double"] += len(probabilities) - 1
        for finding in [item for item in excluded if item.series_uid == uid]:
            for index, mark in enumerate(candidates):
                if is_hit(finding, mark) and index in pool:
                    pool.remove(index)
                    ignored["excluded"] += 1
        entries.extend((False, candidates[index].probability) for index in pool)
    return entries, best_of_nodule, ignored


def slow_curve(entries: list[tuple[bool, float]], num_nodules: int, num_scans: int) -> list[tuple[float, float]]:
    """(false positives per scan, sensitivity) at every distinct probability, as roc_curve's user computes them."""
    num_found = sum(is_nodule for is_nodule, _ in entries)
    num_false = len(entries) - num_found
    points = [(0.0, 0.0)]
    for threshold in sorted({probability for _, probability in entries}, reverse=True):
        found = sum(is_nodule for is_nodule, probability in entries if probability >= threshold)
        false = sum(not is_nodule for is_nodule, probability in entries if probability >= threshold)
        fps = (false / num_false) * num_false / num_scans if num_false else 0.0
        sensitivity = (found / num_found) * num_found / num_nodules if num_found else 0.0
        points.append((fps, sensitivity))
    return points


def slow_interpolation(x: float, points: list[tuple[float, float]]) -> float:
    """From the last point not right of x, linearly to the next; flat behind the last point."""
    index = max(i for i, (fps, _) in enumerate(points) if fps <= x)
    if index == len(points) - 1:
        return points[index][1]
    (x0, y0), (x1, y1) = points[index], points[index + 1]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def random_study(seed: int, num_scans: int, num_levels: int, crowd: int) -> Study:
    """Findings and marks on a coarse grid, so that overlaps, borders and ties are common.

    Some rows belong to a scan that is not listed; ``crowd`` marks more go into one scan, over its limit of 100.
    """
    chance = random.Random(seed)
    listed = [f"scan{i}" for i in range(num_scans)]
    anywhere = [*listed, "not listed"]

    def point() -> tuple[float, float, float]:
        return tuple(chance.randint(-8, 8) / 2.0 for _ in range(3))  # type: ignore[return-value]

    def findings(most: int, diameters_mm: tuple[float, ...]) -> list[Finding]:
        count = chance.randint(0, most)
        return [Finding(chance.choice(anywhere), point(), chance.choice(diameters_mm)) for _ in range(count)]

    levels = [chance.random() for _ in range(num_levels)]
    scan_of_mark = [chance.choice(anywhere) for _ in range(chance.randint(0, 60))] + [chance.choice(listed)] * crowd
    chance.shuffle(scan_of_mark)
    marks = [Mark(uid, point(), chance.choice(levels)) for uid in scan_of_mark]
    return findings(8, (3.0, 4.0, 5.0, 6.5)), findings(8, (-1.0, 2.0, 4.0)), listed, marks


def assert_like_twin(result: FrocResult, study: Study) -> None:
    entries, best_of_nodule, ignored = slow_entries(study)
    points = slow_curve(entries, len(best_of_nodule), len(study[2]))
    for fps, sensitivity in result.operating_points.items():
        assert sensitivity == pytest.approx(slow_interpolation(fps, points), abs=1e-12)
    expected = [slow_interpolation(fps, points) for fps in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)]
    assert result.cpm == pytest.approx(sum(expected) / 7, abs=1e-12)
    assert [item.probability for item in result.detections] == best_of_nodule
    assert result.num_false_positives == sum(not is_nodule for is_nodule, _ in entries)
    assert result.ignored.marks_over_limit == ignored["over"]
    assert result.ignored.double_detections == ignored["double"]
    assert result.ignored.marks_on_excluded == ignored["excluded"]
    kept = set(zip(result.fps_per_scan.tolist(), result.sensitivity.tolist(), strict=True))
    assert kept <= set(points)
    assert {points[0], points[-1]} <= kept


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    num_scans=st.integers(1, 9),
    num_levels=st.sampled_from([1, 2, 3, 5, 10, 1000]),
    crowd=st.sampled_from([0, 0, 0, 90, 101, 120, 200]),
)
def test_equals_slow_twin(seed: int, num_scans: int, num_levels: int, crowd: int) -> None:
    study = random_study(seed, num_scans, num_levels, crowd)
    assert_like_twin(evaluate_froc(*study), study)


def test_random_studies_exercise_every_rule() -> None:
    """The comparison above is worth something only when the studies hold what the rules are about."""
    results = [evaluate_froc(*random_study(seed, 3, 5, (0, 150)[seed % 2])) for seed in range(20)]
    assert any(result.ignored.marks_over_limit for result in results)
    assert any(result.ignored.double_detections for result in results)
    assert any(result.ignored.marks_on_excluded for result in results)
    assert any(result.ignored.marks_in_unlisted_scans for result in results)
    assert any(0 < result.num_detected < result.num_nodules for result in results)
    assert any(0 < result.cpm < 1 for result in results)
