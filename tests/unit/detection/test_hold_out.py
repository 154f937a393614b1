"""Which scans are kept for judging: by their UIDs alone, and never all or none of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, cast

import pytest

from fedlung.detection.hold_out import hold_out
from fedlung.detection.training_scan import TrainingScan


@dataclass(frozen=True)
class Prepared:
    series_uid: str


@dataclass(frozen=True)
class Item:
    """As much of a training scan as the choice may look at."""

    scan: Prepared
    whole: bool = True
    findings: tuple[str, ...] = ()


def scans(count: int, *, whole: bool = True, nodules: int = 0, first: int = 0) -> list[TrainingScan]:
    names = [f"1.2.{number}" for number in range(first, first + count)]
    return cast(list[TrainingScan], [Item(Prepared(name), whole, ("nodule",) * nodules) for name in names])


def uids(items: list[TrainingScan]) -> list[str]:
    return [item.scan.series_uid for item in items]


@pytest.mark.parametrize(
    ("count", "share", "held"),
    [
        (10, 0.2, 2),
        (10, 0.0, 0),
        (8, 0.2, 2),  # 1.6
        (3, 0.1, 1),  # at least one
        (2, 0.5, 1),
        (1, 0.5, 0),  # one has to be trained on
        (0, 0.5, 0),
    ],
)
def test_number_of_held_out_scans(count: int, share: float, held: int) -> None:
    trained, judged = hold_out(scans(count), share)
    assert (len(trained), len(judged)) == (count - held, held)


def test_both_parts_keep_the_order_and_share_nothing() -> None:
    given = scans(20)
    trained, judged = hold_out(given, 0.3)
    assert sorted([*trained, *judged], key=given.index) == given
    assert trained == sorted(trained, key=given.index)
    assert judged == sorted(judged, key=given.index)


def test_choice_follows_from_the_uids_alone_and_grows_with_the_share() -> None:
    given = scans(30)
    mixed: list[Any] = list(given)
    random.Random(1).shuffle(mixed)
    few, some = set(uids(hold_out(given, 0.2)[1])), set(uids(hold_out(given, 0.4)[1]))
    assert few == set(uids(hold_out(mixed, 0.2)[1]))
    assert few < some


def test_pieces_of_scans_are_never_held_out() -> None:
    pieces = scans(10, whole=False)
    trained, judged = hold_out([*pieces, *scans(2)], 0.5)
    assert trained[:10] == pieces
    assert len(judged) == 1
    assert hold_out(pieces, 0.5) == (pieces, [])


@pytest.mark.parametrize(
    ("with_nodules", "without", "share", "held"),
    [
        (10, 10, 0.2, (2, 2)),
        (4, 20, 0.1, (1, 2)),  # of those with nodules at least one: sensitivity needs it
        (2, 1, 0.1, (1, 0)),
        (1, 4, 0.1, (0, 1)),  # the only one with nodules is trained on
        (1, 1, 0.5, (0, 1)),
        (2, 0, 0.5, (1, 0)),
        (1, 0, 0.5, (0, 0)),
        (3, 3, 0.0, (0, 0)),
    ],
)
def test_scans_with_nodules_are_shared_out_separately(
    with_nodules: int, without: int, share: float, held: tuple[int, int]
) -> None:
    _, judged = hold_out([*scans(without), *scans(with_nodules, nodules=2, first=100)], share)
    assert (sum(bool(item.findings) for item in judged), sum(not item.findings for item in judged)) == held
