"""Size categories of Lung-RADS, as a hint: what a *solid* nodule of this size would be called.

The detector knows neither whether a nodule is solid nor whether the scan is a first one, so the hint always carries
its condition. Tables: American College of Radiology, Lung-RADS 1.1 (2019; NBK568579, table 1) and 2022; for solid
nodules both say the same. They are read with the mean diameter to one decimal; ours is that of the ball of equal
volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASELINE, NEW = "baseline", "new"
UPPER_LIMITS_MM: Mapping[str, tuple[tuple[float, str], ...]] = {  # occasion -> (diameter below which, category)
    BASELINE: ((6.0, "2"), (8.0, "3"), (15.0, "4A"), (float("inf"), "4B")),
    NEW: ((4.0, "2"), (6.0, "3"), (8.0, "4A"), (float("inf"), "4B")),
}
RULES: Mapping[str, str] = {
    BASELINE: "Lung-RADS 1.1 and 2022, if solid, baseline: below 6 mm: 2; 6 to below 8 mm: 3; 8 to below 15 mm: 4A;"
    " from 15 mm: 4B",
    NEW: "Lung-RADS 1.1 and 2022, if solid, new: below 4 mm: 2; 4 to below 6 mm: 3; 6 to below 8 mm: 4A; from 8 mm: 4B",
}


@dataclass(frozen=True)
class Category:
    """``value`` is 2, 3, 4A or 4B; ``rule`` says under which conditions."""

    occasion: str
    value: str

    @property
    def rule(self) -> str:
        return RULES[self.occasion]


def category_of(diameter_mm: float, occasion: str = BASELINE) -> Category:
    """The category of a solid nodule of this mean diameter, on this occasion (baseline, or new since a prior scan)."""
    rounded_mm = round(diameter_mm, 1)
    value = next(value for limit_mm, value in UPPER_LIMITS_MM[occasion] if rounded_mm < limit_mm)
    return Category(occasion, value)
