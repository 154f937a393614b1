"""The mean of a round: exact enough, the same in every order, and as small for a thousand updates as for two."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlung.errors import RefusedUpdate
from fedlung.federation import combining
from fedlung.federation.combining import WeightedMean, weighted_mean
from fedlung.federation.updates import ClientUpdate
from tests.least_squares import an_update

numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
updates = st.lists(st.tuples(st.integers(1, 10_000), st.lists(numbers, min_size=3, max_size=3)), min_size=2, max_size=6)


def an_array_update(num_examples: int, values: Sequence[float], dtype: type = np.float32) -> ClientUpdate:
    return an_update(num_examples=num_examples, w=np.array(values, dtype))


def slow_mean(given_updates: Sequence[ClientUpdate]) -> list[Fraction]:
    """The mean in rational numbers, element by element."""
    total = sum(update.num_examples for update in given_updates)
    columns = zip(*(update.delta["w"].tolist() for update in given_updates), strict=True)
    counts = [update.num_examples for update in given_updates]
    return [
        sum((n * Fraction(x) for n, x in zip(counts, column, strict=True)), Fraction()) / total for column in columns
    ]


def test_mean_is_weighted_by_scans() -> None:
    mean = weighted_mean([an_array_update(1, [0.0, 8.0]), an_array_update(3, [4.0, 0.0])])
    np.testing.assert_array_equal(mean["w"], [3.0, 2.0])


@given(updates)
def test_mean_agrees_with_rational_numbers(raw: list[tuple[int, list[float]]]) -> None:
    given_updates = [an_array_update(*item) for item in raw]
    mean = weighted_mean(given_updates)["w"]
    # What may be lost of an update: 2**-40 of its largest num_examples * |delta|; and one rounding to float64.
    tops = [update.num_examples * float(np.abs(update.delta["w"]).max()) for update in given_updates]
    total = sum(update.num_examples for update in given_updates)
    bound = sum(tops) * 2.0**-40 / total
    for value, exact in zip(mean.tolist(), slow_mean(given_updates), strict=True):
        assert abs(Fraction(value) - exact) <= Fraction(bound) + abs(exact) * Fraction(2) ** -50 + Fraction(2) ** -160


@given(updates, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_no_bit(raw: list[tuple[int, list[float]]], random: object) -> None:
    given_updates = [an_array_update(*item) for item in raw]
    shuffled = list(given_updates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert weighted_mean(shuffled)["w"].tobytes() == weighted_mean(given_updates)["w"].tobytes()


def test_a_float_sum_would_depend_on_the_order() -> None:
    """The property above is not there by luck: the plain sum lacks it on such numbers."""
    random = np.random.default_rng(0)
    products = [random.integers(1, 300) * random.normal(size=1000) for _ in range(10)]
    assert sum(products).tobytes() != sum(reversed(products)).tobytes()


def test_order_does_not_matter_for_arrays_larger_than_a_block() -> None:
    random = np.random.default_rng(1)
    size = 2 * combining.BLOCK + 17
    many = [an_array_update(int(random.integers(1, 300)), random.normal(size=size)) for _ in range(7)]
    forward, backward = weighted_mean(many)["w"], weighted_mean(reversed(many))["w"]
    assert forward.tobytes() == backward.tobytes()
    plain = np.average([update.delta["w"] for update in many], axis=0, weights=[update.num_examples for update in many])
    np.testing.assert_allclose(forward, plain, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_of_one_is_that_one(dtype: type) -> None:
    values = np.random.default_rng(2).normal(size=1000) * 10.0 ** np.arange(-30, 20, 0.05)[:1000]
    mean = weighted_mean([an_array_update(37, values.tolist(), dtype)])["w"]
    np.testing.assert_array_equal(mean, values.astype(dtype))


def test_updates_are_not_changed() -> None:
    given_updates = [an_array_update(2, [1.0, 2.0, 3.0]), an_array_update(5, [-1.0, 0.0, 1e-20])]
    before = [update.delta["w"].copy() for update in given_updates]
    weighted_mean(given_updates)
    for update, values in zip(given_updates, before, strict=True):
        np.testing.assert_array_equal(update.delta["w"], values)


def test_scalars_empty_arrays_and_strides_are_arrays_too() -> None:
    wide = np.arange(12.0).reshape(3, 4)
    first = an_update(num_examples=1, scalar=np.array(2.0), none=np.zeros((0, 3)), slanted=wide.T)
    second = an_update(num_examples=1, scalar=np.array(4.0), none=np.zeros((0, 3)), slanted=wide.T + 2)
    mean = weighted_mean([first, second])
    assert float(mean["scalar"]) == 3.0
    assert mean["none"].shape == (0, 3)
    np.testing.assert_array_equal(mean["slanted"], wide.T + 1)


def test_memory_does_not_grow_with_the_updates() -> None:
    size = 200_000
    update_bytes = np.zeros(size, np.float32).nbytes

    def stream(count: int) -> Iterator[ClientUpdate]:
        random = np.random.default_rng(3)
        for _ in range(count):
            yield an_update(num_examples=3, w=random.random(size, np.float32))

    def peak(count: int) -> int:
        tracemalloc.start()
        weighted_mean(stream(count))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few, many = peak(3), peak(100)
    assert abs(many - few) < update_bytes / 10
    assert many < 10 * update_bytes


BAD = {
    "nan": an_array_update(1, [1.0, np.nan]),
    "infinite": an_array_update(1, [1.0, -np.inf]),
    "no examples": an_array_update(0, [1.0, 1.0]),
    "negative examples": an_array_update(-3, [1.0, 1.0]),
    "other shape": an_array_update(1, [1.0, 1.0, 1.0]),
    "other name": an_update(num_examples=1, v=np.ones(2)),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_refused_update_leaves_the_mean_as_it_was(bad: ClientUpdate) -> None:
    mean = WeightedMean()
    mean.add(an_array_update(1, [2.0, 4.0]))
    mean.add(an_array_update(1, [4.0, 8.0]))
    with pytest.raises(RefusedUpdate, match="hospital_a"):
        mean.add(bad)
    np.testing.assert_array_equal(mean.result()["w"], [3.0, 6.0])


def test_a_mean_of_nothing_is_refused() -> None:
    with pytest.raises(RefusedUpdate, match="at least one update"):
        weighted_mean([])
