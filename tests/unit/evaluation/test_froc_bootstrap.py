"""Bootstrap intervals against studies in which the drawn scans are really copied."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.errors import WrongArgument
from fedlung.evaluation.bootstrap import BootstrapInterval, Interval, bootstrap_froc
from fedlung.evaluation.curve import FrocResult
from fedlung.evaluation.froc import evaluate_froc
from fedlung.evaluation.marks import Mark
from fedlung.imaging.annotations import Finding

CENTER = (0.0, 0.0, 0.0)
AWAY = (0.0, 50.0, 0.0)
NUM_SCANS = 7


def scan_content(scan: int, uid: str) -> tuple[list[Finding], list[Mark]]:
    """Scan number ``scan`` of the study under the name ``uid``: 0 to 2 nodules, one of them missed, ties."""
    nodules = [Finding(uid, CENTER, 6.0), Finding(uid, (30.0, 0.0, 0.0), 6.0)][: scan % 3]
    marks = [Mark(uid, CENTER, (scan % 4) / 4)] + [Mark(uid, AWAY, (scan * j % 5) / 4) for j in range(scan)]
    return nodules, marks


def study(scans: list[int]) -> FrocResult:
    nodules: list[Finding] = []
    marks: list[Mark] = []
    uids = [f"copy{i}" for i in range(len(scans))]
    for uid, scan in zip(uids, scans, strict=True):
        more_nodules, more_marks = scan_content(scan, uid)
        nodules += more_nodules
        marks += more_marks
    return evaluate_froc(nodules, [], uids, marks)


def numbers(interval: BootstrapInterval) -> list[tuple[float, float, float]]:
    return [(item.lower, item.upper, item.mean) for item in (*interval.operating_points.values(), interval.cpm)]


def test_equals_evaluating_copied_scans() -> None:
    num_samples = 80
    generator = np.random.default_rng(3)
    drawn = [generator.integers(NUM_SCANS, size=NUM_SCANS).tolist() for _ in range(num_samples)]
    assert all(any(scan % 3 for scan in scans) for scans in drawn)  # no resample without nodules here
    copies = [study(scans) for scans in drawn]
    table = np.array([[*copy.operating_points.values(), copy.cpm] for copy in copies])
    ordered = np.sort(table, axis=0)
    expected = np.stack([ordered[2], ordered[78], table.mean(axis=0)], axis=1)  # floor(.025 n), floor(.975 n)

    interval = bootstrap_froc(study(list(range(NUM_SCANS))), num_samples, seed=3)
    np.testing.assert_allclose(numbers(interval), expected, atol=1e-12)

    fps = interval.band_fps_per_scan
    bands = np.sort([np.interp(fps, copy.fps_per_scan, copy.sensitivity) for copy in copies], axis=0)
    np.testing.assert_allclose(interval.band_lower, bands[2], atol=1e-6)
    np.testing.assert_allclose(interval.band_upper, bands[78], atol=1e-6)
    np.testing.assert_allclose(interval.band_mean, bands.mean(axis=0), atol=1e-6)


def test_seed_decides() -> None:
    result = study(list(range(NUM_SCANS)))
    assert numbers(bootstrap_froc(result, 50, seed=1)) == numbers(bootstrap_froc(result, 50, seed=1))
    assert numbers(bootstrap_froc(result, 50, seed=1)) != numbers(bootstrap_froc(result, 50, seed=2))


def test_equal_scans_leave_nothing_to_chance() -> None:
    result = study([5] * 4)
    interval = bootstrap_froc(result, 30)
    for fps, value in result.operating_points.items():
        assert vars(interval.operating_points[fps]) == pytest.approx({"lower": value, "upper": value, "mean": value})


def test_resample_without_nodules_is_drawn_again() -> None:
    # One nodule, found, in one of four scans: a resample has no nodule with probability (3/4)^4 = 0.32.
    uids = ["a", "b", "c", "d"]
    result = evaluate_froc([Finding("a", CENTER, 6.0)], [], uids, [Mark("a", CENTER, 0.9)])
    assert bootstrap_froc(result, 100).cpm == Interval(1.0, 1.0, 1.0)


def test_resample_without_marks_is_zero() -> None:
    # Nodules in two scans, one found: the resample "b, b" has no mark, which one in four draws.
    result = evaluate_froc(
        [Finding("a", CENTER, 6.0), Finding("b", CENTER, 6.0)], [], ["a", "b"], [Mark("a", CENTER, 0.9)]
    )
    interval = bootstrap_froc(result, 400).cpm
    assert (interval.lower, interval.upper) == (0.0, 1.0)
    assert interval.mean == pytest.approx(0.5, abs=5 * np.sqrt(1 / 8 / 400))


@pytest.mark.parametrize("nodules", [[], [Finding("a", AWAY, 6.0)]])
def test_nothing_found_gives_zero(nodules: list[Finding]) -> None:
    interval = bootstrap_froc(evaluate_froc(nodules, [], ["a", "b"], [Mark("a", CENTER, 0.5)]), 10)
    assert interval.cpm == Interval(0.0, 0.0, 0.0)
    assert not interval.band_upper.any()


def test_smallest_number_of_samples() -> None:
    result = study(list(range(NUM_SCANS)))
    assert bootstrap_froc(result, 1).cpm.lower == bootstrap_froc(result, 1).cpm.upper
    with pytest.raises(WrongArgument, match="num_samples must be 1 or more, got 0"):
        bootstrap_froc(result, 0)


def test_json_holds_every_interval() -> None:
    interval = bootstrap_froc(study(list(range(NUM_SCANS))), 20)
    content = interval.to_json()
    assert content["num_samples"] == 20
    assert content["cpm"] == vars(interval.cpm)
    assert content["operating_points"]["0.5"] == vars(interval.operating_points[0.5])
