"""Combining the updates of a round into one mean delta, as a stream.

Hospitals answer in any order, yet a resumed run has to end with the weights of an undisturbed one, bit for bit.
Floating-point addition is not associative, so a running float sum depends on the order. Sorting the updates would
mean keeping them. `WeightedMean` therefore sums integers, and integer addition is associative: whatever the order,
the sum is the same, and memory does not grow with the number of updates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from fedlung.errors import FedLungError, RefusedUpdate
from fedlung.federation.updates import ClientUpdate
from fedlung.federation.weights import Array, Weights, largest

TERM_BITS = 48
"""Bits of one term: |num_examples * delta| in units is at most 2**48."""
MOST_UPDATES = 2 ** (62 - TERM_BITS)
"""So many terms surely fit into 63 bits."""
LEVEL_BITS = 8
LOWEST_LEVEL = -128
BLOCK = 32_768
"""Elements handled at once: a block of terms stays in the cache between multiplication and addition."""

Sums = npt.NDArray[np.int64]


class WeightedMean:
    """Mean of the deltas, weighted by ``num_examples``; the order of `add` does not change a bit of `result`.

    Each array of each update is written as integers in units of ``2 ** (level - 48)``; ``level`` is the exponent of
    its largest ``num_examples * |delta|``, rounded up to a multiple of 8. Integers of one level are added exactly,
    and the few levels (mostly one or two) are added at the end from the highest down. What is lost is below
    ``2**-40`` of the array's largest value in each update: 16 bits finer than float32.

    The mean of a single update is that update, bit for bit.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[int, Sums]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._block = np.empty(BLOCK, np.int64)
        self._only: Weights | None = None
        self._updates = 0
        self._num_examples = 0

    def add(self, update: ClientUpdate) -> None:
        """Add one update; it is not changed, and not kept once a second one comes.

        Raises:
            RefusedUpdate: a NaN or infinite value, ``num_examples`` not positive, or arrays of other names or
                shapes than those of the first update; the mean stays as it was.
        """
        levels = self._levels(update)
        if self._updates == MOST_UPDATES:
            raise FedLungError(f"more than {MOST_UPDATES} updates in one mean cannot be added exactly")
        self._shapes = {name: delta.shape for name, delta in update.delta.items()}
        self._only = update.delta if self._updates == 0 else None
        self._updates += 1
        self._num_examples += int(update.num_examples)
        for name, delta in update.delta.items():
            sums = self._sums_of(name, levels[name], delta.size)
            self._accumulate(sums, delta.reshape(-1), update.num_examples * 2.0 ** (TERM_BITS - levels[name]))

    def result(self) -> dict[str, Array]:
        """Mean delta in float64 (in the update's own precision where there was only one).

        Raises:
            RefusedUpdate: no update was added.
        """
        if not self._updates:
            raise RefusedUpdate("a mean needs at least one update, got none")
        if self._only is not None:
            return dict(self._only)
        return {name: self._mean(levels).reshape(self._shapes[name]) for name, levels in self._sums.items()}

    def _levels(self, update: ClientUpdate) -> dict[str, int]:
        who = update.client_id
        if self._updates and {name: delta.shape for name, delta in update.delta.items()} != self._shapes:
            raise RefusedUpdate(f"{who}: delta has other arrays or shapes than the updates before it")
        if update.num_examples <= 0:
            raise RefusedUpdate(f"{who}: num_examples must be positive, got {update.num_examples}")
        tops = {name: largest(delta) * update.num_examples for name, delta in update.delta.items()}
        bad = next((name for name, top in tops.items() if not math.isfinite(top)), None)
        if bad is not None:
            raise RefusedUpdate(f"{who}: delta of {bad} holds NaN or infinite values")
        return {name: _level(top) for name, top in tops.items()}

    def _sums_of(self, name: str, level: int, size: int) -> Sums:
        levels = self._sums.setdefault(name, {})
        if level not in levels:
            levels[level] = np.zeros(size, np.int64)
        return levels[level]

    def _accumulate(self, sums: Sums, delta: Array, factor: float) -> None:
        for start in range(0, delta.size, BLOCK):
            part = delta[start : start + BLOCK]
            terms = self._block[: part.size]
            # The product is made in float64 (exact for a float32 delta) and cut to whole units.
            np.multiply(part, factor, out=terms, dtype=np.float64, casting="unsafe")
            np.add(sums[start : start + BLOCK], terms, out=sums[start : start + BLOCK])

    def _mean(self, levels: dict[int, Sums]) -> npt.NDArray[np.float64]:
        parts = [levels[level] * 2.0 ** (level - TERM_BITS) for level in sorted(levels, reverse=True)]
        return np.asarray(sum(parts[1:], start=parts[0])) / self._num_examples


def _level(top: float) -> int:
    """Smallest multiple of 8 with ``top < 2 ** level``; a floor keeps the number of levels small."""
    exponent = math.frexp(top)[1]
    return max(LOWEST_LEVEL, -(-exponent // LEVEL_BITS) * LEVEL_BITS)


def weighted_mean(updates: Iterable[ClientUpdate]) -> dict[str, Array]:
    """Mean delta of a stream of updates, weighted by ``num_examples`` (McMahan et al., FedAvg, AISTATS 2017).

    Raises:
        RefusedUpdate: no update, or one that cannot be averaged (see `WeightedMean.add`).
    """
    mean = WeightedMean()
    for update in updates:
        mean.add(update)
    return mean.result()
