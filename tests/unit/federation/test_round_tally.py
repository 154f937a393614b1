"""The book of a round: means weighted by scans, and everybody's reason when the quorum fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedlung.errors import QuorumNotReached
from fedlung.federation.round_tally import RoundTally, finite_numbers
from tests.least_squares import an_update


def test_summary_is_weighted_by_scans_and_sorted_by_name() -> None:
    tally = RoundTally()
    tally.accept(replace(an_update("b", 3), metrics={"loss": 1.0, "dice": 0.5}), 2.0)
    tally.accept(replace(an_update("a", 1), metrics={"loss": 5.0}), 1.0)
    tally.drop("c", "no answer within 1 s")
    summary = tally.summary()
    assert summary["num_examples"] == 4
    assert summary["metrics"] == {"loss": (3 * 1.0 + 1 * 5.0) / 4, "dice": 0.5}  # Dice: of those who have one
    assert [result.hospital for result in summary["hospitals"]] == ["a", "b"]
    assert summary["dropped"] == {"c": "no answer within 1 s"}


def test_numbers_that_are_none_are_left_out() -> None:
    metrics = {"loss": np.float32(0.5), "count": 3, "dice": float("nan"), "worst": -np.inf, "note": "fine", "x": None}
    assert finite_numbers(metrics) == {"loss": 0.5, "count": 3.0}


def test_quorum_is_met_or_explained() -> None:
    tally = RoundTally()
    tally.accept(an_update("a"), 1.0)
    tally.drop("c", "it is tired")
    tally.drop("b", "it is late")
    tally.require(1, 7)
    with pytest.raises(QuorumNotReached) as caught:
        tally.require(2, 7)
    assert str(caught.value) == (
        "round 7: 1 of 3 hospitals answered, 2 are needed; the model is that of round 6; "
        "left out: b (it is late), c (it is tired)"
    )
