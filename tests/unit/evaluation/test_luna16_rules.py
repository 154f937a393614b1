"""LUNA16's hit rules on hand-drawn scans: one rule per test, all points on the x axis."""

from __future__ import annotations

import pytest

from fedlung.errors import WrongArgument
from fedlung.evaluation.luna16 import Matching, match_marks
from fedlung.evaluation.marks import Mark
from fedlung.imaging.annotations import Finding


def ball(x_mm: float, diameter_mm: float, uid: str = "a") -> Finding:
    return Finding(uid, (x_mm, 0.0, 0.0), diameter_mm)


def mark(x_mm: float, probability: float, uid: str = "a") -> Mark:
    return Mark(uid, (x_mm, 0.0, 0.0), probability)


def false_positives(matching: Matching) -> list[float]:
    entries = matching.entries
    return sorted(entries.probability[~entries.is_nodule].tolist())


def scores(matching: Matching) -> list[float | None]:
    return [item.probability for item in matching.detections]


def test_radius_is_strict() -> None:
    inside = match_marks([ball(0, 8)], [], ["a"], [mark(3.999, 0.5)])
    on_border = match_marks([ball(0, 8)], [], ["a"], [mark(4, 0.5)])
    assert (scores(inside), false_positives(inside)) == ([0.5], [])
    assert (scores(on_border), false_positives(on_border)) == ([None], [0.5])


def test_distance_is_euclidean_in_three_axes() -> None:
    nodule = Finding("a", (10.0, 20.0, 30.0), 6.0)
    # Offsets (1, 2, 2) and (1, 2, 2.1): lengths 3 and just above; the radius is 3 and strict.
    offsets = [(1.0, 2.0, 1.9), (1.0, 2.0, 2.0), (2.1, 2.0, 1.0)]
    marks = [Mark("a", (10 + dx, 20 - dy, 30 + dz), 0.1 * i) for i, (dx, dy, dz) in enumerate(offsets)]
    matching = match_marks([nodule], [], ["a"], marks)
    assert scores(matching) == [0.0]
    assert matching.detections[0].distance_mm == pytest.approx((1 + 4 + 1.9**2) ** 0.5)
    assert false_positives(matching) == [0.1, 0.2]


def test_unknown_diameter_is_ten_mm() -> None:
    matching = match_marks([], [ball(0, -1)], ["a"], [mark(4.9, 0.5), mark(5.0, 0.6)])
    assert matching.ignored.marks_on_excluded == 1
    assert false_positives(matching) == [0.6]


def test_highest_hit_counts_and_the_others_do_not_matter() -> None:
    matching = match_marks([ball(0, 10)], [], ["a"], [mark(0, 0.2), mark(2, 0.9), mark(1, 0.9), mark(4, 0.4)])
    assert scores(matching) == [0.9]
    assert matching.detections[0].distance_mm == 2.0  # the first in file order of the two best
    assert false_positives(matching) == []
    assert matching.ignored.double_detections == 3


def test_mark_in_two_nodules_finds_both() -> None:
    #     |---- 0 ----|
    #            |---- 4 ----|
    #            ^ 2
    matching = match_marks([ball(0, 10), ball(4, 10)], [], ["a"], [mark(2, 0.7)])
    assert scores(matching) == [0.7, 0.7]
    assert matching.entries.is_nodule.tolist() == [True, True]
    assert matching.ignored.double_detections == 0


def test_nodule_wins_over_excluded_finding() -> None:
    matching = match_marks([ball(0, 10)], [ball(4, 10)], ["a"], [mark(2, 0.7), mark(6, 0.3), mark(20, 0.1)])
    assert scores(matching) == [0.7]
    assert matching.ignored.marks_on_excluded == 1
    assert false_positives(matching) == [0.1]


def test_mark_in_two_excluded_findings_is_dropped_once() -> None:
    matching = match_marks([], [ball(0, 10), ball(4, 10)], ["a"], [mark(2, 0.7)])
    assert matching.ignored.marks_on_excluded == 1
    assert false_positives(matching) == []


