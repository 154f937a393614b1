"""How far measured diameters were off in a model's validation, by size: what its card says, and where a mark falls.

Limits of agreement after Bland and Altman (Lancet 1986; 327: 307-310): 95 % of the differences between two ways to
measure lie between them when the differences are normally distributed. The classes are those of the size categories,
and a diameter belongs to its class as *measured*: the true one is what a reader of a scan does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedlung.detection.categories import BASELINE, UPPER_LIMITS_MM

CLASSES_MM = tuple(
    zip((0.0, *(limit for limit, _ in UPPER_LIMITS_MM[BASELINE][:-1])), dict(UPPER_LIMITS_MM[BASELINE]), strict=True)
)
"""Bounds of the size classes: from the first, below the second; read to one decimal, as the categories are."""
FEWEST_NODULES = 10
"""Below, a standard deviation says next to nothing: the page says that too few were measured."""


def is_of_class(diameter_mm: float, bounds_mm: tuple[float, float]) -> bool:
    """Whether a measured diameter belongs to one of `CLASSES_MM`."""
    return bounds_mm[0] <= round(diameter_mm, 1) < bounds_mm[1]


def agreement_at(validation: Mapping[str, Any], diameter_mm: float) -> dict[str, Any] | None:
    """The class of ``diameter_mm`` in a card's ``metrics.validation``: bounds, nodules, bias and limits; or None."""
    for known in (validation.get("diameter_agreement") or {}).get("bins", ()):
        low, high = known["bounds_mm"]
        if is_of_class(diameter_mm, (low, float("inf") if high is None else high)):
            return dict(known)
    return None
