"""Weights are values: the arithmetic returns new arrays and leaves its arguments alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fedlung.federation.weights import (
    add,
    all_finite,
    delta_between,
    largest,
    moved,
    norm,
    read_only,
    scale,
    subtract,
    zeros_like,
)

LEFT = {"w": np.array([[1.0, -2.0], [3.0, 0.5]]), "b": np.array(4.0)}
RIGHT = {"w": np.array([[0.5, 2.0], [-1.0, 0.5]]), "b": np.array(-1.0)}

single = st.floats(-1e3, 1e3, width=32)
pairs = st.tuples(arrays.arrays(np.float32, 40, elements=single), arrays.arrays(np.float32, 40, elements=single))


def test_verbs_work_array_by_array() -> None:
    np.testing.assert_array_equal(add(LEFT, RIGHT)["w"], [[1.5, 0.0], [2.0, 1.0]])
    np.testing.assert_array_equal(subtract(LEFT, RIGHT)["w"], [[0.5, -4.0], [4.0, 0.0]])
    assert float(scale(LEFT, 3.0)["b"]) == 12.0
    assert float(zeros_like(LEFT)["b"]) == 0.0
    assert norm({"w": np.array([[3.0]]), "b": np.array(4.0, np.float32)}) == 5.0


def test_norm_is_summed_in_float64() -> None:
    # In float32 the squares would be infinite.
    assert norm({"w": np.full(9, 1e30, np.float32)}) == pytest.approx(3 * float(np.float32(1e30)), rel=1e-12)


@pytest.mark.parametrize(("value", "finite"), [(1.0, True), (np.nan, False), (np.inf, False), (-np.inf, False)])
def test_all_finite_sees_one_bad_value(value: float, finite: bool) -> None:
    assert all_finite({"w": np.array([0.0, value]), "b": np.zeros(())}) is finite


def test_largest_is_an_absolute_value() -> None:
    assert largest(np.array([1.0, -3.0, 2.0])) == 3.0
    assert largest(np.zeros((0, 4))) == 0.0


@given(pairs)
def test_global_moved_by_delta_is_local_bit_for_bit(pair: tuple[np.ndarray, np.ndarray]) -> None:
    local, start = ({"w": array} for array in pair)
    # Below 2**-29 of the start, a float64 difference cannot hold the last bits of a float32 weight.
    local = {"w": np.where(np.abs(local["w"]) < np.abs(start["w"]) * 2**-28, 0, local["w"]).astype(np.float32)}
    back = moved(start, delta_between(local, start))
    assert back["w"].dtype == np.float32
    np.testing.assert_array_equal(back["w"], local["w"])


def test_nothing_is_changed_in_place() -> None:
    before = {name: array.copy() for name, array in LEFT.items()}
    for verb in (add, subtract, delta_between, moved):
        verb(LEFT, RIGHT)
    scale(LEFT, 2.0)
    for name in LEFT:
        np.testing.assert_array_equal(LEFT[name], before[name])


def test_read_only_refuses_writers_and_leaves_the_owner_free() -> None:
    own = {"w": np.zeros(3)}
    shared = read_only(own)
    with pytest.raises(ValueError, match="read-only"):
        shared["w"][0] = 1.0
    own["w"][0] = 2.0
    assert shared["w"][0] == 2.0
