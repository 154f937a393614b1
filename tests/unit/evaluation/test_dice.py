"""Dice overlap of drawn masks."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.evaluation.dice import dice


def drawn(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_half_of_each_overlaps() -> None:
    first = drawn("##..", "##..")
    second = drawn(".##.", ".##.")
    assert dice(first, second) == 2 * 2 / (4 + 4)


def test_sizes_may_differ() -> None:
    assert dice(drawn("####"), drawn("#...")) == 2 * 1 / (4 + 1)


def test_equal_and_disjoint() -> None:
    mask = drawn("#.#")
    assert dice(mask, mask) == 1.0
    assert dice(mask, ~mask) == 0.0


def test_empty_masks_agree() -> None:
    empty = drawn("...")
    assert dice(empty, empty) == 1.0
    assert dice(empty, drawn("#..")) == 0.0


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (np.zeros((2, 1), dtype=bool), r"one shape, got \(1, 2\) and \(2, 1\)"),
        (np.zeros(2, dtype=bool), "one shape"),
        (np.array([[0.2, 0.7]]), "boolean, got bool and float64"),
    ],
)
def test_other_shape_or_type_is_refused(second: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dice(np.zeros((1, 2), dtype=bool), second)