def test_missed_nodule_counts_in_the_denominator_only() -> None:
    matching = match_marks([ball(0, 10), ball(50, 10)], [], ["a"], [mark(0, 0.7)])
    assert scores(matching) == [0.7, None]
    assert matching.detections[1].distance_mm is None
    assert matching.entries.probability.tolist() == [0.7]
    assert matching.entries.nodules_per_scan.tolist() == [2]


def test_marks_meet_findings_of_their_own_scan_only() -> None:
    matching = match_marks([ball(0, 10, "a")], [ball(0, 10, "c")], ["a", "b", "c"], [mark(0, 0.7, "b")])
    assert scores(matching) == [None]
    assert matching.entries.scan_index.tolist() == [1]
    assert matching.entries.nodules_per_scan.tolist() == [1, 0, 0]


def test_uids_are_text() -> None:
    matching = match_marks([ball(0, 10, "056")], [], ["056"], [mark(0, 0.7, "56")])
    assert scores(matching) == [None]
    assert matching.ignored.marks_in_unlisted_scans == 1


def test_scans_not_listed_are_ignored() -> None:
    matching = match_marks(
        [ball(0, 10, "a"), ball(0, 10, "x")], [ball(9, 2, "x")], ["a"], [mark(0, 0.7, "a"), mark(0, 0.9, "x")]
    )
    assert scores(matching) == [0.7]
    assert matching.ignored.marks_in_unlisted_scans == 1
    assert matching.ignored.nodules_in_unlisted_scans == 1
    assert false_positives(matching) == []


def test_hundred_marks_all_stay() -> None:
    matching = match_marks([], [], ["a"], [mark(float(i), 0.5) for i in range(100)])
    assert false_positives(matching) == [0.5] * 100


def test_above_hundred_only_what_exceeds_the_101st_stays() -> None:
    #  rank    1..99   100, 101, 102    103
    #  value  2+i/100        1           0     -> the tie at the cut goes entirely
    values = [0.0, 1.0, *(2 + i / 100 for i in range(99)), 1.0, 1.0]
    matching = match_marks([], [], ["a"], [mark(float(i), value) for i, value in enumerate(values)])
    assert false_positives(matching) == [2 + i / 100 for i in range(99)]
    assert matching.ignored.marks_over_limit == 4


def test_above_hundred_distinct_marks_the_best_hundred_stay() -> None:
    matching = match_marks([], [], ["a", "b"], [mark(0.0, float(i), "ab"[i % 2]) for i in range(240)])
    assert false_positives(matching) == [float(i) for i in range(40, 240)]


def test_above_hundred_equal_marks_none_stays() -> None:
    matching = match_marks([ball(0, 10)], [], ["a"], [mark(0, 0.5)] * 101)
    assert scores(matching) == [None]
    assert matching.ignored.marks_over_limit == 101


def test_cut_comes_before_the_hits() -> None:
    far_and_sure = [mark(100.0 + i, 0.5 + i / 1000) for i in range(101)]
    matching = match_marks([ball(0, 10)], [], ["a"], [mark(0, 0.4), *far_and_sure])
    assert scores(matching) == [None]


def test_detections_keep_the_order_of_scans_and_annotations() -> None:
    nodules = [ball(1, 2, "b"), ball(2, 2, "a"), ball(3, 2, "b")]
    matching = match_marks(nodules, [], ["a", "b"], [])
    assert [item.finding for item in matching.detections] == [nodules[1], nodules[0], nodules[2]]


@pytest.mark.parametrize("series_uids", [[], ["a", "b", "a"]])
def test_scans_must_be_there_and_distinct(series_uids: list[str]) -> None:
    with pytest.raises(WrongArgument, match="series_uids must name one scan or more"):
        match_marks([], [], series_uids, [])
