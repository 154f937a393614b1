"""What people see of the model that read a scan: where it comes from, and what its thresholds meant in validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedlung.stores.model_registry import ModelEntry

POINT = ("threshold", "fp_per_scan", "sensitivity", "num_scans")
MORE = ("interval", "fp_interval", "num_nodules")


def model_facts(entry: ModelEntry) -> dict[str, Any]:
    """Facts of the card that concern everybody: no hospital is named, only how many there were."""
    card = entry.card
    return {
        "id": entry.model_id,
        "name": str(card.get("name") or entry.model_id),
        "sha256": entry.sha256,
        "round": card.get("round"),
        "rounds": card.get("rounds"),
        "hospitals": card.get("num_hospitals"),
        "num_scans": card.get("num_scans"),
        "created": entry.created,
        "is_built_in": entry.is_built_in,
        "validation": _validation(card, is_built_in=entry.is_built_in),
        "operating_points": operating_points(card),
    }


def operating_points(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a threshold gave in validation: false marks per scan, sensitivity, on how many scans; by rising threshold.

    A card may list them as ``metrics.validation.operating_points`` if the model was shipped, or of a run, where that
    holds the hospitals, as ``metrics.validation_pooled.operating_points``. Else there is one at most: the display
    threshold, with the sensitivity at its false marks per scan. A model whose validation named no threshold has none,
    and the page says so instead of inventing a meaning.
    """
    metrics = card.get("metrics") or {}
    validation = metrics.get("validation_pooled") or metrics.get("validation") or {}
    listed = validation.get("operating_points")
    if isinstance(listed, list):
        points = [_point(point) for point in listed]
        return sorted(points, key=lambda point: point["threshold"])
    rate = validation.get("false_marks_per_scan_at_threshold")
    threshold, sensitivities = validation.get("display_threshold"), validation.get("sensitivity_at_fp_per_scan") or {}
    interval = sensitivities.get(f"{rate:g}") if isinstance(rate, int | float) else None
    if threshold is None or interval is None:
        return []
    values = (threshold, rate, interval[0], validation.get("num_scans") or 0)
    return [{name: float(value) for name, value in zip(POINT, values, strict=True)}]


def _point(listed: Mapping[str, Any]) -> dict[str, Any]:
    """With the 95 % intervals of both rates and the number of nodules, where the card knows them."""
    more = {name: listed[name] for name in MORE if name in listed}
    return {**{name: float(listed[name]) for name in POINT}, **more}


def _validation(card: Mapping[str, Any], *, is_built_in: bool) -> dict[str, Any]:
    """Of a shipped model everything; of ours the means over the hospitals and what was counted over all of them."""
    metrics = card.get("metrics") or {}
    if is_built_in:
        shipped = metrics.get("validation")
        return dict(shipped) if isinstance(shipped, Mapping) else {}
    pooled = metrics.get("validation_pooled") or {}
    counted = {name: value for name, value in pooled.items() if name != "operating_points"}
    return {**(metrics.get("validation_mean") or {}), **counted}
