"""Two readings of one person's lungs: which nodules are the same, and how they have grown.

Doubling time: ``days * ln 2 / ln(volume / prior volume)`` (Schwartz 1961, "A biomathematical approach to clinical
tumor growth"), for a nodule that grew. Growth: more than 1.5 mm in mean diameter (Lung-RADS 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MATCHED_WITHIN_MM = 10.0
GROWTH_MM = 1.5


@dataclass(frozen=True)
class Seen:
    """One nodule at one time; ``center_xyz_mm`` in the world of the later scan."""

    id: str
    center_xyz_mm: tuple[float, float, float]
    diameter_mm: float
    volume_mm3: float


@dataclass(frozen=True)
class Pair:
    """The same nodule now and then."""

    now: Seen
    prior: Seen
    distance_mm: float

    @property
    def diameter_change_mm(self) -> float:
        return self.now.diameter_mm - self.prior.diameter_mm

    @property
    def volume_change_percent(self) -> float:
        return 100 * (self.now.volume_mm3 / self.prior.volume_mm3 - 1)

    @property
    def has_grown(self) -> bool:
        return self.diameter_change_mm > GROWTH_MM

    def doubling_time_days(self, days: int | None) -> float | None:
        """None without dates, and for a nodule that has not grown: less than `GROWTH_MM` may be the measuring's."""
        if days is None or days <= 0 or not self.has_grown or self.now.volume_mm3 <= self.prior.volume_mm3:
            return None
        return days * math.log(2) / math.log(self.now.volume_mm3 / self.prior.volume_mm3)


@dataclass(frozen=True)
class Matched:
    """``new`` have no partner in the prior reading, ``gone`` none in the later; whether that scan shows their place at
    all is for whoever knows the scans to say."""

    pairs: tuple[Pair, ...]
    new: tuple[Seen, ...]
    gone: tuple[Seen, ...]


def match(now: Sequence[Seen], prior: Sequence[Seen], within_mm: float = MATCHED_WITHIN_MM) -> Matched:
    """Pairs of nearest nodules, the nearest pair first, each nodule once; the order is that of ``now``."""
    distances = [
        (float(np.linalg.norm(np.subtract(a.center_xyz_mm, b.center_xyz_mm))), i, j)
        for i, a in enumerate(now)
        for j, b in enumerate(prior)
    ]
    taken: dict[int, tuple[int, float]] = {}
    for distance, i, j in sorted(distances):
        if distance <= within_mm and i not in taken and j not in {j for j, _ in taken.values()}:
            taken[i] = j, distance
    pairs = tuple(Pair(now[i], prior[j], distance) for i, (j, distance) in sorted(taken.items()))
    found = {j for j, _ in taken.values()}
    new = tuple(nodule for i, nodule in enumerate(now) if i not in taken)
    return Matched(pairs, new, tuple(nodule for j, nodule in enumerate(prior) if j not in found))
