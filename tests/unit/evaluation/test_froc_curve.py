"""The FROC curve and its seven operating points on studies small enough to draw."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fedlung.evaluation.curve import FrocResult
from fedlung.evaluation.froc import evaluate_froc
from fedlung.evaluation.marks import Mark
from fedlung.imaging.annotations import Finding

FAR_MM = 500.0


def study(num_scans: int, found: list[float], num_missed: int, false: list[float]) -> FrocResult:
    """Nodules with marks of the probabilities ``found``, missed nodules, and false positives, all in one scan."""
    centers = [100.0 * i for i in range(len(found) + num_missed)]
    nodules = [Finding("scan0", (x, 0.0, 0.0), 10.0) for x in centers]
    hits = [Mark("scan0", (x, 0.0, 0.0), p) for x, p in zip(centers, found, strict=False)]
    misses = [Mark("scan0", (0.0, FAR_MM, 0.0), p) for p in false]
    return evaluate_froc(nodules, [], [f"scan{i}" for i in range(num_scans)], hits + misses)


def points(result: FrocResult) -> list[float]:
    return list(result.operating_points.values())


def test_drawn_curve() -> None:
    # 4 nodules (1 missed), 2 scans; probabilities   .9 hit   .8 false   .7 hit   .6 hit   .5 false
    result = study(2, found=[0.9, 0.7, 0.6], num_missed=1, false=[0.8, 0.5])
    #  3/4 |     .6---.5
    #  2/4 |     |          (.7 lies inside the jump and is left out)
    #  1/4 .9----.8
    #    0 +-----+-----+    x: false positives per scan
    #      0    1/2    1
    assert result.fps_per_scan.tolist() == [0.0, 0.0, 0.5, 0.5, 1.0]
    assert result.sensitivity.tolist() == pytest.approx([0.0, 1 / 4, 1 / 4, 3 / 4, 3 / 4])
    assert result.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.6, 0.5]
    #                                 1/8  1/4  1/2 (top of the jump)  1  and flat behind the end
    assert points(result) == pytest.approx([1 / 4, 1 / 4, 3 / 4, 3 / 4, 3 / 4, 3 / 4, 3 / 4])
    assert result.cpm == pytest.approx((2 * (1 / 4) + 5 * (3 / 4)) / 7)
    assert (result.num_scans, result.num_nodules, result.num_detected) == (2, 4, 3)
    assert result.num_false_positives == 2


def test_ties_of_hits_and_false_marks_make_one_slanted_step() -> None:
    # Everything has one probability: a straight line from (0, 0) to (4 false, both nodules) in one scan.
    result = study(1, found=[0.5, 0.5], num_missed=0, false=[0.5] * 4)
    assert result.fps_per_scan.tolist() == [0.0, 4.0]
    assert points(result) == pytest.approx([fps / 4 for fps in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)] + [1.0])


def test_points_inside_a_straight_piece_are_left_out() -> None:
    result = study(1, found=[0.9], num_missed=0, false=[0.8, 0.7, 0.6, 0.5, 0.4])
    assert result.fps_per_scan.tolist() == [0.0, 0.0, 5.0]
    assert result.thresholds.tolist() == [np.inf, 0.9, 0.4]


def test_short_list_of_marks_reads_its_last_sensitivity() -> None:
    """Flat beyond the last point, as the official program draws it; other programs give 0 or the nearest point."""
    result = study(4, found=[0.9], num_missed=1, false=[0.8])
    assert result.fps_per_scan[-1] == 1 / 4
    assert points(result) == [1 / 2] * 7


@pytest.mark.parametrize(("num_false", "jump_at", "is_right"), [(5, 3, False), (49, 1, False), (25, 7, True)])
def test_jump_on_an_operating_point_is_read_as_the_official_arithmetic_rounds(
    num_false: int, jump_at: int, is_right: bool
) -> None:
    """8 k scans: 1/8 is the rate of k false positives. There, the second of two nodules is found.

    The official program takes k of n false positives as (k / n) n / scans. An ulp above 1/8 that puts the jump
    to the right of the operating point, otherwise on it or to its left.
    """
    false = [0.5 - i / 1000 for i in range(num_false)]
    result = study(8 * jump_at, found=[0.9, 0.5 - (jump_at - 0.5) / 1000], num_missed=0, false=false)
    assert (jump_at / num_false * num_false / (8 * jump_at) > 1 / 8) == is_right
    assert result.operating_points[0.125] == pytest.approx(1 / 2 if is_right else 1.0)


def test_no_false_positive_reads_the_final_sensitivity_everywhere() -> None:
    result = study(3, found=[0.9, 0.2], num_missed=1, false=[])
    assert result.fps_per_scan.tolist() == [0.0] * len(result.fps_per_scan)
    assert points(result) == pytest.approx([2 / 3] * 7)


def test_nothing_found_is_zero_not_nan() -> None:
    result = study(3, found=[], num_missed=2, false=[0.3, 0.2])
    assert points(result) == [0.0] * 7
    assert result.cpm == 0.0
    assert result.fps_per_scan[-1] == pytest.approx(2 / 3)


@pytest.mark.parametrize("num_missed", [0, 2])
def test_no_mark_at_all(num_missed: int) -> None:
    result = study(3, found=[], num_missed=num_missed, false=[])
    assert points(result) == [0.0] * 7
    assert (result.fps_per_scan.tolist(), result.thresholds.tolist()) == ([0.0], [np.inf])
    assert (result.num_nodules, result.num_detected) == (num_missed, 0)


def test_scans_without_marks_dilute_the_false_positives() -> None:
    few, many = study(1, [0.9], 0, [0.95, 0.1]), study(4, [0.9], 0, [0.95, 0.1])
    assert (few.fps_per_scan / 4).tolist() == many.fps_per_scan.tolist()
    assert few.operating_points[0.5] == 0.0
    assert many.operating_points[0.5] == 1.0


def test_json_holds_the_result_without_infinities() -> None:
    result = study(2, found=[0.9], num_missed=1, false=[0.8])
    content = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert list(content["operating_points"]) == ["0.125", "0.25", "0.5", "1", "2", "4", "8"]
    assert list(content["operating_points"].values()) == points(result)
    assert content["cpm"] == result.cpm
    assert content["curve"]["thresholds"] == [None, *result.thresholds[1:].tolist()]
    assert content["curve"]["fps_per_scan"] == result.fps_per_scan.tolist()
    assert [nodule["probability"] for nodule in content["nodules"]] == [0.9, None]
    assert content["nodules"][0]["distance_mm"] == 0.0
    assert content["ignored"]["marks_over_limit"] == 0
