"""What may not enter the global model, each with the sentence that a person reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedlung.errors import RefusedUpdate
from fedlung.federation.updates import ClientUpdate
from fedlung.federation.validation import UpdateLimits, check_update, refusal_or_none
from tests.least_squares import an_instruction, an_update

LIMITS = UpdateLimits(declared={"hospital_a": 12})


def with_w(value: Any) -> ClientUpdate:
    return an_update(w=value, b=np.zeros(()))


NOT_BELIEVED = {
    "nan": (with_w(np.array([0, 0, np.nan, 0, 0.0])), "delta of w holds NaN or infinite values"),
    "infinite": (with_w(np.array([0, 0, -np.inf, 0, 0.0])), "delta of w holds NaN or infinite values"),
    "huge": (with_w(np.full(5, 1e3)), "delta of w changes a weight by 1e+03; at most 100 is plausible"),
    "shape": (with_w(np.zeros((5, 1))), "delta of w must have shape (5,), got (5, 1)"),
    "broadcastable": (with_w(np.zeros(())), "delta of w must have shape (5,), got ()"),
    "half precision": (with_w(np.zeros(5, np.float16)), "delta of w must be a float32 or float64 array, got float16"),
    "complex": (with_w(np.zeros(5, complex)), "delta of w must be a float32 or float64 array, got complex128"),
    "objects": (with_w(np.zeros(5, object)), "delta of w must be a float32 or float64 array, got object"),
    "foreign byte order": (with_w(np.zeros(5, ">f4")), "delta of w must be a float32 or float64 array, got >f4"),
    "list": (with_w([0.0] * 5), "delta of w must be a float32 or float64 array, got list"),
    "masked": (with_w(np.ma.zeros(5)), "delta of w must be a float32 or float64 array, got MaskedArray"),
    "missing array": (an_update(w=np.zeros(5)), "delta lacks array b"),
    "extra array": (
        an_update(w=np.zeros(5), b=np.zeros(()), c=np.zeros(1)),
        "delta has an unknown array c",
    ),
    "no mapping": (
        ClientUpdate("hospital_a", 1, [np.zeros(5)], 10),  # type: ignore[arg-type]
        "delta must map names to arrays, got list",
    ),
    "metrics": (replace(an_update(), metrics=None), "metrics must map names to numbers, got NoneType"),  # type: ignore[arg-type]
    "late": (an_update(round_=1), "late answer: it belongs to round 1, and this is round 2"),
    "early": (an_update(round_=3), "late answer: it belongs to round 3, and this is round 2"),
}
COUNTS = {
    "none": (0, "num_examples must be in 1..12, got 0"),
    "negative": (-1, "num_examples must be in 1..12, got -1"),
    "above declared": (13, "num_examples must be in 1..12, got 13"),
    "astronomic": (10**12, "num_examples must be in 1..12, got 1000000000000"),
    "fraction": (1.5, "num_examples must be a whole number, got 1.5"),
    "nan": (float("nan"), "num_examples must be a whole number, got nan"),
    "text": ("12", "num_examples must be a whole number, got '12'"),
    "truth": (True, "num_examples must be a whole number, got True"),
}


@pytest.mark.parametrize(("update", "reason"), NOT_BELIEVED.values(), ids=NOT_BELIEVED.keys())
def test_implausible_update_is_refused_in_words(update: ClientUpdate, reason: str) -> None:
    round_ = 2 if "late" in reason else 1
    with pytest.raises(RefusedUpdate) as caught:
        check_update(update, an_instruction(round_), LIMITS)
    assert str(caught.value) == reason


@pytest.mark.parametrize(("count", "reason"), COUNTS.values(), ids=COUNTS.keys())
def test_implausible_count_is_refused_in_words(count: Any, reason: str) -> None:
    assert refusal_or_none(an_update(num_examples=count), an_instruction(), LIMITS) == reason


@pytest.mark.parametrize("count", [1, 12, np.int64(7)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plausible_update_passes(count: Any, dtype: type) -> None:
    update = an_update(num_examples=count, w=np.full(5, 99.9, dtype), b=np.zeros((), dtype))
    check_update(update, an_instruction(), LIMITS)


def test_an_undeclared_count_has_the_general_limit() -> None:
    limits = UpdateLimits(max_examples=50)
    assert refusal_or_none(an_update(num_examples=50), an_instruction(), limits) is None
    reason = refusal_or_none(an_update(num_examples=51), an_instruction(), limits)
    assert reason == "num_examples must be in 1..50, got 51"


def test_norm_is_checked_where_a_limit_is_set() -> None:
    update = an_update(w=np.array([3.0, 4.0, 0, 0, 0]), b=np.zeros(()))
    assert refusal_or_none(update, an_instruction(), UpdateLimits(max_norm=5.0)) is None
    reason = refusal_or_none(update, an_instruction(), UpdateLimits(max_norm=4.9))
    assert reason == "delta has norm 5; at most 4.9 is plausible"
