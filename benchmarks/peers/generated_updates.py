"""Updates of hospitals out of a seed: the same on both sides of a comparison, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Shapes = Sequence[Sequence[int]]
TYPICAL_CHANGE = 1e-3


def generated(shapes: Shapes, count: int) -> Iterator[tuple[dict[str, np.ndarray[Any, Any]], int]]:
    """Float32 arrays by name and a number of scans, ``count`` times; no update is held here."""
    for index in range(count):
        random = np.random.default_rng(index)
        arrays = {}
        for number, shape in enumerate(shapes):
            array = random.standard_normal(shape, np.float32)
            array *= np.float32(TYPICAL_CHANGE)
            arrays[f"array{number:03d}"] = array
        yield arrays, 10 + index % 7
